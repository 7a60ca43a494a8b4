"""Who holds which lock, and who waits for it."""

from __future__ import annotations

from typing import Dict, Iterator, List, Tuple

import gdb

from structures import (
    DuetError,
    cpu_threads,
    cpus,
    describe_thread,
    has_field,
    items,
    place_of,
    selection_kept,
    structure,
    text,
    threads,
)

# The function that waits for a spinlock, and its parameter.
SPINNING, LOCK = "take", "lock"


def _chain(newest: gdb.Value) -> Iterator[gdb.Value]:
    """Locks that one CPU or thread holds, newest first."""
    while int(newest) != 0:
        lock = newest.dereference()
        yield lock
        newest = lock["previous"]


def _spinners() -> Dict[int, List[str]]:
    """The CPUs that wait for a spinlock, by its address."""
    found: Dict[int, List[str]] = {}
    with selection_kept():
        for number, thread in sorted(cpu_threads().items()):
            thread.switch()
            frame = gdb.newest_frame()
            while frame is not None and frame.level() < 4:
                symbol = frame.find_sal().symtab
                if frame.name() == SPINNING and symbol and symbol.filename.endswith("spinlock.c"):
                    lock = int(frame.read_var(LOCK))
                    found.setdefault(lock, []).append(f"cpu {number}")
                    break
                frame = frame.older()
    return found


def _sleepers(mutex: gdb.Value) -> List[str]:
    waiters = items(mutex["waiters"]["waiters"], "struct waiter", "link")
    return [describe_thread(waiter["thread"].dereference()) for waiter in waiters]


def _held_mutexes() -> Iterator[Tuple[gdb.Value, gdb.Value]]:
    for thread in threads():
        for mutex in _chain(thread["held"]):
            yield thread, mutex


def _line(kind: str, lock: gdb.Value, holder: str, waiters: List[str]) -> str:
    taken = place_of(int(lock["taken_at"]))
    shown = f"{kind} '{text(lock['name'])}' at {int(lock.address):#x}: held by {holder}"
    shown += f", taken in {taken}"
    return shown + (f"; waiting: {', '.join(waiters)}" if waiters else "")


def report() -> List[str]:
    every = cpus()
    if not every or not has_field(every[0], "held"):
        raise DuetError("only debug builds know who holds a lock")
    spinners, lines = _spinners(), []
    for cpu in every:
        running = describe_thread(cpu["current"].dereference())
        for lock in _chain(cpu["held"]):
            waiters = [who for who in spinners.pop(int(lock.address), [])]
            lines.append(_line("spinlock", lock, f"cpu {int(cpu['id'])} ({running})", waiters))
    for thread, mutex in _held_mutexes():
        lines.append(_line("mutex", mutex, describe_thread(thread), _sleepers(mutex)))
    for address, waiters in spinners.items():
        lock = structure("struct spinlock", address)
        name = f"spinlock '{text(lock['name'])}' at {address:#x}"
        lines.append(f"{name}: no CPU says that it holds it; waiting: {', '.join(waiters)}")
    return lines
