"""The kernel's structures, read from outside: lists, CPUs, threads, processes, page tables.

Nothing here runs kernel code or writes to the machine, so it works wherever the kernel was
stopped, also in a panic. Constants come from the headers (macros are not in debug information),
which are chosen by where the kernel that is debugged has its machine_idle(): so one script serves
every machine.
"""

from __future__ import annotations

import re
import struct
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional

import gdb

ROOT = Path(__file__).resolve().parents[2]
WORD = 8


class DuetError(gdb.GdbError):
    """What is wrong, in one line for the user."""


# --- Constants -------------------------------------------------------------------------------


# A function that every machine has, in a file of its own (kern/machine.h).
MACHINE_FUNCTION = "machine_idle"


def is_kernel() -> bool:
    """Whether what is selected in gdb is a Duet kernel, not one of its programs."""
    return gdb.lookup_global_symbol(MACHINE_FUNCTION) is not None


def machine_name() -> str:
    """The folder below arch/ that the kernel was built from."""
    symbol = gdb.lookup_global_symbol(MACHINE_FUNCTION)
    if symbol is None:
        raise DuetError("no Duet kernel with debug information is selected here")
    parts = Path(symbol.symtab.filename).parts
    return parts[parts.index("arch") + 1]


def _defines(path: Path) -> Dict[str, str]:
    text = path.read_text(encoding="utf-8")
    found = {}
    for other in re.findall(r'#include "(arch/[^"]+)"', text):
        found.update(_defines(ROOT / other))
    for name, value in re.findall(r"^#define (\w+)[ ]+(\S.*?)(?:\s*/\*.*)?$", text, re.MULTILINE):
        found[name] = re.sub(r"\b(0x[0-9a-f]+|\d+)[UL]+\b", r"\1", value)
    return found


@lru_cache(maxsize=None)
def _constants(machine: str) -> Dict[str, int]:
    folder = ROOT / "arch" / machine / "include" / "machine"
    values: Dict[str, int] = {}
    for header in ("param.h", "pte.h"):
        for name, text in _defines(folder / header).items():
            values[name] = eval(text, {}, values)  # arithmetic of earlier constants
    return values


def constant(name: str) -> int:
    """The value of a macro of <machine/param.h> or <machine/pte.h>."""
    return _constants(machine_name())[name]


def shares_addresses() -> bool:
    """Whether the machine has user memory and the kernel's in one address space."""
    return constant("DIRECT_MAP_BASE") >= constant("USER_MAX")


# --- Values ----------------------------------------------------------------------------------


def variable(name: str) -> gdb.Value:
    """A variable of the kernel, also one that is static in its file."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        raise DuetError(f"the kernel has no variable '{name}'")
    return symbol.value()


def place_of(address: int) -> str:
    """Where in the kernel's source a return address belongs."""
    place = gdb.find_pc_line(address - 1)
    function = gdb.block_for_pc(address - 1)
    while function is not None and function.function is None:
        function = function.superblock
    name = function.function.name if function is not None else f"{address:#x}"
    return f"{name} ({place.symtab.filename}:{place.line})" if place.symtab else name


def pointer_to(type_name: str) -> gdb.Type:
    return gdb.lookup_type(type_name).pointer()


def structure(type_name: str, address: int) -> gdb.Value:
    """The structure at an address."""
    return gdb.Value(address).cast(pointer_to(type_name)).dereference()


def has_field(value: gdb.Value, name: str) -> bool:
    return any(field.name == name for field in value.type.fields())


def text(value: gdb.Value) -> str:
    """A char array or char pointer as a string."""
    if value.type.code == gdb.TYPE_CODE_PTR and int(value) == 0:
        return "?"
    return value.string("utf-8", "replace")


def items(head: gdb.Value, type_name: str, member: str) -> Iterator[gdb.Value]:
    """What a struct list holds (kern/list.h), as structures."""
    kind = gdb.lookup_type(type_name)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == member)
    end = int(head["head"].address)
    node, seen = int(head["head"]["next"]), set()
    while node != end:
        if node in seen or node == 0:
            raise DuetError(f"a list of {type_name} is damaged at {node:#x}")
        seen.add(node)
        item = structure(type_name, node - offset)
        yield item
        node = int(item[member]["next"])


# --- CPUs ------------------------------------------------------------------------------------


def cpus() -> List[gdb.Value]:
    """The CPUs that have been started, by their number; none before the kernel's memory is."""
    every = variable("cpus")
    try:
        return [cpu for cpu in map(every.__getitem__, range(constant("MAX_CPUS")))
                if int(cpu["current"]) != 0]
    except gdb.MemoryError:
        return []


def register(name: str, frame: Optional[gdb.Frame] = None) -> int:
    """A register, 0 where the machine has no such one."""
    try:
        value = (frame or gdb.newest_frame()).read_register(name)
        return int(value.cast(gdb.lookup_type("unsigned long")))
    except (ValueError, gdb.error):
        return 0


@contextmanager
def selection_kept() -> Iterator[None]:
    """Whatever is selected inside, the user's thread and frame are selected again after it."""
    thread = gdb.selected_thread()
    frame = gdb.selected_frame() if thread is not None else None
    try:
        yield
    finally:
        if thread is not None and thread.is_valid():
            thread.switch()
            if frame is not None and frame.is_valid():
                frame.select()


def _cpu_bases() -> Dict[int, gdb.Value]:
    """The CPUs by the address that their GS base has in the kernel."""
    return {int(cpu["machine"].address): cpu for cpu in cpus()}


