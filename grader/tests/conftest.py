"""Fixtures for all tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Callable, Iterator

import pytest

from grader.tests.support import ROOT, clean_environment


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
        return subprocess.run(
            ["make", "-s", "boot", *words],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=clean_environment(),
            timeout=900,
        )

    return boot
