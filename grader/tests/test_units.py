"""Native unit tests: parts of the kernel that run alone, under ASan and UBSan (grader/units.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader import units
from grader.tests.support import BUILD


@pytest.mark.parametrize("unit", units.find_units())
def test_unit(unit: str) -> None:
    program = BUILD / "unit" / Path(unit).with_suffix("")
    units.build(unit, program)
    assert re.fullmatch(r"ok \d+ checks", units.run(program))
