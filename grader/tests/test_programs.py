"""Every test program answers on both machines what it answers on Linux.

One class a configuration: its programs share one boot, and pytest-xdist (--dist loadscope)
gives a class to one worker.
"""

from __future__ import annotations

import functools
from typing import List

import pytest

from grader.batch import Batch, NoOracle, Program, Result, run_on_guest, run_on_host
from grader.tests.support import CHECK, HANG, make_setup


def find_programs() -> List[Program]:
    """What is in /tests of the image: binaries, scripts of the shell, foreign binaries."""
    found = []
    folder = CHECK / "root" / "tests"
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name.startswith("guest/"):
            continue
        guest_path = f"/tests/{name}"
        command = ("/bin/sh", guest_path) if path.suffix == ".sh" else (guest_path,)
        found.append(Program(name, command))
    return found


PROGRAMS = find_programs()


@functools.lru_cache(maxsize=None)
def linux_says(program: Program) -> Result:
    try:
        return run_on_host(CHECK / "oracle", CHECK / "root", program)
    except NoOracle as reason:
        pytest.skip(str(reason))


class OnMachine:
    """The tests of one configuration; subclasses say which."""

    machine: str
    cpus: int

    @pytest.fixture(scope="class")
    def batch(self, request: pytest.FixtureRequest) -> Batch:
        cls = request.cls
        wanted = {
            item.callspec.params["program"]
            for item in request.session.items
            if item.cls is cls and hasattr(item, "callspec")
        }
        setup = make_setup(cls.machine, cpus=cls.cpus)
        return run_on_guest(setup, [p for p in PROGRAMS if p in wanted], HANG)

    @pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
    def test_program(self, batch: Batch, program: Program) -> None:
        expected = linux_says(program)
        assert batch.results[program.name] == expected

    def test_disk_is_clean_afterwards(self, batch: Batch) -> None:
        assert batch.damage == []


class TestVkernelOneCpu(OnMachine):
    machine, cpus = "vkernel", 1


class TestVkernelTwoCpus(OnMachine):
    machine, cpus = "vkernel", 2


class TestX86OneCpu(OnMachine):
    machine, cpus = "x86_64", 1


class TestX86FourCpus(OnMachine):
    machine, cpus = "x86_64", 4


def test_programs_were_found() -> None:
    assert PROGRAMS, f"no test programs in {CHECK / 'root/tests'}: `make check` builds them"
