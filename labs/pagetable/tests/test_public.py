"""Lab pagetable: the tables in memory, walked by the host as the processor walks them."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from grader.labtest import Duet
from grader.native import Native
from grader.probe import Contents, Probe
from grader.ram import ACCESSED, DIRTY, PAGE, USER, Mapping, Memory

UNIT = "labs/pagetable/public/pmap_script.c"
R, W, X = 1, 2, 4

STEP_WALK = (
    "Step 1: find_entry() in vm/pmap.c goes from the root through PTE_LEVELS levels; pte_index() "
    "says which entry, pte_address() where the next table is, direct_map() how to reach it."
)
STEP_MAP = (
    "Step 2: make_entry(), replace() and takes_away() in vm/pmap.c. Before anything else, "
    "`make units UNIT=vm/test/test_pmap.c` should be content."
)
STEP_UNMAP = (
    "Step 3: pmap_remove() and release_entries() in vm/pmap.c. The order is: not present, "
    "invalidated, and only then given away."
)
STEP_PROTECT = (
    "Step 4: restrict_entry() in vm/pmap.c, through which pmap_protect() takes permissions away; "
    "frame, accessed and dirty bits stay."
)
NOT_YET = (
    "No program can run before steps 1 and 2 are done. Start with the native tests: "
    "`make units UNIT=vm/test/test_pmap.c`, and pmap_script.c in this lab's folder."
)


class Model:
    """What the page table should translate, and a script that does the same to the real one."""

    def __init__(self, duet: Duet, script: Native) -> None:
        self.duet, self.script = duet, script
        self.entries: Dict[int, List[int]] = {}  # va: frame, permissions, accessed and dirty
        self.frames = [script.number("frame") for _ in range(24)]

    def enter(self, va: int, prot: int, frame: Optional[int] = None, access: int = 0) -> None:
        frame = self.frames[self.duet.random.randrange(24)] if frame is None else frame
        old = self.entries.get(va)
        noted = (ACCESSED if access else 0) | (DIRTY if access & prot & W else 0)
        if old is not None and old[0] == frame:
            noted |= old[2]
        self.entries[va] = [frame, prot | R, noted]
        answer = self.script.ask("enter", va, frame, prot, access)
        self.duet.check("0", answer, STEP_MAP)

    def touch(self, va: int, access: int, hint: str) -> None:
        entry = self.entries.get(va)
        wanted = "fault"
        if entry is not None and entry[1] & access:
            entry[2] |= ACCESSED | (DIRTY if access == W else 0)
            wanted = f"{entry[0]:#x}"
        self.duet.check(wanted, self.script.ask("touch", va, access), hint)

    def check_tables(self, hint: str) -> None:
        """Walk the whole of it in a copy of the memory."""
        memory, root = self.script.dump()
        for va in sorted(self.entries):
            for near in (va - PAGE, va, va + PAGE):
                self.check_translation(near, memory.walk(root, near), hint)

    def check_translation(self, va: int, found: Optional[Mapping], hint: str) -> None:
        entry = self.entries.get(va)
        wanted = "no translation"
        if entry is not None:
            wanted = _show(entry[0], entry[1], entry[2])
        got = "no translation"
        if found is not None:
            bits = found.permissions
            prot = R | (W if "w" in bits else 0) | (X if "x" in bits else 0)
            got = _show(found.frame, prot, found.entry & (ACCESSED | DIRTY))
        self.duet.check(f"{va:#x}: {wanted}", f"{va:#x}: {got}", hint)


def _show(frame: int, prot: int, noted: int) -> str:
    bits = "".join(letter for bit, letter in ((R, "r"), (W, "w"), (X, "x")) if prot & bit)
    bits += " accessed" * bool(noted & ACCESSED) + " dirty" * bool(noted & DIRTY)
    return f"frame {frame:#x} {bits}"


def borders(duet: Duet) -> Tuple[int, ...]:
    """Addresses of the last page of a leaf table, of one of the next level, and of the next."""
    return tuple(duet.address(alignment=span) - PAGE for span in (512, 512**2, 512**3))


def places(duet: Duet) -> List[int]:
    """Pages on both sides of the borders between tables, and some anywhere."""
    found = [border + PAGE * step for border in borders(duet) for step in (-1, 0, 1, 2)]
    return found + [duet.address() for _ in range(6)]


def test_native_map(duet: Duet) -> None:
    with duet.native(UNIT) as script:
        model = Model(duet, script)
        spots = places(duet)
        for va in spots:
            duet.check("0", script.ask("lookup", va), STEP_WALK)
        before = script.number("count")
        for va in spots:
            prot = duet.random.choice([R, R | W, R | X])
            model.enter(va, prot, access=duet.random.choice([0, R]))
        duet.check(before, script.number("count"), "Nothing was cached: " + STEP_MAP)
        duet.check(len(spots), script.numbers("count")[-1], "`resident`: " + STEP_MAP)
        model.check_tables(STEP_MAP)
        for va in spots:
            for access in (X, W, R):  # the last one leaves a translation in the cache
                model.touch(va, access, STEP_MAP)
        for va in duet.random.sample(spots, 14):  # others in their place, and the same again
            frame = duet.random.choice([None, model.entries[va][0]])
            model.enter(va, duet.random.choice([R, R | W, R | X, R | W | X]), frame, R)
            for access in (R, W, X):
                model.touch(va, access, "An old translation was still cached. " + STEP_MAP)
        model.check_tables(STEP_MAP)


def test_native_unmap(duet: Duet) -> None:
    with duet.native(UNIT) as script:
        model = Model(duet, script)
        start = borders(duet)[1] - 5 * PAGE
        for number in range(12):
            model.enter(start + number * PAGE, R | W)
            model.touch(start + number * PAGE, duet.random.choice([R, W]), STEP_MAP)
        first, end = start + 2 * PAGE, start + 9 * PAGE
        wanted = []
        for va in range(first, end, PAGE):
            frame, _, noted = model.entries.pop(va)
            wanted.append(f"{frame:#x}:{int(bool(noted & DIRTY))}")
        before = script.number("count")
        duet.check(wanted, script.ask("remove", first, end).split(), STEP_UNMAP)
        count, resident = (script.numbers("count") + [0])[:2]
        duet.check("1 invalidation", f"{count - before} invalidation", STEP_UNMAP)
        duet.check(5, resident, "`resident`: " + STEP_UNMAP)
        for va in range(start, start + 12 * PAGE, PAGE):
            model.touch(va, R, "An old translation was still cached. " + STEP_UNMAP)
        model.check_tables(STEP_UNMAP)
        duet.check("", script.ask("remove", 1 << 32, start).strip(), STEP_UNMAP)
        again = script.number("count")
        duet.check(count, again, "Nothing was there: " + STEP_UNMAP)


def test_native_protect(duet: Duet) -> None:
    with duet.native(UNIT) as script:
        model = Model(duet, script)
        start = borders(duet)[0] - 5 * PAGE
        for number in range(12):
            model.enter(start + number * PAGE, duet.random.choice([R, R | W, R | X, R | W | X]))
        model.enter(start + 3 * PAGE, R | W)
        for number in range(12):
            for access in (X, W, R):  # the last one leaves a translation in the cache
                model.touch(start + number * PAGE, access, STEP_MAP)
        for first, end, prot in ((1, 8, R | X), (6, 11, R)):
            before = script.number("count")
            for va in range(start + first * PAGE, start + end * PAGE, PAGE):
                model.entries[va][1] &= prot
            script.ask("protect", start + first * PAGE, start + end * PAGE, prot)
            for number in range(12):
                for access in (W, X, R):
                    hint = "An old translation was still cached. " + STEP_PROTECT
                    model.touch(start + number * PAGE, access, hint)
            model.check_tables(STEP_PROTECT)
            again = script.number("count")
            duet.check(True, again <= before + 1, "One invalidation is enough. " + STEP_PROTECT)
            script.ask("protect", start + first * PAGE, start + end * PAGE, prot)
            count = script.number("count")
            duet.check(again, count, "Nothing changed: no invalidation. " + STEP_PROTECT)


def translations(memory: Memory, va: int, contents: Contents) -> List[Mapping]:
    """What each page of a process is translated to; the host finds the tables by itself."""
    found = []
    for number, page in enumerate(contents.pages):
        found += memory.mappings(page, va + number * PAGE)[:1]
    return found


def filled(duet: Duet, probe: Probe, va: int, pages: int) -> Contents:
    key = duet.word()
    probe.do(1, "map", va, pages, "rw")
    probe.do(1, "fill", va, pages, key)
    return Contents(pages, key)


def check_mapped(duet: Duet, memory: Memory, va: int, contents: Contents) -> int:
    """Each page must be translated, in one and the same tree; returns its root."""
    found = translations(memory, va, contents)
    wanted = len(contents.pages)
    duet.check(f"{wanted} pages in page tables", f"{len(found)} pages in page tables", STEP_MAP)
    roots = {mapping.root for mapping in found}
    duet.check("1 tree", f"{len(roots)} tree", STEP_MAP)
    for mapping in found:
        duet.check("rw-", mapping.permissions, f"{mapping}: {STEP_MAP}")
        noted = mapping.entry & (USER | ACCESSED | DIRTY)
        hint = f"User, accessed, dirty in {mapping}. {STEP_MAP}"
        duet.check(USER | ACCESSED | DIRTY, noted, hint)
    return found[0].root


def test_programs_run(duet: Duet) -> None:
    """A process's pages, on both sides of the borders between tables."""
    duet.panic_hint = NOT_YET
    with duet.probe() as probe:
        for border in borders(duet):
            va = border - 2 * PAGE
            contents = filled(duet, probe, va, 6)
            probe.check_contents(1, va, contents, STEP_MAP)
            check_mapped(duet, probe.memory(), va, contents)


