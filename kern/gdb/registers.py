"""What is known of the processor: its registers, where the kernel keeps them, and unwinding.

A thread that does not run has its callee-saved registers on its kernel stack, where
context_switch_registers() pushed them. A user program that is in the kernel has its registers
in thread->frame.
"""

from __future__ import annotations

import struct
from typing import Dict, List, Optional

import gdb
from gdb.unwinder import Unwinder

from structures import WORD, register

# The order of struct trapframe (<machine/frame.h>) up to rdi, and of a core file.
GENERAL = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi".split()
CONTROL = "rip cs eflags rsp ss fs_base gs_base".split()

# What context_switch_registers() leaves at context->sp, upwards.
SWITCHED = "r15 r14 r13 r12 rbx rbp rip".split()

Registers = Dict[str, int]


def saved_by_switch(thread: gdb.Value) -> Registers:
    """The registers of a kernel thread that does not run."""
    sp = int(thread["context"]["sp"])
    size = len(SWITCHED) * WORD
    memory = gdb.selected_inferior().read_memory(sp, size).tobytes()
    found = dict(zip(SWITCHED, struct.unpack(f"<{len(SWITCHED)}Q", memory)))
    found["rsp"] = sp + size
    return found


def saved_by_trap(thread: gdb.Value) -> Registers:
    """The registers with which a user program entered the kernel."""
    frame = thread["frame"]
    names = {name: name for name in GENERAL + CONTROL}
    names["eflags"] = "rflags"
    return {name: int(frame[field]) for name, field in names.items()}


def of_processor(frame: gdb.Frame) -> Registers:
    """The registers that the selected CPU has now."""
    return {name: register(name, frame) for name in GENERAL + CONTROL}


def syscall_number(values: Registers) -> int:
    return values["rax"]


def syscall_arguments(values: Registers) -> List[int]:
    return [values[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9")]


def core_note(registers: Registers, pid: int) -> bytes:
    """struct elf_prstatus of Linux on x86-64, for a core file."""
    values: List[int] = [registers[name] for name in GENERAL]
    values += [2**64 - 1]  # orig_rax: not in a system call that is to be made again
    values += [registers[name] for name in CONTROL] + [0, 0, 0, 0]
    head = struct.pack("<iiihxxQQiiii", 0, 0, 0, 0, 0, 0, pid, 0, 0, 0) + bytes(64)
    return head + struct.pack(f"<{len(values)}Q", *values) + struct.pack("<ii", 0, 0)


class SwitchedThread(Unwinder):
    """Lets gdb unwind a thread that does not run.

    While `target` is set, the frame that the selected CPU is in has the target's saved registers
    as its caller's: what gdb shows from the next frame on is the target's stack, read by gdb
    itself with all that its debug information knows. No register of the machine is changed.
    """

    def __init__(self) -> None:
        super().__init__("duet-switched-thread")
        self.target: Optional[Registers] = None
        self.real_sp = 0

    def __call__(self, pending: gdb.PendingFrame) -> Optional[gdb.UnwindInfo]:
        if self.target is None:
            return None
        word = gdb.lookup_type("unsigned long")
        if int(pending.read_register("rsp").cast(word)) != self.real_sp:
            return None
        # gdb wants the frames of a stack to lie one above the other.
        identity = FrameId(gdb.Value(self.target["rsp"] - 2 * WORD), gdb.Value(0))
        info = pending.create_unwind_info(identity)
        for name, value in self.target.items():
            info.add_saved_register(name, gdb.Value(value).cast(word))
        return info


class FrameId:
    """What gdb wants of a frame: its stack address and its function's address."""

    def __init__(self, sp: gdb.Value, pc: gdb.Value) -> None:
        self.sp = sp
        self.pc = pc


UNWINDER = SwitchedThread()


def install() -> None:
    gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)
