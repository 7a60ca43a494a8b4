"""Fault injection: the K-th allocation, transfer or host process fails (kern/fail.c)."""

from __future__ import annotations

import re
from typing import Dict

import pytest

from grader.machine import Outcome, run
from grader.tests.support import HANG, both_machines, make_setup

COMMAND = "echo hello >/root/x; (cat /root/x) & wait; ls / | wc -l; sync"


def boot_failing(fail: str, machine: str = "vkernel", **changes: object) -> Outcome:
    setup = make_setup(machine, cpus=2, seed=5, fail=fail, command=COMMAND)
    return run(setup.with_(**changes), timeout=HANG)


def reached(outcome: Outcome) -> Dict[str, int]:
    """How many of each kind there were."""
    line = re.search(r"^reached: (.*)$", outcome.results, re.M)
    assert line is not None, (outcome.results, outcome.errors)
    return {name: int(count) for name, count in re.findall(r"([a-z-]+) (\d+)", line.group(1))}


@both_machines
def test_what_a_command_reaches_is_counted_and_the_same_each_time(machine: str) -> None:
    first, second = boot_failing("", machine), boot_failing("", machine)
    assert first.output == b"hello\n9\n" and first.results == second.results
    counts = reached(first)
    assert set(counts) == {"alloc", "page", "disk-read", "disk-write", "stub"}
    assert (counts["stub"] > 0) == (machine == "vkernel")
    assert all(counts[kind] > 0 for kind in counts if kind != "stub")
    whole = reached(boot_failing("boot", machine))
    assert all(whole[kind] > counts[kind] for kind in ("alloc", "page", "disk-read"))


@both_machines
@pytest.mark.parametrize("kind", ["alloc", "page", "disk-read", "disk-write"])
def test_one_fails_and_is_told(machine: str, kind: str) -> None:
    outcome = boot_failing(f"{kind}:2", machine)
    assert outcome.ended, outcome.panic
    assert len(re.findall(rf"^failed: {kind} 2 in thread '\w+': .* < ", outcome.results, re.M)) == 1


def test_the_host_may_refuse_a_process() -> None:
    outcome = boot_failing("stub:1")
    assert outcome.text == "sh: 1: cannot fork: Cannot allocate memory\n"
    assert "failed: stub 1 in thread 'sh': " in outcome.results


def test_several_may_fail() -> None:
    outcome = boot_failing("page:30,alloc:20,alloc:9")
    failed = set(re.findall(r"^failed: ([a-z]+ \d+)", outcome.results, re.M))
    assert failed == {"page 30", "alloc 20", "alloc 9"}


def test_a_panic_tells_what_failed() -> None:
    """Without memory for its first steps a kernel cannot go on."""
    outcome = boot_failing("boot,alloc:4")
    assert outcome.panic is not None
    assert re.search(r"^failed: alloc 4 in thread '", outcome.panic_report(), re.M)


@pytest.mark.parametrize("word", ["alloc", "alloc:0", "alloc:1x", "disk:1", "alloc:1,,page:2"])
def test_a_bad_list_is_an_error(word: str) -> None:
    outcome = boot_failing(word)
    assert outcome.panic is not None and outcome.panic.startswith("fail=")