def _find_cpu(bases: Dict[int, gdb.Value]) -> Optional[gdb.Value]:
    """The selected thread's CPU. In a user program the processor keeps the kernel's base aside."""
    for name in ("gs_base", "k_gs_base"):
        if register(name) in bases:
            return bases[register(name)]
    return None


def cpu_here() -> Optional[gdb.Value]:
    """The CPU that gdb's selected thread is; None for what is no CPU."""
    return _find_cpu(_cpu_bases())


def cpu_threads() -> Dict[int, "gdb.InferiorThread"]:
    """gdb's thread for each CPU, by the CPU's number."""
    found = {}
    with selection_kept():
        bases = _cpu_bases()
        numbers = {base: int(cpu["id"]) for base, cpu in bases.items()}
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            for base in (register("gs_base"), register("k_gs_base")):
                if base in numbers:
                    found[numbers[base]] = thread
    return found


# --- Threads and processes -------------------------------------------------------------------


def threads() -> List[gdb.Value]:
    return list(items(variable("all_threads"), "struct thread", "all_link"))


def processes() -> List[gdb.Value]:
    return list(items(variable("process_list"), "struct process", "all_link"))


def find_process(pid: int) -> gdb.Value:
    for process in processes():
        if int(process["pid"]) == pid:
            return process
    raise DuetError(f"there is no process {pid}")


def threads_of(process: gdb.Value) -> List[gdb.Value]:
    """A process's threads, oldest first; a zombie has none."""
    return list(items(process["threads"], "struct thread", "process_link"))


def thread_of(process: gdb.Value) -> Optional[gdb.Value]:
    """A process's first thread; None for a zombie."""
    return next(iter(threads_of(process)), None)


def process_of(thread: gdb.Value) -> Optional[gdb.Value]:
    return thread["process"].dereference() if int(thread["process"]) != 0 else None


def current_thread() -> Optional[gdb.Value]:
    """The kernel thread that the selected CPU runs."""
    cpu = cpu_here()
    return cpu["current"].dereference() if cpu is not None else None


def describe_thread(thread: gdb.Value) -> str:
    process = process_of(thread)
    if process is None:
        return f"kernel thread '{text(thread['name'])}'"
    name = f"process {int(process['pid'])} ({text(process['name'])})"
    is_leader = int(thread["tid"]) == int(process["pid"])
    return name if is_leader else f"thread {int(thread['tid'])} of {name}"


def describe_state(thread: gdb.Value) -> str:
    """What it does, in words."""
    if bool(thread["on_cpu"]):
        return f"on cpu {int(thread['cpu']['id'])}"
    state = str(thread["state"])
    if state == "THREAD_RUNNING":
        return "runnable"
    if state == "THREAD_DEAD":
        return "dead"
    if int(thread["waiting_for"]) == 0:
        return "not started" if state == "THREAD_SLEEPING" else "sleeping"
    return f"sleeping on '{text(thread['waiting_for'])}'"


# --- Memory of user programs -----------------------------------------------------------------


class Mapping(NamedTuple):
    """One leaf of a page table."""

    va: int
    size: int
    entry: int


def read_physical(address: int, size: int) -> bytes:
    where = constant("DIRECT_MAP_BASE") + address
    return gdb.selected_inferior().read_memory(where, size).tobytes()


def read_table(address: int) -> List[int]:
    count = constant("PTE_ENTRIES")
    return list(struct.unpack(f"<{count}Q", read_physical(address, count * WORD)))


def shift_of(level: int) -> int:
    """As pte_shift(): how much one entry of a table at this level maps."""
    return constant("PAGE_SHIFT") + (constant("PTE_ENTRIES").bit_length() - 1) * (level - 1)


def is_leaf(entry: int, level: int) -> bool:
    return level == 1 or entry & constant("PTE_LARGE") != 0


def mappings(root: int, start: int = 0, end: Optional[int] = None) -> Iterator[Mapping]:
    """The leaves that map a part of [start, end) of user memory, by address."""
    end = constant("USER_MAX") if end is None else end
    yield from _walk(root, constant("PTE_LEVELS"), 0, start, end)


def _walk(table: int, level: int, base: int, start: int, end: int) -> Iterator[Mapping]:
    size = 1 << shift_of(level)
    for index, entry in enumerate(read_table(table)):
        va = base + index * size
        if va >= end:
            return
        if va + size <= start or entry & constant("PTE_PRESENT") == 0:
            continue
        if is_leaf(entry, level):
            yield Mapping(va, size, entry)
        else:
            yield from _walk(entry & constant("PTE_ADDRESS"), level - 1, va, start, end)


def read_user(root: int, va: int, size: int) -> Optional[bytes]:
    """A user program's memory; None where a page is not resident."""
    data = b""
    while size > 0:
        found = list(mappings(root, va, va + 1))
        if not found:
            return None
        leaf = found[0]
        part = min(size, leaf.va + leaf.size - va)
        frame = leaf.entry & constant("PTE_ADDRESS") & ~(leaf.size - 1)
        data += read_physical(frame + va - leaf.va, part)
        va, size = va + part, size - part
    return data


def permissions(entry: int) -> str:
    """What a user program may do through this entry: "rw-" and so on."""
    if entry & constant("PTE_USER") == 0:
        return "---"
    write = "w" if entry & constant("PTE_WRITE") else "-"
    return "r" + write + ("-" if entry & constant("PTE_NOEXEC") else "x")
