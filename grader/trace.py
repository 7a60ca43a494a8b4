"""The event trace: where the JSON that a kernel writes at its end comes from and goes to.

The vkernel writes its file itself. QEMU shares a file of memory with the kernel of x86_64
(arch/x86_64/trace_channel.c), from which the text is taken when QEMU has ended, however it did.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Union

EVENTS = 1 << 15  # of each CPU; the kernel's default (kern/trace.c)
EVENT_SIZE = 256  # bytes of text, and more than most need
ROOM_MIN, ROOM_MAX = 1 << 20, 1 << 28
HEADER = struct.Struct("<QQ")  # room, length
END = '],"otherData":{"kernel":"?","events":0,"lost":0,"cut":true}}\n'


def wanted_events(kernel_arguments: Sequence[str]) -> int:
    """What the kernel's word `trace=EVENTS` says."""
    for word in kernel_arguments:
        match = re.fullmatch(r"trace=(\d+)", word)
        if match:
            return int(match.group(1))
    return EVENTS


@dataclass
class Channel:
    """A file of memory that QEMU shares with the guest; most of it is never touched, a hole."""

    file: Path

    def create(self, cpus: Union[int, str], kernel_arguments: Sequence[str]) -> None:
        count = int(cpus) if str(cpus).isdigit() else 1  # QEMU says what is wrong with others
        wanted = count * wanted_events(kernel_arguments) * EVENT_SIZE
        size = ROOM_MIN
        while size < min(wanted, ROOM_MAX):
            size *= 2
        with open(self.file, "wb") as file:
            file.write(HEADER.pack(size - HEADER.size, 0))
            file.truncate(size)

    def options(self) -> List[str]:
        """For QEMU."""
        size, path = self.file.stat().st_size, str(self.file).replace(",", ",,")
        memory = f"memory-backend-file,id=trace,size={size},mem-path={path},share=on"
        return ["-object", memory, "-device", "ivshmem-plain,memdev=trace"]

    def save(self, target: Path) -> bool:
        """Write what the guest wrote; False: it wrote nothing."""
        with open(self.file, "rb") as file:
            _, length = HEADER.unpack(file.read(HEADER.size))
            text = file.read(length)
        if length == 0:
            return False
        if not text.endswith(b"}}\n"):  # there was more than there is room for
            text = text[: text.rindex(b",\n")] + b"\n" + END.encode()
        target.write_bytes(text)
        return True


def summary(target: Path) -> str:
    """What to tell of a trace that is not whole; '' if it is."""
    with open(target, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 200))
        tail = file.read().decode("utf-8", "replace")
    if size == 0:
        return f"{target}: no trace: the kernel did not come to its end"
    if '"cut":true' in tail:
        return f"{target}: the trace is cut short: there is room for {ROOM_MAX >> 20} MiB"
    lost = re.search(r'"events":(\d+),"lost":(\d+)', tail)
    if lost and int(lost.group(2)) > 0:
        total = int(lost.group(1)) + int(lost.group(2))
        return (
            f"{target}: the last {lost.group(1)} of {total} events"
            f" (KERNEL_ARGS=trace={total} keeps more)"
        )
    return ""
