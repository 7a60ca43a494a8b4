"""The report of a panic, on both machines: what it says of bugs that are planted.

A kernel of each machine contains kern/test/planted_bugs.c, whose bugs run when the kernel's command
line says so.
"""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path
from typing import List

import pytest

from grader.machine import Outcome, run
from grader.tests.conftest import Boot
from grader.tests.support import CHECK, HANG, both_machines, clean_environment, make_setup

VARIABLES = ["EXTRA_SOURCES=kern/test/planted_bugs.c", "EXTRA_LDFLAGS=-Wl,--wrap=fs_mount_root"]
THREADS_SHOWN = 24  # kern/thread.c


@functools.lru_cache(maxsize=None)
def build() -> Path:
    folder = CHECK / "bugs"
    words = ["make", "-s", "-j2", f"BUILD={folder}", *VARIABLES, "kernels"]
    subprocess.run(words, env=clean_environment(), check=True)
    return folder


def outcome_of(machine: str, bug: str, cpus: int = 2) -> Outcome:
    setup = make_setup(machine, build=build(), kernel_arguments=(f"bug={bug}",), cpus=cpus)
    outcome = run(setup.with_(command="true"), timeout=HANG)
    assert outcome.status == 125 and not outcome.hung
    assert outcome.log.count("\npanic: ") == 1, outcome.log
    return outcome


def report_of(machine: str, bug: str) -> str:
    return outcome_of(machine, bug).panic_report()


def functions(report: str) -> List[str]:
    """Of the backtrace of the CPU that panicked, the innermost first."""
    first = re.search(r"^cpu \d: thread .*\n((?:    \S.*\n)+)", report, re.MULTILINE)
    assert first, report
    return [line.split("+")[0].strip() for line in first.group(1).splitlines()]


@both_machines
def test_registers_are_those_of_the_fault(machine: str) -> None:
    report = report_of(machine, "registers")
    assert re.match(r"panic: .*(bad memory access|write).* 0x10\n", report), report
    assert functions(report)[:2] == ["fault_with_registers", "__wrap_fs_mount_root"]
    assert re.search(r"\br12 123456789abcdef0\n?", report), report
    assert re.search(r"\brsi 0000000077777777 ", report), report


@both_machines
def test_the_caller_of_a_leaf_is_shown(machine: str) -> None:
    assert functions(report_of(machine, "null_pointer"))[:2] == [
        "null_pointer",
        "__wrap_fs_mount_root",
    ]


@both_machines
def test_a_call_to_nowhere_has_a_caller(machine: str) -> None:
    report = report_of(machine, "call_nowhere")
    assert functions(report)[:3] == ["0x5000", "call_nowhere", "__wrap_fs_mount_root"]


@both_machines
@pytest.mark.parametrize("bug", ["stack_overflow", "large_frames"])
def test_a_stack_overflow_is_called_so(machine: str, bug: str) -> None:
    """The repeated call is printed once, and so there is room for who began it."""
    report = report_of(machine, bug)
    assert report.startswith("panic: kernel stack overflow of thread 'start', address 0x")
    assert functions(report)[0].startswith("stack_overflow")
    assert functions(report)[-4:-1] == ["__wrap_fs_mount_root", "start_thread", "thread_main"]
    assert len(functions(report)) < 10
    assert bug == "large_frames" or re.search(r"^    ... and \d+ times more$", report, re.MULTILINE)


@both_machines
def test_locks_are_shown_with_their_holders(machine: str) -> None:
    report = report_of(machine, "locks")
    number = re.search(r"^cpu (\d): thread (\d+) 'start'$", report, re.MULTILINE)
    assert number
    for line in (
        f"spinlock 'planted spinlock': held by cpu {number.group(1)}, taken in panic_with_locks+",
        f"mutex 'planted inner': held by thread {number.group(2)}, taken in panic_with_locks+",
        f"mutex 'planted outer': held by thread {number.group(2)}, taken in panic_with_locks+",
    ):
        assert line in report, report


@both_machines
def test_a_cpu_without_interrupts_is_stopped(machine: str) -> None:
    report = report_of(machine, "spinning_cpu")
    spinner = re.search(r"^cpu \d: thread \d+ 'spinner'\n((?:    .*\n)+)", report, re.MULTILINE)
    assert spinner and "spin_without_interrupts+" in spinner.group(1), report
    assert "does not answer" not in report


@both_machines
def test_an_interrupted_function_is_shown(machine: str) -> None:
    report = outcome_of(machine, "preempted", cpus=1).panic_report()
    busy = re.search(r"^thread \d+ 'busy': runnable\n((?:    .*\n)+)", report, re.MULTILINE)
    assert busy, report
    order = [line.split("+")[0].strip() for line in busy.group(1).splitlines()]
    assert order.index("interrupt_return") < order.index("spin_with_interrupts"), report


@both_machines
def test_two_panics_make_one_report(machine: str) -> None:
    outcome = outcome_of(machine, "two_panics")
    assert outcome.panic == "one of two"
    report = outcome.panic_report()
    assert "panic_once_more+" in report
    assert report.count("panic: one of two") == 1


