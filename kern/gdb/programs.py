"""User programs in the kernel's own gdb session, on a machine where both share addresses.

There, the symbols of the program that the selected CPU runs are loaded whenever the machine
stops in user mode; breakpoints in a program stop only for that program, although others have
code at the same addresses; and stepping goes from a program into the kernel and back.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import gdb

from backtraces import FOLDERS, build_folders, is_in_user_mode, program_file, root_of
from registers import register
from structures import (
    DuetError,
    constant,
    cpu_threads,
    cpus,
    current_thread,
    describe_thread,
    process_of,
    read_user,
    shares_addresses,
    text,
)


class Symbols:
    """The one program whose symbols are loaded: others lie at the same addresses."""

    def __init__(self) -> None:
        self.file: Optional[Path] = None

    def load(self, file: Path) -> None:
        if file == self.file:
            return
        if self.file is not None:
            gdb.execute(f"remove-symbol-file {self.file}", to_string=True)
        self.file = file
        gdb.execute(f"add-symbol-file {file}", to_string=True)


SYMBOLS = Symbols()


class ProgramBreakpoint(gdb.Breakpoint):
    """Stops at an address of one program, in whatever process runs it."""

    def __init__(self, program: str, address: int) -> None:
        self.program = program
        super().__init__(f"*{address:#x}")

    def stop(self) -> bool:
        thread = current_thread()
        process = process_of(thread) if thread is not None else None
        root = root_of(process) if process is not None else None
        if process is None or root is None or text(process["name"]) != self.program:
            return False
        # Code that is not there yet faults first and is reached again.
        return read_user(root, register("rip"), 1) is not None


def find(name: str) -> Path:
    for base in build_folders():
        for folder in FOLDERS:
            if (base / "user" / folder / name).is_file():
                return base / "user" / folder / name
    raise DuetError(f"the build has no program '{name}'")


def break_program(words: List[str]) -> None:
    """Stop where a user program reaches a function or FILE:LINE of its own."""
    if not shares_addresses():
        raise DuetError(
            "user programs are processes of the host on this machine: gdb sees them when they "
            "enter the kernel (duet break-syscall), or as a copy (duet program)"
        )
    SYMBOLS.load(find(words[0]))
    _, places = gdb.decode_line(words[1])
    mine = [place.pc for place in places or () if place.pc < constant("USER_MAX")]
    if not mine:
        raise DuetError(f"{words[0]} has no place '{words[1]}'")
    ProgramBreakpoint(words[0], mine[0])


def notice_program() -> None:
    """The machine has stopped: if in user mode, load the program's symbols, and say where."""
    if not is_in_user_mode():
        return
    thread = current_thread()
    process = process_of(thread) if thread is not None else None
    root = root_of(process) if process is not None else None
    if thread is None or process is None or root is None:
        return
    file = program_file(process, register("rip"), root)
    if file is not None and file != SYMBOLS.file:
        SYMBOLS.load(file)
        print(f"{describe_thread(thread)}, in user mode")
        gdb.execute("frame")


def name_threads() -> None:
    """Give gdb's threads that are CPUs the CPUs' names."""
    known = [thread for thread in gdb.selected_inferior().threads() if _is_named(thread)]
    if len(known) < len(cpus()):
        for number, thread in cpu_threads().items():
            thread.name = f"cpu {number}"


def _is_named(thread: "gdb.InferiorThread") -> bool:
    return thread.name is not None and thread.name.startswith("cpu ")
