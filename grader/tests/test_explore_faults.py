"""Every single failure that a command can meet (grader/explore_faults.py).

`make check` tries a sample; `make check-faults` all of them, and test programs as well.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import Sequence

import pytest

from grader.explore_faults import KINDS, Summary, explore, report
from grader.machine import run
from grader.tests.support import HANG, ROOT, both_machines, clean_environment, make_setup

IS_LONG = os.environ.get("FAULTS") == "all"

SESSION = (ROOT / "grader/tests/fault_session.sh").read_text().replace("\n", "; ").rstrip("; ")
PROGRAMS = ("descriptors", "directories", "execs", "files", "links", "mappings")
PROGRAMS += ("pipes", "renames", "signals", "stacks", "unlinks", "waits")


def explore_all(command: str, every: int = 1, kinds: Sequence[str] = KINDS) -> Summary:
    setup = make_setup("vkernel", cpus=2, seed=1, command=command)
    summary = explore(setup, kinds, every=every)
    assert summary.failures == [], report(setup, summary)
    return summary


def test_a_shell_session() -> None:
    summary = explore_all(SESSION, every=1 if IS_LONG else 37)
    assert all(number > 0 for number in summary.reached.values())
    assert any(trial.status != 0 for trial in summary.trials)


@pytest.mark.skipif(not IS_LONG, reason="make check-faults")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program(program: str) -> None:
    explore_all(f"mkdir -p /tmp/work; cd /tmp/work; /tests/{program} >/dev/null 2>&1", every=7)


def test_a_write_that_failed_is_tried_again() -> None:
    """Each write of a small change to the file system; what it says is on the disk."""
    summary = explore_all("mkdir /root/d; echo hi > /root/d/x; sync", kinds=["disk-write"])
    assert len(summary.trials) == summary.reached["disk-write"] > 5
    assert {trial.status for trial in summary.trials} == {0}


@both_machines
def test_nothing_leaks_on_either_machine(machine: str) -> None:
    command = "(ls / | wc -l) & wait; cp /etc/passwd /root/x; /tests/forks >/dev/null; rm /root/x"
    setup = make_setup(machine, seed=1, command=command, kernel_arguments=("check-leaks",))
    outcome = run(setup, timeout=HANG)
    assert outcome.ended and re.findall(r"^leak.*", outcome.results, re.M) == ["leaks: none"]


def test_the_summary_names_what_to_type() -> None:
    words = ["CMD=ls /nothing", "KINDS=stub,disk-write", "JOBS=1"]
    done = subprocess.run(
        ["make", "-s", *words, "explore-faults"],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^disk-write +\d+ reached +\d+ tried +0 wrong", done.stdout, re.M)
