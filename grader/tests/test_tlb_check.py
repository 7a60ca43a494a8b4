"""The TLB checker: page table bugs that are planted are found and explained, and it can be told
not to look.

One debug kernel with kern/test/planted_tlb_bugs.c serves all of these tests; its command line says
which of the bugs it has. Every other test that runs the vkernel shows that it finds nothing else.
"""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

import pytest

from grader.machine import Outcome, Setup, run, vkernel_arguments
from grader.tests.support import CHECK, HANG, clean_environment, make_setup, needs

WRAPPED = ("machine_tlb_invalidate", "pmap_protect", "pmap_remove", "sys_umask")

# Forks, unmaps, changes the mask: whatever is planted has its chance.
COMMAND = "umask 022; /tests/mappings >/dev/null; (umask 0); echo fine"

ENTRY = r"0x[0-9a-f]{16}: pfn 0x[0-9a-f]+"


@functools.lru_cache(maxsize=None)
def build() -> Path:
    folder = CHECK / "planted-tlb"
    variables = {
        "MACHINE": "vkernel",
        "BUILD": str(folder),
        "EXTRA_SOURCES": "kern/test/planted_tlb_bugs.c",
        "EXTRA_LDFLAGS": ",".join(["-Wl", *(f"--wrap={name}" for name in WRAPPED)]),
    }
    words = [f"{name}={value}" for name, value in variables.items()]
    subprocess.run(["make", "-s", "-j2", *words, "kernels"], env=clean_environment(), check=True)
    return folder


def planted(bug: str, *words: str, **changes: object) -> Setup:
    arguments = (f"bug={bug}", *words)
    setup = make_setup("vkernel", build=build(), kernel_arguments=arguments, command=COMMAND)
    return setup.with_(**changes)


def report_of(bug: str, **changes: object) -> str:
    """Run with the bug; the panic's text up to the backtraces."""
    outcome = run(planted(bug, **changes), timeout=HANG)
    assert outcome.status == 125, outcome.text + outcome.errors
    assert (outcome.panic or "").startswith("stale TLB entry: process "), outcome.errors
    return outcome.panic_report().partition("last message:")[0]


def assert_fine(outcome: Outcome) -> None:
    assert outcome.status == 0 and outcome.text == "fine\n", outcome.panic_report()


def test_no_bug() -> None:
    assert_fine(run(planted("none"), timeout=HANG))


@pytest.mark.parametrize(
    "bug, right, was, now",
    [
        ("protect", "write to", "P W U A D NX", rf"{ENTRY}, P U A D NX"),
        ("remove", "use", "P .*U A.*", "0"),
    ],
)
def test_a_forgotten_invalidation(bug: str, right: str, was: str, now: str) -> None:
    """It names the function, shows both entries, and says what is to be called."""
    report = report_of(bug)
    said = re.search(rf" process \d+ \(\w+\) can still {right} (0x\w+)$", report, re.M)
    assert said, report
    assert re.search(rf"^    was  {ENTRY}, {was}\n    is   {now}$", report, re.M), report
    assert re.search(rf"^  changed by pmap_{bug}, and then not invalidated$", report, re.M), report
    assert re.search(rf"^    pmap_{bug}\+0x.*\n    __wrap_pmap_{bug}\+0x", report, re.M), report
    assert f"machine_tlb_invalidate(pmap, {said[1]}, " in report


@pytest.mark.parametrize("bug, level", [("store", 1), ("upper", 3)])
def test_a_store_of_somebody_else(bug: str, level: int) -> None:
    """It is not blamed on vm/pmap.c; where to look is said."""
    report = report_of(bug)
    assert re.search(r"process \d+ \(sh\) can still write to 0x6fffff\w+$", report, re.M), report
    entry = re.search(rf"page table entry at (0x\w+), level {level}$", report, re.M)
    assert entry, report
    assert f"run with the same seed= in gdb: watch *(unsigned long *){entry[1]}\n" in report
    values = re.findall(r"^    (?:was|is )  (0x\w+): pfn", report, re.M)
    assert len(values) == 2 and int(values[0], 16) & ~2 == int(values[1], 16), report
    assert "changed by a store outside of vm/pmap.c" in report
    assert re.search(r"the last system call of sh was umask\(0x", report), report
    assert "pmap_enter_accessed, the last of vm/pmap.c, had left it as 0x" in report


@needs("gdb")
def test_it_is_caught_as_the_report_says() -> None:
    """With the seed of the report the watchpoint stops in the function that stores."""
    setup = planted("store", cpus=2, seed=7)
    outcome = run(setup, timeout=HANG)
    watch = re.search(r"in gdb: (watch .*)$", outcome.panic_report(), re.M)
    assert watch, outcome.panic_report()
    script = ["break kernel_main", "run", watch[1], *["continue", "backtrace 1"] * 2, "kill"]
    command = ["gdb", "-nx", "-q", "-batch", "-x", "kern/gdb/duet.py"]
    command += [word for line in script for word in ("-ex", line)]
    command += ["--args", *vkernel_arguments(setup, log=None, results=None)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          timeout=HANG)
    frames = re.findall(r"^#0 .*?(\w+) \(", done.stdout, re.M)
    assert frames[-1] == "__wrap_sys_umask", done.stdout


def test_what_comes_back_in_time_is_no_bug() -> None:
    assert_fine(run(planted("gain"), timeout=HANG))


@pytest.mark.parametrize("cpus", [1, 4])
def test_bugs_are_found_on_all_cpus(cpus: int) -> None:
    assert "changed by pmap_protect" in report_of("protect", cpus=cpus)


def test_it_can_be_turned_off() -> None:
    setup = planted("store", "tlb-check=off", command="umask 022; echo fine")
    assert_fine(run(setup, timeout=HANG))
