"""Fixtures for all tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from grader.tests.support import ROOT, SAN, clean_environment

# Files of tests that run no kernel, or are about another one than that with a sanitizer.
HOST_ONLY = (
    *("test_abi", "test_batch", "test_check_grader", "test_confined_machine", "test_container"),
    *("test_conventions", "test_gdb"),
    *("test_grade", "test_labs", "test_libvmspace", "test_limits", "test_man", "test_package"),
    *("test_sandbox", "test_sanitizers", "test_units"),
)


@pytest.fixture(scope="session", autouse=True)
def in_root() -> Iterator[None]:
    """Tests run in the root folder of the tree, whatever folder pytest was started in."""
    before = Path.cwd()
    os.chdir(ROOT)
    yield
    os.chdir(before)


Boot = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def make_boot() -> Boot:
    """Type `make -s boot` with these variables, and this on standard input."""

    def boot(stdin: str = "", **variables: object) -> "subprocess.CompletedProcess[str]":
        words = [f"{name}={value}" for name, value in variables.items()]
        done = subprocess.run(
            ["make", "-s", "boot", *words],
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            timeout=900,
        )
        # Decoded here, since text mode would turn CR NL into NL.
        texts = [stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr)]
        return subprocess.CompletedProcess(done.args, done.returncode, *texts)

    return boot


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """Under a sanitizer only what runs the vkernel is of interest."""
    if not SAN:
        return
    other = [item for item in items if is_not_for_sanitizers(item)]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


def is_not_for_sanitizers(item: pytest.Item) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    machine = parameters.get("machine", getattr(getattr(item, "cls", None), "machine", "vkernel"))
    is_other = machine != "vkernel" or "x86_64" in item.name or "qemu" in item.name
    return is_other or Path(item.location[0]).stem in HOST_ONLY
