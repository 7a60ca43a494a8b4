"""A machine's memory, seen from the host: what lies where, and who maps it.

`Ram` is the file that is a machine's physical memory (on both machines physical address 0 is its
first byte). `Ram.look()` reads it while the machine stands still; the `Memory` that one gets
knows nothing of the kernel in it but the format of page tables, <machine/pte.h>. It finds page
tables backwards: from a frame to the leaf entries that point at it, from the table in which
such an entry lies to the entries that point at that, up to the root. So no structure of the
kernel is believed.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple

PAGE = 4096
LEVELS = 4

PRESENT, WRITE, USER, ACCESSED, DIRTY, LARGE = 1, 2, 4, 32, 64, 128
NOEXEC = 1 << 63
ADDRESS = 0x000FFFFFFFFFF000

MAPPINGS_MAX = 64  # of one page: a hostile kernel may have any number

SEEK_DATA, SEEK_HOLE = 3, 4


def index(va: int, level: int) -> int:
    """Which entry of the table at `level` (1 = leaf tables) translates `va`."""
    return va >> (12 + 9 * (level - 1)) & 511


@dataclass(frozen=True)
class Mapping:
    """A leaf entry that a walk from `root` finds for `va`."""

    root: int
    va: int
    entry: int

    @property
    def frame(self) -> int:
        return self.entry & ADDRESS

    @property
    def is_writable(self) -> bool:
        return bool(self.entry & WRITE)

    @property
    def permissions(self) -> str:
        entry = self.entry
        return "r" + ("w" if entry & WRITE else "-") + ("-" if entry & NOEXEC else "x")

    def __str__(self) -> str:
        return f"{self.va:#x} -> frame {self.frame:#x} {self.permissions} (table {self.root:#x})"


class Memory:
    """What the memory was at one moment."""

    def __init__(self, pieces: Dict[int, bytes]) -> None:
        self.pieces = pieces

    def page(self, frame: int) -> bytes:
        for start, data in self.pieces.items():
            if start <= frame < start + len(data):
                return data[frame - start : frame - start + PAGE].ljust(PAGE, b"\0")
        return bytes(PAGE)

    def find(self, pattern: bytes) -> Iterator[int]:
        """The addresses at which the pattern stands; not across a hole in the file."""
        for start, data in self.pieces.items():
            at = data.find(pattern)
            while at >= 0:
                yield start + at
                at = data.find(pattern, at + 1)

    def frames(self, page: bytes) -> List[int]:
        """The page frames with exactly these bytes."""
        return [at for at in self.find(page) if at % PAGE == 0]

    def entry(self, table: int, number: int) -> int:
        data = self.page(table)
        return int(struct.unpack_from("<Q", data, 8 * number)[0]) if data else 0

    def walk(self, root: int, va: int) -> Optional[Mapping]:
        """Translate as the processor does; None where it would fault."""
        table = root
        for level in range(LEVELS, 0, -1):
            entry = self.entry(table, index(va, level))
            if not entry & PRESENT or not entry & USER:
                return None
            table = entry & ADDRESS
        return Mapping(root, va, entry)

    def _tables_above(self, targets: Set[int], va: int, level: int) -> Iterator[int]:
        """Tables of `level` whose entry for `va` is present and points at one of the targets: the
        entry has the same place in all of them."""
        wanted = PRESENT | USER
        for start, data in self.pieces.items():
            words = memoryview(data).cast("Q")
            for number, entry in enumerate(words[index(va, level) :: PAGE // 8]):
                if entry & wanted == wanted and entry & ADDRESS in targets:
                    yield start + number * PAGE

    def roots(self, frame: int, va: int) -> List[int]:
        """The page tables, by their roots, that translate `va` to `frame`."""
        tables = {frame}
        for level in range(1, LEVELS + 1):
            tables = set(self._tables_above(tables, va, level))
        return sorted(tables)

    def mappings(self, page: bytes, va: int) -> List[Mapping]:
        """Who maps a frame with these bytes at `va`."""
        found = []
        for frame in self.frames(page)[:MAPPINGS_MAX]:
            for root in self.roots(frame, va)[:MAPPINGS_MAX]:
                mapping = self.walk(root, va)
                if mapping is not None:
                    found.append(mapping)
        return found


class Ram:
    """Memory for a machine: an anonymous file that the host keeps open."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("duet-ram")

    @property
    def path(self) -> Path:
        """Its name in the machine's process, which inherits the descriptor."""
        return Path(f"/dev/fd/{self.descriptor}")

    def _extents(self) -> Iterator[Tuple[int, int]]:
        end = os.fstat(self.descriptor).st_size
        at = 0
        while at < end:
            try:
                at = os.lseek(self.descriptor, at, SEEK_DATA)
            except OSError:  # only a hole is left
                return
            try:
                stop = os.lseek(self.descriptor, at, SEEK_HOLE)
            except OSError:  # the machine has cut it off just now
                return
            yield at, stop
            at = stop

    def look(self) -> Memory:
        pieces = {}
        for start, end in self._extents():
            data = bytearray()
            while start + len(data) < end:
                block = os.pread(self.descriptor, end - start - len(data), start + len(data))
                if not block:
                    break
                data += block
            pieces[start] = bytes(data).ljust(-(-len(data) // PAGE) * PAGE, b"\0")
        return Memory(pieces)

    def close(self) -> None:
        os.close(self.descriptor)