def test_unmap(duet: Duet) -> None:
    duet.panic_hint = NOT_YET
    with duet.probe() as probe:
        va = borders(duet)[0] - 3 * PAGE
        contents = filled(duet, probe, va, 8)
        root = check_mapped(duet, probe.memory(), va, contents)
        probe.do(1, "unmap", va + PAGE, 5)
        for number in range(8):
            is_there = not 1 <= number < 6
            at = va + number * PAGE
            word = contents.words[number * 512]
            wanted = f"{word:#x}" if is_there else f"fault {at:#x}"
            duet.check(wanted, probe.ask(1, "get", at), STEP_UNMAP)
            memory = probe.memory()
            found = memory.walk(root, at)
            duet.check(is_there, found is not None, f"A translation of {at:#x}: {STEP_UNMAP}")
            frames = len(memory.frames(contents.page(number)))
            duet.check(int(is_there), frames, f"Frames with this page: {STEP_UNMAP}")


def test_protect(duet: Duet) -> None:
    duet.panic_hint = NOT_YET
    with duet.probe() as probe:
        va = borders(duet)[0] - 2 * PAGE
        contents = filled(duet, probe, va, 6)
        root = check_mapped(duet, probe.memory(), va, contents)
        probe.do(1, "protect", va + PAGE, 4, "r")
        for number in range(6):
            at, value = va + number * PAGE + 8, duet.word()
            is_writable = not 1 <= number < 5
            wanted = "ok" if is_writable else f"fault {at:#x}"
            duet.check(wanted, probe.ask(1, "put", at, value), STEP_PROTECT)
            if is_writable:
                contents.put(number * PAGE + 8, value)
            found = probe.memory().walk(root, va + number * PAGE)
            got = found.permissions if found is not None else "no translation"
            duet.check("rw-" if is_writable else "r--", got, STEP_PROTECT)
        probe.do(1, "protect", va, 6, "rw")
        for number in range(6):
            value = duet.word()
            contents.put(number * PAGE + 16, value)
            probe.do(1, "put", va + number * PAGE + 16, value)
        probe.check_contents(1, va, contents, STEP_PROTECT)
