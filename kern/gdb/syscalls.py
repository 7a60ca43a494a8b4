"""System calls as text: names, arguments, results; and breakpoints on them."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Optional

import gdb

import registers
from structures import (
    ROOT,
    DuetError,
    current_thread,
    describe_thread,
    has_field,
    process_of,
    text,
)

ENTRY = "syscall_dispatch"
MAX_ARGUMENTS = 6
USUAL_ARGUMENTS = 3 # shown where the number is not known


@lru_cache(maxsize=None)
def _names() -> Dict[int, str]:
    fields = gdb.lookup_type("enum syscall_number").fields()
    return {field.enumval: field.name[len("SYS_") :] for field in fields}


def number_of(name: str) -> int:
    for number, known in _names().items():
        if known == name:
            return number
    raise DuetError(f"Duet has no system call '{name}'")


def name_of(number: int) -> str:
    return _names().get(number, f"system call {number}")


@lru_cache(maxsize=None)
def _argument_count(name: str) -> int:
    """How many arguments a call has: those that its function in the kernel looks at."""
    symbol = gdb.lookup_global_symbol(f"sys_{name}")
    if symbol is None:
        return USUAL_ARGUMENTS
    source = Path(symbol.symtab.fullname())
    if not source.is_file():
        source = ROOT / symbol.symtab.filename
    if not source.is_file():
        return USUAL_ARGUMENTS
    lines = source.read_text(encoding="utf-8").splitlines()[symbol.line - 1 :]
    body = "\n".join(lines).split("\n}", 1)[0]
    is_passed_on = re.search(r"[(,]\s*arg\s*[,)]", body.partition("{")[2].replace("(void)arg", ""))
    known = max((int(index) + 1 for index in re.findall(r"\barg\[(\d)\]", body)), default=0)
    return max(known, USUAL_ARGUMENTS) if is_passed_on else known


def _argument(value: int) -> str:
    for bits in (64, 32):  # a small negative number, as a long or as an int
        if 2**bits - 4096 <= value < 2**bits:
            return str(value - 2**bits)
    return str(value) if value < 65536 else f"{value:#x}"


def _call(number: int, arguments: List[int]) -> str:
    name = name_of(number)
    shown = [_argument(value) for value in arguments[: _argument_count(name)]]
    return f"{name}({', '.join(shown)})"


def current_call(thread: gdb.Value) -> str:
    """The call that a thread's user program has just made, from its registers."""
    values = registers.saved_by_trap(thread)
    return _call(registers.syscall_number(values), registers.syscall_arguments(values))


@lru_cache(maxsize=None)
def _errors() -> Dict[int, str]:
    header = ROOT / "kern" / "abi" / "errno.h"
    found = re.findall(r"^#define (E\w+)\s+(\d+)", header.read_text(), re.MULTILINE)
    return {int(number): name for name, number in found}


def _result(value: int) -> str:
    if value in (-512, -514):
        return "interrupted"
    if -4096 < value < 0:
        return f"-{_errors().get(-value, str(-value))}"
    return _argument(value)


def history(thread: gdb.Value) -> List[str]:
    """The last calls of a thread, oldest first; one that goes on has no result."""
    if not has_field(thread, "history"):
        raise DuetError("only debug builds keep the last system calls")
    kept = thread["history"]
    begun, ended, size = int(kept["begun"]), int(kept["ended"]), kept["records"].type.range()[1] + 1
    lines = []
    for n in range(max(0, begun - size), begun):
        record = kept["records"][n % size]
        arguments = [int(record["arguments"][i]) for i in range(MAX_ARGUMENTS)]
        result = _result(int(record["result"])) if n < ended else "..."
        lines.append(f"{_call(int(record['number']), arguments)} = {result}")
    return lines


class SyscallBreakpoint(gdb.Breakpoint):
    """Stops where the kernel begins to serve a system call of certain programs."""

    def __init__(
        self,
        program: Optional[str] = None,
        name: Optional[str] = None,
        pid: Optional[int] = None,
        once: bool = False,
    ) -> None:
        self.program, self.pid = program, pid
        self.wanted = number_of(name) if name is not None else None
        super().__init__(ENTRY, temporary=once)

    def stop(self) -> bool:
        thread = current_thread()
        process = process_of(thread) if thread is not None else None
        if thread is None or process is None:
            return False
        if self.program is not None and text(process["name"]) != self.program:
            return False
        if self.pid is not None and int(process["pid"]) != self.pid:
            return False
        values = registers.saved_by_trap(thread)
        return self.wanted is None or registers.syscall_number(values) == self.wanted


def describe_stop() -> str:
    """A line about the system call that the selected CPU is in."""
    thread = current_thread()
    if thread is None or process_of(thread) is None:
        return ""
    return f"{describe_thread(thread)} calls {current_call(thread)}"
