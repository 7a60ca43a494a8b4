"""For gdb (kern/gdb): the registers of a user program that runs just now.

They are in the program's stub, a process of the host that goes on while the kernel is stopped in
gdb. It is stopped for a moment with ptrace(2) and left as it was.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Dict, Optional

import gdb

from structures import constant

PTRACE_GETREGS, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 12, 17, 0x4206, 0x4207
WALL = 0x40000000  # wait for every kind of child

# struct user_regs_struct of Linux on x86-64.
ORDER = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
    "fs_base gs_base ds es fs gs"
).split()


def _ptrace(request: int, pid: int, data: Optional[object] = None) -> bool:
    call = ctypes.CDLL(None).ptrace
    call.restype = ctypes.c_long
    return call(ctypes.c_long(request), ctypes.c_int(pid), None, data) == 0


class Stopped:
    """A stub that is held with ptrace(2)."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        # A signal that was about to be delivered must not be lost; our own stop is none.
        self.signal = 0 if status >> 16 else os.WSTOPSIG(status)
        buffer = ctypes.create_string_buffer(8 * len(ORDER))
        self.is_readable = _ptrace(PTRACE_GETREGS, pid, buffer)
        self.registers = dict(zip(ORDER, struct.unpack(f"<{len(ORDER)}Q", buffer.raw)))

    def resume(self) -> None:
        _ptrace(PTRACE_DETACH, self.pid, ctypes.c_void_p(self.signal))


def _stop(pid: int) -> Optional[Stopped]:
    """Stop a process; None when the host does not let us."""
    if not _ptrace(PTRACE_SEIZE, pid):
        return None
    _ptrace(PTRACE_INTERRUPT, pid)
    _, status = os.waitpid(pid, WALL)
    return Stopped(pid, status) if os.WIFSTOPPED(status) else None


def stop_running(thread: gdb.Value) -> Optional[Stopped]:
    """Stop the program of a thread that is on a CPU and find its registers, until it is resumed;
    None if it is not in its own code, or cannot be seen."""
    pid = int(thread["cpu"]["machine"]["vframe"]["host_pid"])
    stopped = _stop(pid) if pid != 0 else None
    if stopped is None:
        return None
    if stopped.is_readable and stopped.registers["rip"] < constant("USER_MAX"):
        return stopped
    stopped.resume()
    return None
