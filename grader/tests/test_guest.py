"""Scripts about what no host can be asked: a full disk, no memory, no processes, other users.

user/tests/guest/NAME.sh runs in a boot of its own on a small machine; NAME.out is what it prints.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from grader import image as images
from grader.machine import run
from grader.tests.support import HANG, ROOT, both_machines, make_setup

SCRIPTS = sorted((ROOT / "user" / "tests" / "guest").glob("*.sh"))


@both_machines
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script(machine: str, script: Path, tmp_path: Path) -> None:
    setup = make_setup(machine, cpus=2, memory="64M")
    copy = images.copy(setup.image, tmp_path / "root.img")
    command = f"cd /tmp; sh /tests/guest/{script.name} 2>&1"
    outcome = run(setup.with_(image=copy, writable=True, command=command), timeout=HANG)
    assert (outcome.status, outcome.text) == (0, script.with_suffix(".out").read_text())
    assert images.check(copy) == []
