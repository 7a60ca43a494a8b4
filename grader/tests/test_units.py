"""Native unit tests: parts of the kernel that run alone, under ASan and UBSan (grader/units.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader import units
from grader.tests.support import BUILD


UNITS = units.find_units()
VMSPACE_UNITS = [unit for unit in UNITS if "/vmspace/" in unit]


def build(unit: str) -> Path:
    program = BUILD / "unit" / Path(unit).with_suffix("")
    units.build(unit, program)
    return program


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit not in VMSPACE_UNITS])
def test_unit(unit: str) -> None:
    assert re.fullmatch(r"ok \d+ checks", units.run(build(unit)))


@pytest.mark.parametrize("unit", VMSPACE_UNITS)
def test_vmspace_unit(unit: str) -> None:
    """The vmspace library, by each of its means to catch system calls."""
    program = build(unit)
    for means in ("seccomp", "ptrace"):
        assert re.fullmatch(r"ok \d+ checks", units.run(program, VMSPACE=means))
