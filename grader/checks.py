"""What is asked of a machine by hand, checked before it starts: complaints in a sentence."""

from __future__ import annotations

import re

from grader.machine import Setup, SetupError

# QEMU starts with less, too, and then the kernel has no place to be loaded to.
MEMORY_MIN = 8 << 20


def check_memory(machine: str, text: str) -> None:
    """Refuse too little memory for QEMU, whose plain numbers are megabytes."""
    if machine == "vkernel":
        return  # it says so itself
    match = re.fullmatch(r"(\d+)([bkmgt]?)", text.lower())
    if match is None:
        raise SetupError(f"{text}: not a memory size such as 128M")
    unit = {"b": 0, "k": 10, "": 20, "m": 20, "g": 30, "t": 40}[match.group(2)]
    if int(match.group(1)) << unit < MEMORY_MIN:
        raise SetupError(f"{text}: too little memory: at least 8M is needed")


def check_trace(setup: Setup) -> None:
    """Refuse a file for the trace that cannot be written."""
    if setup.trace is not None:
        try:
            setup.trace.write_bytes(b"")
        except OSError as error:
            raise SetupError(f"{setup.trace}: {error.strerror}") from None