@both_machines
def test_a_panic_in_the_report_ends_it(machine: str) -> None:
    outcome = outcome_of(machine, "in_the_report")
    assert outcome.panic == "the first one"
    report = outcome.panic_report()
    assert functions(report)[0] == "panic_in_the_report"
    assert re.search(r"\nthe report ends here: .*\b0x[0-9a-f]{2}\n\Z", report), report


@both_machines
def test_many_threads_are_counted(machine: str) -> None:
    """Those that hold a mutex come first."""
    report = report_of(machine, "many_threads")
    shown = re.findall(r"^thread \d+ '(\w+)': sleeping on '.*'$", report, re.MULTILINE)
    assert len(shown) == THREADS_SHOWN
    assert shown[0] == "holder" and shown[1] == "sleeper"
    left_out = re.search(r"^and (\d+) more threads$", report, re.MULTILINE)
    assert left_out and int(left_out.group(1)) >= 202 - THREADS_SHOWN
    assert len(report.splitlines()) < 500
    assert re.search(r"mutex 'planted inner': held by thread \d+, taken in hold_mutex\+", report)


@both_machines
def test_the_last_events_are_shown(machine: str) -> None:
    setup = make_setup(machine, kernel_arguments=("init=/bin/true",), command="x")
    report = run(setup, timeout=HANG).panic_report()
    events = report[report.index("last events:\n") :]
    line = re.search(r"^ +\d+\.\d{6} thread (\d+): exit_group\(0x0, .*$", events, re.MULTILINE)
    assert line, report
    assert re.search(rf"^cpu \d: thread {line.group(1)} 'true', process 1$", report, re.MULTILINE)


def report_of_deadlock(bug: str) -> str:
    words = ("seed=3", f"bug={bug}")
    setup = make_setup("vkernel", build=build(), kernel_arguments=words, command="true")
    outcome = run(setup, timeout=HANG)
    assert outcome.panic == "deadlock: no thread can run, and no event will change that"
    return outcome.panic_report()


def test_a_deadlock_of_spinlocks_says_who_waits_for_what() -> None:
    report = report_of_deadlock("spinning_deadlock")
    waits = r"^cpu (\d), thread \d+ '(\w+)' waits for spinlock '(.*)', which cpu (\d) holds$"
    found = sorted(re.findall(waits, report, re.M))
    assert [line[0] + line[3] for line in found] == ["01", "10"], report
    assert {line[1:3] for line in found} == {("start", "planted right"), ("righty", "planted left")}


def test_a_deadlock_says_who_waits_for_what() -> None:
    report = report_of_deadlock("deadlock")
    waits = r"^thread (\d+) '(\w+)' waits for mutex '(.*)', which (.*) holds$"
    found = re.findall(waits, report, re.M)
    (left, *lefty), (right, *righty) = found
    assert lefty == ["lefty", "planted right", f"thread {right} 'righty'"]
    assert righty == ["righty", "planted left", f"thread {left} 'lefty'"]
    assert re.findall(r"^a circle: (.*)$", report, re.M) == [
        f"thread {left} -> thread {right} -> thread {left}"
    ]
    assert re.search(r"^thread \d+ 'start' sleeps on 'planted event'$", report, re.M)


def test_a_livelock_is_noticed() -> None:
    words = ("seed=3", "bug=livelock", "livelock=10000")
    setup = make_setup("vkernel", build=build(), kernel_arguments=words, command="true")
    panic = run(setup, timeout=HANG).panic
    assert panic == "livelock: no system call came to an end in 10000 scheduling points"


def test_a_kernel_that_hangs_is_noticed() -> None:
    """Before anybody's patience ends: a search goes on with the next schedule."""
    words = ("seed=3", "bug=hang")
    setup = make_setup("vkernel", build=build(), kernel_arguments=words, command="true")
    outcome = run(setup, timeout=HANG)
    assert outcome.panic == "hang: the kernel computes, and comes to no scheduling point"
    report = outcome.panic_report()
    assert re.search(r"^cpu 0: thread \d+ 'start'\n    hang\+0x", report, re.M), report
    assert re.search(r"^spinlock 'planted left': held by cpu 0, taken in hang\+0x", report, re.M)


@both_machines
def test_make_boot_shows_the_essential_first(machine: str, make_boot: Boot) -> None:
    done = make_boot(MACHINE=machine, KERNEL_ARGS="panic", CMD="true")
    assert done.returncode == 125
    lines = [line for line in done.stderr.splitlines() if line]
    assert lines[0] == "panic: asked for by the command line"
    assert re.fullmatch(r"cpu 0: thread \d+ 'start'", lines[2])
    assert lines[3].startswith("    start_thread+")
    assert lines.index("cpu 0, last events:") > 5


@both_machines
def test_what_is_never_freed_is_told_at_power_off(machine: str) -> None:
    """With who allocated it, and how much (kern/leak.c)."""
    words = ("bug=leak", "check-leaks")
    setup = make_setup(machine, build=build(), seed=1, command="sleep 2", kernel_arguments=words)
    found = re.findall(r"^leak.*", run(setup, timeout=HANG).results, re.M)
    size = 3 * 100 + 2 * 4096
    assert found == [f"leak: 4 allocations, {size} bytes, by forget_memory"]
