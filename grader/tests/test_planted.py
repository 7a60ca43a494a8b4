"""Bugs planted into a copy of the kernel: a search finds each, shrinks it, and repeats it.

The patches are in planted/. The programs are short ones of user/tests that meet them.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Tuple

import pytest

from grader.explore import Expectation
from grader.machine import Setup
from grader.schedules import Runner, Schedule
from grader.tests.support import HANG, OUT, ROOT, SAN, clean_environment, needs

REPLAYS = 20

# What the kernel is built from, and what of it is built already.
SOURCES = ("Makefile", "arch", "grader", "kern", "labs", "user", "vm")
BUILT = ("root", "root.img", "tools", "user", "vkernel")

@dataclass(frozen=True)
class Bug:
    """A patch, a program that meets it, within how many schedules, and what it is seen as."""

    patch: str
    program: str
    schedules: int
    what: str
    cpus: int = 2
    fsck: bool = False
    seen: str = ""  # in the output, if it is no panic

    @property
    def command(self) -> str:
        return f"cd /tmp; /tests/{self.program}"


BUGS = [
    Bug("lost_wakeup", "ping_pong", 200, "deadlock: "),
    Bug("abba", "collisions", 200, "deadlock: "),
    Bug("double_reap", "reapers", 50, "panic: "),
    Bug("use_after_free", "partings", 400, "panic: "),
    Bug("tlb", "protections", 300, "panic: stale TLB entry: "),
    Bug("run_queue", "ping_pong", 50, "panic: assertion failed: "),
    Bug("interrupts_on", "ping_pong", 50, "panic: assertion failed: ", cpus=1),
    Bug("torn_rename", "moves", 100, "file system: ", fsck=True, seen="names: 4"),
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


def replay(bug: Bug, seed: int, schedule: Schedule, folder: Path) -> None:
    """The same again, many times, as `explore` runs it."""
    build = folder / "build"
    setup = Setup(
        machine="vkernel",
        image=build / "root.img",
        command=bug.command,
        cpus=bug.cpus,
        build=build,
    )
    runner = Runner(setup, HANG, bug.fsck)
    try:
        for _ in range(REPLAYS):
            failure = Expectation(0, None).failure(runner.run(seed, (), schedule))
            assert str(failure).startswith(bug.what)
    finally:
        runner.close()


@needs("patch")
@pytest.mark.skipif(SAN != "", reason="builds a kernel of its own")
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.patch)
def test_planted_bug_is_found(bug: Bug, tmp_path: Path) -> None:
    plant(bug.patch, tmp_path)
    words = [f"CPUS={bug.cpus}", f"CMD={bug.command}"]
    search = [f"SEEDS={bug.schedules}", *(["FSCK=1"] if bug.fsck else [])]
    status, said = make(tmp_path, "explore", *search, *words)
    assert status != 0 and f"\n{bug.what}" in said, said
    shrunk = re.search(r"(\d+) choices shrunk to (\d+) in", said)
    assert shrunk and int(shrunk.group(2)) < int(shrunk.group(1)), said
    found = re.search(r"^  make -s replay SEED=(\d+) .*SCHEDULE=(\S+) CMD", said, re.M)
    assert found, said
    file = tmp_path / found.group(2)
    status, said = make(
        tmp_path, "replay", f"SEED={found.group(1)}", f"SCHEDULE={file}", *words
    )
    assert (bug.seen or bug.what) in said and (status == 125 or bug.seen), said
    schedule = tuple(file.read_text().replace("\n", "").split(","))
    replay(bug, int(found.group(1)), schedule, tmp_path)
