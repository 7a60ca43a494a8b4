"""Lab pagetable: memory that ends, neighbours, execution, stale translations, fork, two CPUs."""

from __future__ import annotations

from grader.labtest import Duet
from grader.probe import Contents
from grader.ram import PAGE
from labs.pagetable.tests.test_public import (
    NOT_YET,
    STEP_MAP,
    STEP_PROTECT,
    STEP_UNMAP,
    UNIT,
    Model,
    R,
    W,
    X,
    borders,
    check_mapped,
    filled,
    places,
)


def test_native_out_of_memory(duet: Duet) -> None:
    """A table page cannot be had: -ENOMEM, and nothing has changed; later it works."""
    with duet.native(UNIT) as script:
        model = Model(duet, script)
        for va in places(duet):
            model.enter(va, R | W)
        free = duet.address()
        for left in range(3):
            script.ask("hoard", left)
            wanted = "-12"
            hint = "make_entry() returns NULL when a table cannot be had. " + STEP_MAP
            duet.check(wanted, script.ask("enter", free, model.frames[0], R, 0), hint)
            duet.check("0", script.ask("lookup", free), hint)
            model.check_tables(hint)
        script.ask("return")
        model.enter(free, R)
        model.check_tables(STEP_MAP)


def test_native_all_is_freed(duet: Duet) -> None:
    """Every table page is on pmap->tables once: pmap_destroy() gives back what there was."""
    with duet.native(UNIT) as script:
        frames = 24
        model = Model(duet, script)
        for va in places(duet):
            model.enter(va, R | W)
        script.ask("remove", 0x1000, 0x700000000000)
        resident = script.numbers("count")[-1]
        duet.check(0, resident, "Everything was removed. " + STEP_UNMAP)
        hint = "pmap_destroy() releases the tables on pmap->tables. " + STEP_MAP
        duet.check(script.first - frames, script.number("destroy"), hint)


def test_native_mixed(duet: Duet) -> None:
    """Anything in any order, against a model."""
    with duet.native(UNIT) as script:
        model = Model(duet, script)
        start = borders(duet)[1] - 8 * PAGE
        for _ in range(60):
            first = duet.random.randrange(16)
            count = duet.random.randrange(1, 17 - first)
            span = range(start + first * PAGE, start + (first + count) * PAGE, PAGE)
            action = duet.random.randrange(4)
            if action == 0:
                released = script.ask("remove", span.start, span.stop).split()
                entries = [model.entries.pop(va) for va in span if va in model.entries]
                wanted = [f"{frame:#x}:{int(bool(noted & 64))}" for frame, _, noted in entries]
                duet.check(sorted(wanted), sorted(released), STEP_UNMAP)
            elif action == 1:
                prot = duet.random.choice([R, R | W, R | X])
                script.ask("protect", span.start, span.stop, prot)
                for va in span:
                    if va in model.entries:
                        model.entries[va][1] &= prot
            else:
                va = duet.random.choice(span)
                prot = duet.random.choice([R, R | W, R | X, R | W | X])
                model.enter(va, prot, access=duet.random.choice([0, R, W]) & prot)
            for va in range(start, start + 16 * PAGE, PAGE):
                for access in (W, R):  # the second one leaves a translation in the cache
                    model.touch(va, access, "An old translation? " + STEP_MAP)
        model.check_tables(STEP_MAP)
        resident = script.numbers("count")[-1]
        duet.check(len(model.entries), resident, "`resident` counts the entries that are present.")


def test_execute(duet: Duet) -> None:
    """A page can be executed if and only if its protection says so."""
    duet.panic_hint = NOT_YET
    with duet.probe() as probe:
        va = duet.address(2)
        probe.do(1, "map", va, 2, "rw")
        for at in (va + 64, va + PAGE + 64):
            probe.do(1, "put", at, 0xC3)
        hint = "PTE_NOEXEC: " + STEP_PROTECT
        duet.check(f"fault {va + 64:#x}", probe.ask(1, "call", va + 64), hint)
        probe.do(1, "protect", va, 1, "rx")
        duet.check("ok", probe.ask(1, "call", va + 64), hint)
        duet.check(f"fault {va + PAGE + 64:#x}", probe.ask(1, "call", va + PAGE + 64), hint)
        duet.check(f"fault {va:#x}", probe.ask(1, "put", va, 1), hint)
        probe.do(1, "protect", va, 1, "r")
        duet.check(f"fault {va + 64:#x}", probe.ask(1, "call", va + 64), hint)


def test_new_memory_in_the_same_place(duet: Duet) -> None:
    """What was there before is gone, also from what the processor remembers."""
    duet.panic_hint = NOT_YET
    with duet.probe() as probe:
        va = borders(duet)[0] - 2 * PAGE
        contents = filled(duet, probe, va, 4)
        for _ in range(3):
            probe.check_contents(1, va, contents, STEP_MAP)
            probe.do(1, "unmap", va, 4)
            probe.do(1, "map", va, 4, "rw")
            probe.check_contents(1, va, Contents(4), "Zeros, not the old page. " + STEP_UNMAP)
            contents = filled(duet, probe, va, 4)
        check_mapped(duet, probe.memory(), va, contents)


def test_fork_and_exit(duet: Duet) -> None:
    """A child has tables of its own; they and its pages are gone when it is."""
    duet.panic_hint = NOT_YET
    with duet.probe() as probe:
        va = borders(duet)[0] - 2 * PAGE
        contents = filled(duet, probe, va, 4)
        root = check_mapped(duet, probe.memory(), va, contents)
        probe.do(1, "fork", 2)
        child_key = duet.word()
        probe.do(2, "fill", va, 4, child_key)
        child = Contents(4, child_key)
        other = check_mapped(duet, probe.memory(), va, child)
        duet.check(True, root != other, "Parent and child have page tables of their own.")
        probe.check_contents(1, va, contents, STEP_PROTECT)
        probe.check_contents(2, va, child, STEP_PROTECT)
        probe.end(2)
        memory = probe.memory()
        for number, page in enumerate(child.pages):
            duet.check(0, len(memory.frames(page)), "The child's pages are freed. " + STEP_UNMAP)
            gone = memory.walk(other, va + number * PAGE)
            duet.check(True, gone is None, "The child's tables are freed: pmap->tables.")
        value = duet.word()
        contents.put(8, value)
        probe.do(1, "put", va + 8, value)
        probe.check_contents(1, va, contents, STEP_PROTECT)


def test_the_system_works(duet: Duet) -> None:
    """Pipelines on two processors, in several schedules, and a disk without damage."""
    duet.panic_hint = NOT_YET
    for strategy in ("random:16", "pct:3:5000"):
        count, digit = duet.random.randrange(300, 600), duet.random.randrange(1, 9)
        command = f"seq {count} | grep {digit} | sort -r > /root/out; wc -l < /root/out; sync"
        words = (f"strategy={strategy}",)
        run = duet.run(command, cpus=2, keep_image=True, kernel_arguments=words)
        lines = sorted((str(n) for n in range(1, count + 1) if str(digit) in str(n)), reverse=True)
        duet.check(str(len(lines)), run.output.strip(), STEP_MAP)
        duet.check("\n".join(lines) + "\n", run.read("/root/out"), STEP_MAP)
        duet.check("no damage", "\n".join(run.damage()) or "no damage", STEP_MAP)
