"""The vkernel under the compiler's sanitizers: clean, and what is planted is found.

One kernel for each sanitizer serves all of these tests. It contains kern/test/planted_bugs.c,
whose bugs run when the kernel's command line says so.
"""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from grader.programs import Program, run_on_guest
from grader.machine import Setup, run
from grader.tests.conftest import Boot
from grader.tests.support import CHECK, HANG, clean_environment, make_setup

# Smoke: threads, memory, signals and files, in a few seconds.
PROGRAMS = ("cow", "files", "forks", "mappings", "pipes", "preemption", "signals", "unlinks")

# Bug: what the message of the panic says.
ADDRESS_BUGS = {
    "use_after_free": r"use after free: read of 1 bytes at 0x\w+, byte 8 of 40 allocated by "
    r"use_after_free, freed by use_after_free$",
    "heap_overflow": r"heap overflow: write of 1 bytes at 0x\w+, byte 21 of 21 allocated by",
    "heap_overflow_in_library": r"heap overflow: write of 101 bytes at 0x\w+, byte 100 of 100",
    "page_after_release": r"use of a free page: read of 1 bytes",
    "buffer_overflow": r"stack-buffer-overflow: write of 1 bytes",
    "stack_overflow": r"kernel stack overflow",
    "null_pointer": r"bad memory access in the kernel, address 0$",
}
UNDEFINED_BUGS = {
    "undefined_shift": r"planted_bugs\.c:\d+: .*shift exponent 33 is too large",
    "misaligned_access": r"planted_bugs\.c:\d+: load of misaligned address",
    "null_pointer": r"planted_bugs\.c:\d+: load of null pointer",
    "stack_overflow": r"kernel stack overflow",
}
BUGS = [("address", bug) for bug in ADDRESS_BUGS] + [("undefined", bug) for bug in UNDEFINED_BUGS]

both_sanitizers = pytest.mark.parametrize("sanitizer", ["address", "undefined"])
all_sanitizers = pytest.mark.parametrize("sanitizer", ["address", "undefined", "thread"])


def variables(sanitizer: str) -> Dict[str, str]:
    """Of make, for a kernel with bugs in a folder of its own."""
    return {
        "SAN": sanitizer,
        "BUILD": str(CHECK / f"san-{sanitizer}"),
        "EXTRA_SOURCES": "kern/test/planted_bugs.c",
        "EXTRA_LDFLAGS": "-Wl,--wrap=fs_mount_root",
    }


@functools.lru_cache(maxsize=None)
def build(sanitizer: str) -> Path:
    words = [f"{name}={value}" for name, value in variables(sanitizer).items()]
    subprocess.run(["make", "-s", "-j2", *words, "kernels"], env=clean_environment(), check=True)
    return CHECK / f"san-{sanitizer}"


def sanitized(sanitizer: str, **changes: object) -> Setup:
    seed = 1 if sanitizer == "thread" else None
    return make_setup("vkernel", build=build(sanitizer), seed=seed).with_(**changes)


@pytest.mark.parametrize("cpus", [1, 2])
@all_sanitizers
def test_programs_find_nothing(sanitizer: str, cpus: int) -> None:
    programs = [Program(name, (f"/tests/{name}",)) for name in PROGRAMS]
    batch = run_on_guest(sanitized(sanitizer, cpus=cpus), programs, HANG)
    assert {name: result for name, result in batch.results.items() if result.status != 0} == {}
    assert batch.damage == []


@all_sanitizers
def test_much_memory(sanitizer: str) -> None:
    outcome = run(sanitized(sanitizer, memory="1G", command="exit 7"), timeout=HANG)
    assert outcome.status == 7, outcome.errors


@pytest.mark.parametrize("sanitizer, bug", BUGS)
def test_a_planted_bug_is_found(sanitizer: str, bug: str) -> None:
    expected = (ADDRESS_BUGS if sanitizer == "address" else UNDEFINED_BUGS)[bug]
    arguments = (f"bug={bug}",)
    outcome = run(sanitized(sanitizer, kernel_arguments=arguments, command="true"), timeout=HANG)
    assert outcome.status == 125
    assert re.search(expected, outcome.panic or "", re.IGNORECASE), outcome.errors
    assert is_in_the_kernels_terms(outcome.panic_report(), bug), outcome.panic_report()


def is_in_the_kernels_terms(report: str, function: str) -> bool:
    """The backtrace begins with the function, and unless that is too deep, ends at the start."""
    frames = re.findall(r"^    (\w+)\+0x", report.partition("\ncpu 1")[0], re.MULTILINE)
    whole = function == "stack_overflow" or {"start_thread", "thread_main"} <= set(frames)
    return whole and frames[0] == function


def test_a_data_race_is_found() -> None:
    """With both accesses, who made them, and where; each time."""
    words = ("bug=unlocked_counter",)
    setup = sanitized("thread", kernel_arguments=words, cpus=2, command="true")
    outcomes = [run(setup, timeout=HANG) for _ in range(2)]
    assert re.fullmatch(r"data race: \w+ in count, \w+ in count", outcomes[0].panic or "")
    access = r"of 4 bytes at 0x\w+ by thread \d+ 'counter'\n    count\+0x"
    pattern = rf"^(read|write) {access}(.|\n)*^unordered with the (read|write) {access}"
    report = outcomes[0].panic_report()
    assert re.search(pattern, report, re.M), report
    assert re.search(r"#0 count kern/test/planted_bugs\.c:\d+", outcomes[0].errors)
    texts = [outcome.panic_report().partition("last message")[0] for outcome in outcomes]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_a_lock_makes_it_none(cpus: int) -> None:
    words = ("bug=locked_counter",)
    outcome = run(sanitized("thread", kernel_arguments=words, cpus=cpus, command="true"))
    assert outcome.status == 0 and "was not noticed" in outcome.log, outcome.errors


def test_races_are_looked_for_with_a_seed_only() -> None:
    outcome = run(sanitized("thread", seed=None, command="true"), timeout=HANG)
    assert outcome.status == 125 and "--seed" in outcome.errors


def test_make_boot_shows_the_finding(make_boot: Boot) -> None:
    words = {**variables("address"), "KERNEL_ARGS": "bug=use_after_free", "CMD": "true"}
    done = make_boot(**words)
    assert done.returncode == 125
    assert re.search(r"#0 .* use_after_free .*planted_bugs\.c:\d+", done.stderr), done.stderr
    assert done.stderr.count("panic: AddressSanitizer: use after free") == 1, done.stderr


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["SAN=address", "MACHINE=x86_64", "boot"], "SAN=address is for MACHINE=vkernel"),
        (["SAN=undefined", "qemu"], "SAN=undefined is for MACHINE=vkernel"),
        (["SAN=address", "RELEASE=1", "kernels"], "leave RELEASE=1 out"),
        (["SAN=address", "LAB=cow", "grade"], "labs are judged without it"),
        (["SAN=wrong", "kernels"], "SAN is wrong: it must be address, undefined or thread"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_said(words: List[str], sentence: str) -> None:
    done = subprocess.run(
        ["make", "-s", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    assert done.returncode != 0 and sentence in done.stderr
