"""Lab cow: what fork shares, and what a write copies. The host counts frames in the memory."""

from __future__ import annotations

from typing import List

from grader.labtest import Duet
from grader.probe import Contents, Probe
from grader.ram import PAGE, Mapping

STEP_SHARE = "Step 1: share_page() in vm/anon.c has to let both slots have the same page."
STEP_PROTECT = (
    "Step 2: write_protect() in vm/map_fork.c. The parent's page table still lets it write to "
    "pages that the child shares."
)
STEP_COPY = (
    "Step 3: fault_private() in vm/fault.c. Whoever writes to a page that others have, too, gets "
    "a copy of its own, in its slot and in its page table, and nobody else's changes."
)
STEP_READ = (
    "Step 3: fault_private() in vm/fault.c. A page that others have, too, may be mapped for a "
    "read, but then without PROT_WRITE, or the next write does not fault."
)
STEP_LAST = (
    "Step 4: fault_private() in vm/fault.c. The last one that is left with a page may write to "
    "it as it is: page_references() says how many refer to it. Your own translation is one."
)
STEP_FREE = (
    "A page is freed with its last reference. Who copies a page gives up its slot's reference to "
    "the old one; and enter() returns that of the translation which it replaces."
)


def filled(duet: Duet, probe: Probe, pages: int) -> "tuple[int, Contents]":
    """Process 1 has so many pages of fresh random words somewhere."""
    va, key = duet.address(pages), duet.word()
    probe.do(1, "map", va, pages, "rw")
    probe.do(1, "fill", va, pages, key)
    return va, Contents(pages, key)


def count_frames(duet: Duet, probe: Probe, page: bytes, wanted: int, hint: str) -> List[int]:
    frames = probe.memory().frames(page)
    if len(frames) != wanted:
        words = {0: "no frame", 1: "1 frame"}
        duet.fail(
            f"{words.get(wanted, f'{wanted} frames')} of physical memory with these bytes",
            words.get(len(frames), f"{len(frames)} frames"),
            hint,
        )
    return frames


def mapped(duet: Duet, probe: Probe, page: bytes, va: int, wanted: int) -> List[Mapping]:
    """The translations of `va` to frames with these bytes, in as many page tables as wanted."""
    mappings = probe.memory().mappings(page, va)
    if len(mappings) != wanted:
        got = f"{len(mappings)}: " + "; ".join(map(str, mappings))
        hint = "Both processes have read this page: see fault_private() and enter() in vm/fault.c."
        duet.fail(f"{wanted} page tables that translate {va:#x} to these bytes", got, hint)
    return mappings


def test_shared_after_fork(duet: Duet) -> None:
    pages = duet.random.randrange(5, 12)
    with duet.probe() as probe:
        va, contents = filled(duet, probe, pages)
        probe.do(1, "fork", 2)
        for page in contents.pages:
            count_frames(duet, probe, page, 1, STEP_SHARE)
        for process in (1, 2):
            probe.check_contents(process, va, contents, STEP_SHARE)
        for number, page in enumerate(contents.pages):
            count_frames(duet, probe, page, 1, STEP_SHARE)
            for mapping in mapped(duet, probe, page, va + number * PAGE, 2):
                if mapping.is_writable:
                    duet.fail("both processes to have it read-only", mapping, STEP_PROTECT)


