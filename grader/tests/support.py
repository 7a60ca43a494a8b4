"""Where things are, and small helpers that the test files share."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Callable, Dict, List

import pytest

from grader.machine import Running, Setup
from grader.processes import descendants, name_of

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build"
CHECK = OUT / "check"

# `make check SAN=...` tests the kernel that is built with this sanitizer.
SAN = os.environ.get("SAN", "")
BUILD = OUT / f"san-{SAN}" if SAN else OUT

# The root image with everything that tests want in addition.
IMAGE = CHECK / "root.img"

# `make check SEED=N`: the machines' runs are repeatable.
SEED = os.environ.get("SEED") or ("1" if SAN == "thread" else None)

# `make check VMSPACE=ptrace`: how the vkernel runs user programs.
VMSPACE = os.environ.get("VMSPACE") or None

# Silence for so long means that a machine hangs. Generous: it only costs when a test fails.
HANG = 180.0

both_machines = pytest.mark.parametrize("machine", ["vkernel", "x86_64"])


def make_setup(machine: str, **changes: object) -> Setup:
    """make_setup("vkernel", cpus=1, command="ls"): a machine on the image for tests."""
    setup = Setup(machine=machine, image=IMAGE, build=BUILD, seed=SEED, vmspace=VMSPACE)
    return setup.with_(**changes)


def needs(command: str) -> pytest.MarkDecorator:
    """Skip a test where a tool is not installed."""
    return pytest.mark.skipif(shutil.which(command) is None, reason=f"{command} is not installed")


def clean_environment(**more: str) -> Dict[str, str]:
    """The environment without what an outer make put there."""
    hidden = {"CMD", "FILES", "KERNEL_ARGS", "DISK", "TIMEOUT", "TRACE", "CPUS", "MEM", "TESTS"}
    hidden |= {"MACHINE", "SEED", "FAIL", "KINDS", "JOBS", "EVERY", "VMSPACE"}
    hidden |= {"SEEDS", "STRATEGY", "EXPECT", "FSCK", "SCHEDULE", "UNTIL"}
    hidden |= {name for name in os.environ if name.startswith(("MAKE", "MFLAGS"))}
    return {**{name: os.environ[name] for name in os.environ if name not in hidden}, **more}


def syscall_table() -> Dict[str, int]:
    """The system calls of kern/syscall_table.h: name to number."""
    text = (ROOT / "kern" / "syscall_table.h").read_text()
    found = re.findall(r"^SYSCALL\((\d+), (\w+)\)", text, re.MULTILINE)
    return {name: int(number) for number, name in found}


def c_files(*folders: str) -> List[Path]:
    """The C and header files of the tree, relative to its root."""
    found = []
    for folder in folders:
        found += [file for suffix in ("c", "h") for file in (ROOT / folder).rglob(f"*.{suffix}")]
    return sorted(file.relative_to(ROOT) for file in found)


def kin(machine: Running, name: str) -> List[int]:
    """The processes of a machine that call themselves so."""
    family = descendants(machine.process.pid)
    return [process for process in family if name_of(process) == name]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds; fail when that takes too long."""
    deadline = time.monotonic() + HANG
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def read_line(machine: Running) -> str:
    """The next line that the machine prints; it is killed when none comes."""
    assert machine.process.stdout is not None
    timer = threading.Timer(HANG, machine.process.kill)
    timer.start()
    try:
        return machine.process.stdout.readline().decode()
    finally:
        timer.cancel()


def wait_until_up(machine: Running) -> None:
    """Wait until its command has said `up`."""
    assert read_line(machine) == "up\n"
