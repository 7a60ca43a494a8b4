"""A process's memory: its address map and its page table as text."""

from __future__ import annotations

from typing import Iterator, List

import gdb

from structures import (
    WORD,
    DuetError,
    constant,
    is_leaf,
    items,
    mappings,
    permissions,
    place_of,
    read_table,
    shift_of,
    variable,
)

PROT_LETTERS = ((1, "r"), (2, "w"), (4, "x"))


def _map_of(process: gdb.Value) -> gdb.Value:
    if int(process["map"]) == 0:
        raise DuetError("it has no address map (any more)")
    return process["map"].dereference()


def _region(region: gdb.Value, root: int) -> str:
    start, end, prot = int(region["start"]), int(region["end"]), int(region["prot"])
    letters = "".join(letter if prot & bit else "-" for bit, letter in PROT_LETTERS)
    letters += "s" if bool(region["is_shared"]) else "p"
    resident = sum(leaf.size for leaf in mappings(root, start, end))
    if int(region["object"]) != 0:
        what = f"object {int(region['object']):#x} from {int(region['object_offset']):#x}"
        if int(region["anon"]) != 0:
            what += ", with pages of its own"
    else:
        what = "stack" if bool(region["grows_down"]) else "zeros"
    kib, resident_kib = (end - start) // 1024, resident // 1024
    return f"{start:#014x}-{end:#014x} {letters} {kib:7} KiB, {resident_kib:6} resident  {what}"


def regions(process: gdb.Value) -> List[str]:
    """A line for each region, as in /proc/PID/maps, and the heap's end."""
    process_map = _map_of(process)
    root = int(process_map["pmap"]["root"])
    lines = [_region(r, root) for r in items(process_map["regions"], "struct region", "link")]
    brk_start, brk = int(process_map["brk_start"]), int(process_map["brk"])
    return lines + [f"heap (brk): {brk_start:#x}-{brk:#x}"]


def _flags(entry: int) -> str:
    shown = permissions(entry)
    for name in ("ACCESSED", "DIRTY", "GLOBAL"):
        if entry & constant(f"PTE_{name}"):
            shown += f" {name.lower()}"
    return shown


def table(process: gdb.Value) -> Iterator[str]:
    """The mapped pages; neighbours with equal flags and neighbouring frames are one line."""
    root = int(_map_of(process)["pmap"]["root"])
    address = constant("PTE_ADDRESS")
    runs: List[List[int]] = []  # start, size, frame, flags
    for va, size, entry in mappings(root):
        flags, frame = entry & ~address, entry & address
        if runs:
            start, length, first, same = runs[-1]
            if same == flags and start + length == va and first + length == frame:
                runs[-1][1] += size
                continue
        runs.append([va, size, frame, flags])
    yield f"root table at physical {root:#x}"
    for start, length, frame, flags in runs:
        yield f"{start:#014x}-{start + length:#014x} -> {frame:#010x} {_flags(flags)}"


def _last_change(entry: int) -> Iterator[str]:
    """Who changed an entry last, as far as vm/pmap_history.c remembers (debug builds)."""
    if gdb.lookup_static_symbol("pmap_history") is None:
        return
    slots = variable("pmap_history")
    count = slots.type.range()[1] + 1
    hashed = entry // WORD * 0x9E3779B97F4A7C15 % (1 << 64)
    slot = slots[hashed * count >> 64]
    if int(slot["entry"]) != entry:
        return
    change = slot["change"]
    yield f"last changed from {int(change['old']):#018x} to {int(change['new']):#018x} by"
    first, last = change["calls"].type.range()
    for call in (int(change["calls"][i]) for i in range(first, last + 1)):
        if call != 0:
            yield f"    {place_of(call)}"


def walk(process: gdb.Value, va: int) -> Iterator[str]:
    """The entries that translate one address, from the root down."""
    where = int(_map_of(process)["pmap"]["root"])
    for level in range(constant("PTE_LEVELS"), 0, -1):
        index = va >> shift_of(level) & constant("PTE_ENTRIES") - 1
        entry = read_table(where)[index]
        line = f"level {level}: table {where:#x}, entry {index}: {entry:#018x}"
        if entry & constant("PTE_PRESENT") == 0:
            yield f"{line}, not present"
            return
        if is_leaf(entry, level):
            yield f"{line}, {_flags(entry)}"
            offset = va & (1 << shift_of(level)) - 1
            frame = entry & constant("PTE_ADDRESS") & ~((1 << shift_of(level)) - 1)
            physical = frame + offset
            yield f"{va:#x} is physical {physical:#x}, for the kernel at " \
                  f"{constant('DIRECT_MAP_BASE') + physical:#x}"
            yield from _last_change(constant("DIRECT_MAP_BASE") + where + index * WORD)
            return
        yield line
        where = entry & constant("PTE_ADDRESS")
