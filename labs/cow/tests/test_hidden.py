"""Lab cow: generations, the kernel's own writes, permissions, memory that ends, two CPUs."""

from __future__ import annotations

from typing import Dict, List

from grader.labtest import Duet
from grader.probe import Contents
from grader.ram import PAGE
from labs.cow.tests.test_public import (
    STEP_COPY,
    STEP_FREE,
    STEP_READ,
    STEP_SHARE,
    count_frames,
    filled,
)


def test_generations(duet: Duet) -> None:
    """Four generations write here and there; each different page lies in memory once."""
    pages = 5  # the last of which nobody writes to
    with duet.probe() as probe:
        va, contents = filled(duet, probe, pages)
        of: Dict[int, Contents] = {1: contents}

        def write(process: int) -> None:
            """A word in each page but the last."""
            for number in duet.random.sample(range(pages - 1), pages - 1):
                place = number * PAGE + 8 * duet.random.randrange(512)
                of[process].put(place, duet.word())
                probe.do(process, "put", va + place, of[process].words[place // 8])

        for child in (2, 3, 4):
            probe.do(child - 1, "fork", child)
            of[child] = of[child - 1].copy()
            write(child - 1)  # the child has all from its parent's past, nothing of its future
        for process in (3, 1, 4, 2):
            probe.check_contents(process, va, of[process], STEP_COPY)
            write(process)
        probe.do(1, "fork", 5)  # of what process 1 has written to since
        of[5] = of[1].copy()
        different = {page for contents in of.values() for page in contents.pages}
        for page in sorted(different):
            count_frames(duet, probe, page, 1, STEP_COPY)
        for process in (4, 2, 5, 1, 3):
            probe.check_contents(process, va, of[process], STEP_COPY)
        probe.end(4, parent=3)
        probe.end(3, parent=2)
        for process in (2, 1):
            probe.check_contents(process, va, of[process], STEP_FREE)


def test_kernel_writes(duet: Duet) -> None:
    """read(2) into a shared page copies it, too."""
    with duet.probe() as probe:
        va, contents = filled(duet, probe, 3)
        probe.do(1, "fork", 2)
        for page in contents.pages:
            count_frames(duet, probe, page, 1, STEP_SHARE)
        for writer in (2, 1):
            of_other = contents.copy()
            key, words = duet.word(), duet.random.randrange(10, 100)
            place = writer * PAGE - 8 * duet.random.randrange(1, words)
            contents.fill(place, key, words)
            probe.do(writer, "receive", va + place, words, key)
            if writer == 2:
                probe.check_contents(1, va, of_other, STEP_COPY)
                probe.check_contents(2, va, contents, STEP_COPY)
                contents = of_other
        probe.check_contents(1, va, contents, STEP_COPY)
        place = 8 * duet.random.randrange(512)
        sent = Contents(0)
        sent.words = contents.words[place // 8 : place // 8 + 200]
        duet.check(sent.hash(), probe.ask(1, "send", va + place, 200), STEP_COPY)


def test_read_then_write(duet: Duet) -> None:
    """Whoever has read a shared page still faults when it writes, whoever is the first."""
    with duet.probe() as probe:
        va, contents = filled(duet, probe, 20)
        probe.do(1, "fork", 2)
        probe.do(1, "fork", 3)
        for page in contents.pages:
            count_frames(duet, probe, page, 1, STEP_SHARE)
        order = [2, 3, 1]
        while order[-1] == 1:  # what the parent writes, a later one could see
            duet.random.shuffle(order)
        for process in (1, 2, 3):
            probe.check_contents(process, va, contents, STEP_READ)
        of = {process: contents.copy() for process in order}
        for process in order:
            for number in duet.random.sample(range(20), 20):
                place = number * PAGE + 8 * duet.random.randrange(512)
                of[process].put(place, duet.word())
                probe.do(process, "put", va + place, of[process].words[place // 8])
        for process in order:
            probe.check_contents(process, va, of[process], STEP_READ)


def test_permissions(duet: Duet) -> None:
    """fork and mprotect: a page is as writable as its region, and no less shared."""
    with duet.probe() as probe:
        va, contents = filled(duet, probe, 6)
        probe.do(1, "protect", va + 2 * PAGE, 2, "r")
        probe.do(1, "fork", 2)
        for page in contents.pages:
            count_frames(duet, probe, page, 1, STEP_SHARE)
        hint = "A write where the region is read-only is the program's error: SIGSEGV."
        for process in (1, 2):
            wanted = f"fault {va + 3 * PAGE:#x}"
            duet.check(wanted, probe.ask(process, "put", va + 3 * PAGE, 1), hint)
        changed = contents.copy()
        probe.do(2, "protect", va, 6, "rw")
        for number in (1, 2, 3, 5):
            changed.put(number * PAGE + 16, duet.word())
            probe.do(2, "put", va + number * PAGE + 16, changed.words[number * 512 + 2])
        probe.check_contents(1, va, contents, STEP_COPY)
        probe.check_contents(2, va, changed, STEP_COPY)
        probe.do(1, "protect", va, 6, "rw")
        probe.do(1, "fork", 3)
        value = duet.word()
        probe.do(3, "put", va + 3 * PAGE, value)
        probe.check_contents(1, va, contents, STEP_COPY)
        contents.put(3 * PAGE, value)
        probe.check_contents(3, va, contents, STEP_COPY)


def test_shared_mappings(duet: Duet) -> None:
    """What is MAP_SHARED is everybody's after fork, whoever writes; beside it private pages."""
    with duet.probe() as probe:
        va, key = duet.address(4), duet.word()
        private, private_contents = filled(duet, probe, 2)
        probe.do(1, "map", va, 4, "rw", "shared")
        probe.do(1, "fill", va, 3, key)  # nobody has touched the last one before fork
        contents = Contents(4)
        contents.fill(0, key, 3 * 512)
        probe.do(1, "fork", 2)
        for page in private_contents.pages:
            count_frames(duet, probe, page, 1, STEP_SHARE)
        hint = "MAP_SHARED memory is not copied, neither by fork nor by a write."
        for writer in (2, 1, 2, 1):
            place = 8 * duet.random.randrange(3 * 512)
            if writer == 1:
                place = 3 * PAGE + 8 * duet.random.randrange(512)
            contents.put(place, duet.word())
            probe.do(writer, "put", va + place, contents.words[place // 8])
            for process in (1, 2):
                probe.check_contents(process, va, contents, hint)
        for page in contents.pages:
            count_frames(duet, probe, page, 1, hint)
        probe.check_contents(2, private, private_contents, STEP_SHARE)


def test_large_fork(duet: Duet) -> None:
    """Most of the memory is one process's, and yet it can fork: nothing is copied."""
    pages = 4600  # 18 of 32 MiB
    hint = "fork copies pages, or keeps what it took when it failed. " + STEP_SHARE
    with duet.probe() as probe:
        va = duet.address(pages)
        probe.do(1, "map", va, pages, "rw")
        probe.do(1, "fill", va, pages, duet.word())
        before = probe.ask(1, "hash", va, pages)
        duet.check("ok", probe.ask(1, "fork", 2), hint)
        duet.check(before, probe.ask(2, "hash", va, pages), STEP_SHARE)
        value = duet.word()
        probe.do(2, "put", va + 8 * PAGE, value)
        duet.check(before, probe.ask(1, "hash", va, pages), STEP_COPY)
        duet.check(f"{value:#x}", probe.ask(2, "get", va + 8 * PAGE), STEP_COPY)
        probe.end(2)
        duet.check(before, probe.ask(1, "hash", va, pages), STEP_FREE)


def test_nothing_is_lost(duet: Duet) -> None:
    """Hundreds of children come, write and go in little memory."""
    times = 160
    with duet.probe(memory="16M") as probe:
        va, contents = filled(duet, probe, 64)
        probe.do(1, "fork", 2)
        for page in contents.pages[::13]:
            count_frames(duet, probe, page, 1, STEP_SHARE)
        for process in (1, 2):
            answer = probe.ask(process, "churn", times, va, 64)
            duet.check(str(times), answer, STEP_FREE)
        for process in (1, 2):
            probe.check_contents(process, va, contents, STEP_COPY)


def test_two_processors(duet: Duet) -> None:
    """Parents and children write at the same time, in several schedules."""
    wanted: List[str] = [
        "siblings with the right sums: 8, the parent's: 0",
    ]
    for strategy in ("random:16", "random:4", "pct:3:5000"):
        words = (f"strategy={strategy}",)
        run = duet.run("/tests/cow", cpus=2, kernel_arguments=words, seed=duet.seed)
        lines = run.output.splitlines()
        missing = [line for line in wanted if line not in lines]
        if missing or run.status != 0:
            duet.fail(missing or "status 0", run.output.strip() or run.status, STEP_COPY)
