"""Backtraces: through a kernel stack, and on into the user program.

gdb itself unwinds both. The kernel part is unwound in the machine that is debugged. The user
part becomes a core file, made of the program's registers and of the pages that its page table
maps, which a second gdb reads together with the program's file: user memory is not at its
addresses on every machine, nor in every process.
"""

from __future__ import annotations

import importlib.util
import os
import re
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple

import gdb

import registers
from structures import (
    ROOT,
    Mapping,
    constant,
    cpu_threads,
    describe_state,
    describe_thread,
    machine_name,
    mappings,
    permissions,
    process_of,
    read_physical,
    read_user,
    selection_kept,
    shares_addresses,
    text,
)

# Functions at which the kernel's part ends, and in which the program itself runs.
BASE, RUNNING = "user_loop", "user_run"

# How much of a stack, and of other memory, a backtrace's core file has at most.
STACK_SIZE = 1 << 20
DATA_SIZE = 4 << 20

FOLDERS = ("bin", "tests", "bench")
ET_CORE, EM_X86_64, PT_LOAD, PT_NOTE, NT_PRSTATUS = 4, 62, 1, 4, 1


class KernelPart(NamedTuple):
    lines: List[str]
    functions: List[str]


class UserPart(NamedTuple):
    process: gdb.Value
    program: Optional[Path]
    registers: registers.Registers
    is_stale: bool  # it runs just now where its registers cannot be seen


# --- The kernel's part -----------------------------------------------------------------------


def _read_stack(skip_sp: Optional[int]) -> KernelPart:
    """gdb's backtrace of the selected thread, without the frames that have the given rsp."""
    frame: Optional[gdb.Frame] = gdb.newest_frame()
    while frame is not None and skip_sp is not None and registers.register("rsp", frame) == skip_sp:
        frame = frame.older()
    if frame is None:
        return KernelPart([], [])
    first, functions = frame.level(), []
    while frame is not None and frame.pc() != 0:
        functions.append(frame.name() or "?")
        if frame.name() == BASE:
            break
        frame = frame.older()
    shown = gdb.execute(f"backtrace {first + len(functions)}", to_string=True)
    lines: List[str] = []
    for line in shown.splitlines():
        number = re.match(r"#(\d+) +", line)
        if number and first <= int(number.group(1)):
            lines.append(f"#{len(lines):<3}" + line[number.end() :])
    return KernelPart(lines, functions)


def kernel_part(thread: gdb.Value) -> KernelPart:
    """The kernel stack of a thread, whether it runs or not."""
    with selection_kept():
        if bool(thread["on_cpu"]):
            running = cpu_threads().get(int(thread["cpu"]["id"]))
            if running is not None:
                running.switch()
                if is_in_user_mode():
                    return KernelPart([], [RUNNING])
                return _read_stack(None)
        unwinder = registers.UNWINDER
        unwinder.real_sp = registers.register("rsp")
        try:
            unwinder.target = registers.saved_by_switch(thread)
            gdb.invalidate_cached_frames()
            return _read_stack(unwinder.real_sp)
        finally:
            unwinder.target = None
            gdb.invalidate_cached_frames()


def is_in_user_mode() -> bool:
    """Whether the selected CPU runs a user program itself, if that can be at all: where user
    memory and the kernel's lie in one address space."""
    return shares_addresses() and registers.register("rip") < constant("USER_MAX")


# --- The user's part -------------------------------------------------------------------------


def build_folders() -> List[Path]:
    """Where programs may be: beside the kernel that is debugged, or in the tree's build."""
    kernel = Path(gdb.current_progspace().filename or "build/machine/duet").resolve()
    return [kernel.parent.parent, kernel.parent.parent.parent, ROOT / "build"]


def program_file(process: gdb.Value, pc: int, root: int) -> Optional[Path]:
    """The program's file with symbols, by its name, if its code is what is in memory."""
    name = text(process["name"])
    for base in build_folders():
        for folder in FOLDERS:
            file = base / "user" / folder / name
            if file.is_file() and _same_code(file, pc, root):
                return file
    return None


def _same_code(file: Path, pc: int, root: int) -> bool:
    memory = read_user(root, pc, 1)
    if memory is None:
        return True
    data = file.read_bytes()
    phoff, size, count = struct.unpack_from("<Q14xHH", data, 32)
    for i in range(count):
        kind, _, offset, va, _, length = struct.unpack_from("<IIQQQQ", data, phoff + i * size)
        if kind == PT_LOAD and va <= pc < va + length:
            wanted = min(16, va + length - pc, -pc % constant("PAGE_SIZE") or 16)
            return read_user(root, pc, wanted) == data[offset + pc - va :][:wanted]
    return False


def root_of(process: gdb.Value) -> Optional[int]:
    """The address of a process's page table."""
    return int(process["map"]["pmap"]["root"]) if int(process["map"]) != 0 else None


def user_part(thread: gdb.Value, kernel: KernelPart) -> Optional[UserPart]:
    """What is to be known of a thread's program; None without one. A program that runs is stopped,
    so that its memory fits its registers, until resume_stopped()."""
    process = process_of(thread)
    root = root_of(process) if process is not None else None
    if process is None or root is None:
        return None
    values: Optional[registers.Registers] = None
    is_running = bool(thread["on_cpu"]) and RUNNING in kernel.functions
    if is_running and not kernel.lines:
        with selection_kept():
            cpu_threads()[int(thread["cpu"]["id"])].switch()
            values = registers.of_processor(gdb.newest_frame())
    elif is_running:
        values = stop_running(thread)
    is_stale = is_running and values is None
    values = values or registers.saved_by_trap(thread)
    if values["rip"] == 0:
        return None
    return UserPart(process, program_file(process, values["rip"], root), values, is_stale)


