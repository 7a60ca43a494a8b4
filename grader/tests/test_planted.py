"""Bugs planted into a copy of the kernel: a search finds each, shrinks it, and repeats it.

The patches are in planted/. The programs are short ones of user/tests that meet them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Tuple

import pytest

from grader.tests.support import OUT, ROOT, SAN, clean_environment, needs

REPLAYS = 20

# What the kernel is built from, and what of it is built already.
SOURCES = ("Makefile", "arch", "grader", "kern", "labs", "user", "vm")
BUILT = ("root", "root.img", "tools", "user", "vkernel")

# The patch, a program that meets it, within how many schedules, and what it is seen as.
BUGS = [
    ("lost_wakeup", "ping_pong", 200, "deadlock: "),
    ("abba", "collisions", 200, "deadlock: "),
    ("double_reap", "reapers", 50, "panic: "),
]


def plant(patch: str, folder: Path) -> None:
    """A copy of the tree with the bug, built."""
    (folder / "build").mkdir()
    subprocess.run(["cp", "-a", *SOURCES, str(folder)], cwd=ROOT, check=True)
    subprocess.run(["cp", "-a", *BUILT, str(folder / "build")], cwd=OUT, check=True)
    file = ROOT / "grader" / "tests" / "planted" / f"{patch}.patch"
    subprocess.run(["patch", "-s", "-p1", "-i", str(file)], cwd=folder, check=True)
    make(folder, "MACHINE=vkernel", "all")


def make(folder: Path, *words: str) -> Tuple[int, str]:
    done = subprocess.run(
        ["make", "-s", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=clean_environment(),
    )
    return done.returncode, done.stdout


@needs("patch")
@pytest.mark.skipif(SAN != "", reason="builds a kernel of its own")
@pytest.mark.parametrize("patch,program,schedules,what", BUGS)
def test_planted_bug_is_found(
    patch: str, program: str, schedules: int, what: str, tmp_path: Path
) -> None:
    plant(patch, tmp_path)
    command = f"CMD=cd /tmp; /tests/{program}"
    status, said = make(tmp_path, "explore", f"SEEDS={schedules}", "TIMEOUT=10", command)
    assert status != 0 and f"\n{what}" in said, said
    shrunk = re.search(r"(\d+) choices shrunk to (\d+) in", said)
    assert shrunk and int(shrunk.group(2)) < int(shrunk.group(1)), said
    seed = re.search(r"^  make -s replay SEED=(\d+) .*SCHEDULE=(\S+) CMD", said, re.M)
    assert seed, said
    words = ["replay", f"SEED={seed.group(1)}", f"SCHEDULE={seed.group(2)}", "CPUS=2", command]
    for _ in range(REPLAYS):
        status, said = make(tmp_path, *words)
        assert status == 125 and what in said, said