def write_after_fork(duet: Duet, writer: int) -> None:
    """One of two writes a word in each page, in any order: it alone sees that, and each write
    copies one page."""
    hint = STEP_PROTECT if writer == 1 else STEP_COPY
    with duet.probe() as probe:
        va, contents = filled(duet, probe, 6)
        probe.do(1, "fork", 2)
        changed = contents.copy()
        to_come = duet.random.sample(range(6), 6)
        while to_come:
            number = to_come.pop()
            place = number * PAGE + 8 * duet.random.randrange(512)
            changed.put(place, duet.word())
            probe.do(writer, "put", va + place, changed.words[place // 8])
            probe.check_contents(3 - writer, va, contents, hint)
            probe.check_contents(writer, va, changed, STEP_COPY)
            for other, page in enumerate(contents.pages):
                step = STEP_SHARE if other in to_come else STEP_COPY
                count_frames(duet, probe, page, 1, step)
            count_frames(duet, probe, changed.page(number), 1, STEP_COPY)
            (mapping,) = mapped(duet, probe, changed.page(number), va + number * PAGE, 1)
            if not mapping.is_writable:
                duet.fail("the writer's copy to be writable", mapping, STEP_COPY)


def test_child_writes(duet: Duet) -> None:
    write_after_fork(duet, 2)


def test_parent_writes(duet: Duet) -> None:
    write_after_fork(duet, 1)


def test_last_owner_does_not_copy(duet: Duet) -> None:
    with duet.probe() as probe:
        va, contents = filled(duet, probe, 3)
        before = [count_frames(duet, probe, page, 1, STEP_SHARE) for page in contents.pages]
        probe.do(1, "fork", 2)
        for page in contents.pages:
            count_frames(duet, probe, page, 1, STEP_SHARE)
        # The child copies page 0, so that only the parent is left with the old one.
        probe.do(2, "put", va, duet.word())
        contents.put(8, duet.word())
        probe.do(1, "put", va + 8, contents.words[1])
        after = count_frames(duet, probe, contents.page(0), 1, STEP_COPY)
        duet.check(before[0][0], after[0], STEP_LAST)
        # When the child has ended, it is left with all of them.
        probe.end(2)
        for number in (1, 2):
            contents.put(number * PAGE, duet.word())
            probe.do(1, "put", va + number * PAGE, contents.words[number * 512])
            after = count_frames(duet, probe, contents.page(number), 1, STEP_COPY)
            duet.check(before[number][0], after[0], STEP_LAST)
        probe.check_contents(1, va, contents, STEP_COPY)


def test_copies_are_freed(duet: Duet) -> None:
    """Pages go with the last who has them: the kernel overwrites what it frees."""
    with duet.probe() as probe:
        va, contents = filled(duet, probe, 4)
        probe.do(1, "fork", 2)
        for page in contents.pages:
            count_frames(duet, probe, page, 1, STEP_SHARE)
        key = duet.word()
        copies = Contents(4, key)
        probe.do(2, "fill", va, 4, key)
        for page in copies.pages:
            count_frames(duet, probe, page, 1, STEP_COPY)
        probe.end(2)
        for page in copies.pages:
            count_frames(duet, probe, page, 0, STEP_FREE)
        probe.check_contents(1, va, contents, STEP_FREE)
        probe.do(1, "unmap", va, 4)
        for page in contents.pages:
            count_frames(duet, probe, page, 0, STEP_FREE)


def test_the_system_works(duet: Duet) -> None:
    """Pipelines of processes, and a disk without damage; all on shared memory."""
    count, digit = duet.random.randrange(400, 800), duet.random.randrange(1, 9)
    command = (
        "probe '1 map 0x10000000 4 rw' '1 fill 0x10000000 4 7' '1 fork 2' '2 hash 0x10000000 4'"
        " '2 put 0x10000008 1' '1 hash 0x10000000 4';"
        f" seq {count} | grep {digit} | sort -r > /root/out; wc -l < /root/out; sync"
    )
    run = duet.run(command, cpus=2, keep_image=True)
    lines = sorted((str(n) for n in range(1, count + 1) if str(digit) in str(n)), reverse=True)
    output = run.output.split("\n")
    answers = [line for line in output if ": " in line]
    wanted = Contents(4, 7).hash()
    duet.check(f"2 hash: {wanted}", answers[-3] if len(answers) > 2 else "nothing", STEP_SHARE)
    duet.check(f"1 hash: {wanted}", answers[-1], STEP_READ)
    duet.check(str(len(lines)), output[-2].strip() if len(output) > 1 else "nothing", STEP_COPY)
    duet.check("\n".join(lines) + "\n", run.read("/root/out"), STEP_COPY)
    duet.check("no damage", "\n".join(run.damage()) or "no damage", STEP_COPY)