def stop_running(thread: gdb.Value) -> Optional[registers.Registers]:
    """The registers of a thread's program that runs where gdb does not see it, if the machine
    knows how to stop it (arch/NAME/debugger.py); resume_stopped() lets it go on."""
    file = ROOT / "arch" / machine_name() / "debugger.py"
    if not file.is_file():
        return None
    spec = importlib.util.spec_from_file_location("machine_debugger", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stopped = module.stop_running(thread)
    if stopped is None:
        return None
    STOPPED.append(stopped)
    return stopped.registers


STOPPED: List[Any] = []  # programs that stop_running() has stopped


def resume_stopped() -> None:
    while STOPPED:
        STOPPED.pop().resume()


def _pages(root: int, rsp: int, everything: bool) -> Iterator[Mapping]:
    rest = DATA_SIZE
    for leaf in mappings(root):
        is_stack = rsp - leaf.size < leaf.va < rsp + STACK_SIZE
        if is_stack or everything:
            yield leaf
        elif "x" not in permissions(leaf.entry) and rest > 0:
            rest -= leaf.size
            yield leaf


def write_core(part: UserPart, path: Path, everything: bool) -> None:
    """A core file of Linux (elf(5)) with one thread and the pages that are resident."""
    root = root_of(part.process) or 0
    status = registers.core_note(part.registers, int(part.process["pid"]))
    note = struct.pack("<III8s", 5, len(status), NT_PRSTATUS, b"CORE") + status
    pages = list(_pages(root, part.registers["rsp"], everything))
    head_size, entry_size = 64, 56
    offset = head_size + entry_size * (len(pages) + 1)
    entries = struct.pack("<IIQQQQQQ", PT_NOTE, 0, offset, 0, 0, len(note), 0, 4)
    offset += len(note)
    data = b""
    for leaf in pages:
        flags = 4 | 2 * ("w" in permissions(leaf.entry)) | ("x" in permissions(leaf.entry))
        size = leaf.size
        entries += struct.pack("<IIQQQQQQ", PT_LOAD, flags, offset, leaf.va, 0, size, size, 1)
        frame = leaf.entry & constant("PTE_ADDRESS") & ~(size - 1)
        data += read_physical(frame, size)
        offset += size
    head = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    sizes = (head_size, entry_size, len(pages) + 1, 0, 0, 0)
    head += struct.pack("<HHIQQQIHHHHHH", ET_CORE, EM_X86_64, 1, 0, head_size, 0, 0, *sizes)
    path.write_bytes(head + entries + note + data)


def user_lines(parts: List[UserPart], limit: int) -> List[List[str]]:
    """The backtraces of several user programs, by one run of a second gdb."""
    if not parts:
        return []
    with tempfile.TemporaryDirectory(prefix="duet-gdb-") as folder:
        command = [os.readlink("/proc/self/exe"), "-nx", "-q", "-batch"]
        command += ["-ex", "set width 0", "-ex", "set backtrace past-main on"]
        for number, part in enumerate(parts):
            core = Path(folder) / str(number)
            write_core(part, core, everything=False)
            if part.program is not None:
                command += ["-ex", f"file {part.program}"]
            else:
                command += ["-ex", "file"]
            command += ["-ex", f"core-file {core}", "-ex", "echo \\n=begin=\\n"]
            command += ["-ex", f"backtrace {limit}", "-ex", "echo \\n=end=\\n"]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            universal_newlines=True,
        )
    found = re.findall(r"=begin=\n(.*?)\n=end=", done.stdout, re.DOTALL)
    return [[line for line in text.splitlines() if line.startswith("#")] for text in found]


# --- Both ------------------------------------------------------------------------------------


def show(wanted: List[gdb.Value], limit: int = 40) -> None:
    """Print the backtraces of threads, each through the kernel into its program."""
    both: List[Tuple[gdb.Value, KernelPart, Optional[UserPart]]] = []
    try:
        for thread in wanted:
            kernel = kernel_part(thread)
            both.append((thread, kernel, user_part(thread, kernel)))
        shown = iter(user_lines([user for _, _, user in both if user is not None], limit))
    finally:
        resume_stopped()
    for number, (thread, kernel, user) in enumerate(both):
        if number > 0:
            print()
        print(f"{describe_thread(thread)}, {describe_state(thread)}")
        print("\n".join(kernel.lines), end="\n" if kernel.lines else "")
        if user is not None:
            print_user(user, next(shown, []), len(kernel.lines))


def show_program(thread: gdb.Value) -> None:
    """Print where the program of a thread, which is in the kernel, has entered it."""
    user = user_part(thread, KernelPart([], []))
    if user is not None:
        print_user(user, user_lines([user], 20)[0], 0)


def print_user(user: UserPart, lines: List[str], first: int) -> None:
    """The user's part, with numbers that go on from the kernel's."""
    where = user.program or "a program without a file in the build"
    try:
        where = Path(where).relative_to(ROOT)
    except ValueError:
        pass
    print(f"user program: {where}")
    if user.is_stale:
        print("it runs just now; this is where it last entered the kernel:")
    for number, line in enumerate(lines, first):
        print(re.sub(r"^#\d+ +", f"#{number:<3}", line))
