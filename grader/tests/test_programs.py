"""Every test program answers on both machines what it answers on Linux.

One class a configuration: its programs share one boot, and pytest-xdist (--dist loadscope)
gives a class to one worker.
"""

from __future__ import annotations

import functools
from typing import List

import pytest

from grader.machine import Setup
from grader.programs import Batch, NoOracle, Program, Result, run_on_guest, run_on_host
from grader.tests.support import CHECK, HANG, VMSPACE, make_setup


def find_programs() -> List[Program]:
    """What is in /tests of the image: binaries, scripts of the shell, foreign binaries."""
    found = []
    folder = CHECK / "root" / "tests"
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name.startswith("guest/"):
            continue
        guest_path = f"/tests/{name}"
        command = ("/bin/sh", guest_path) if path.suffix == ".sh" else (guest_path,)
        found.append(Program(name, command))
    return found


# What Debian's busybox, a static program of glibc, is asked to do; skipped where it is missing.
BUSYBOX = {
    "text": "seq 20 | sort -r | head -n 3 | tr 0-9 a-j; echo a b c | awk '{print $3, NF}'",
    "sed": "printf 'one\\ntwo\\nthree\\n' | sed -e 's/o/0/g' -e '/three/d'; echo x | sed s/x/y/",
    "archives": "tar cf a.tar /etc 2>/dev/null; gzip a.tar; gunzip -c a.tar.gz | tar tf - | sort",
    "sums": "seq 1000 | md5sum; seq 1000 | sha256sum; seq 1000 | cksum",
    "files": "mkdir -p a/b; echo x > a/b/c; cp -r a d; mv d e; find a e | sort; rm -r a; ls",
    "links": "echo x > f; ln f g; ln -s f h; stat -c '%h %F' f g h; readlink h; rm f; cat g",
    "pipes": "yes | head -n 5 | wc -l; (echo a; echo b >&2) 2>&1 | sort; echo $?",
    "jobs": "sleep 0.1 & wait $!; echo $?; (exit 7); echo $?; sh -c 'kill -9 $$'; echo $?",
    "traps": "trap 'echo got' USR1; kill -USR1 $$; trap 'echo bye' EXIT; exit 3",
    "find": "mkdir d; touch d/a d/b.c; find d -name '*.c' -exec echo found {} ';'",
    "diff": "seq 9 > a; sed s/5/five/ a > b; diff a b; cmp a b; comm -3 a b; expr 3 '*' 14",
    "vi": "printf 'a\\nb\\n' > t; printf ':wq\\n' | vi t >/dev/null 2>&1; cat t",
}


def busybox_programs() -> List[Program]:
    if not (CHECK / "root" / "bin" / "busybox").exists():
        return []
    tools = "/bin/busybox mkdir /tmp/b; /bin/busybox --install -s /tmp/b; PATH=/tmp/b; "
    return [
        Program(f"busybox {name}", ("/bin/busybox", "sh", "-c", tools + script))
        for name, script in BUSYBOX.items()
    ]


PROGRAMS = find_programs() + busybox_programs()


# Programs that sleep so that another process gets somewhere, or look how long something takes. They
# run with a seed: in virtual time it does not matter what else the host has to do.
TIMED = ("clocks", "file_times", "futexes", "groups", "orphans", "signals", "waits", "busybox jobs")


def run_batch(setup: Setup, programs: List[Program]) -> Batch:
    batch = Batch({}, [])
    seeded = setup.with_(seed=setup.seed or 1)
    for booted, is_timed in ((setup, False), (seeded, True)):
        some = [program for program in programs if (program.name in TIMED) == is_timed]
        part = run_on_guest(booted, some, HANG)
        batch.results.update(part.results)
        batch.damage += part.damage
    return batch


@functools.lru_cache(maxsize=None)
def linux_says(program: Program) -> Result:
    try:
        return run_on_host(CHECK / "oracle", CHECK / "root", program)
    except NoOracle as reason:
        pytest.skip(str(reason))


class OnMachine:
    """The tests of one configuration; subclasses say which."""

    machine: str
    cpus: int
    vmspace = VMSPACE

    @pytest.fixture(scope="class")
    def batch(self, request: pytest.FixtureRequest) -> Batch:
        cls = request.cls
        wanted = {
            item.callspec.params["program"]
            for item in request.session.items
            if item.cls is cls and hasattr(item, "callspec")
        }
        setup = make_setup(cls.machine, cpus=cls.cpus, vmspace=cls.vmspace)
        return run_batch(setup, [p for p in PROGRAMS if p in wanted])

    @pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
    def test_program(self, batch: Batch, program: Program) -> None:
        expected = linux_says(program)
        assert batch.results[program.name] == expected

    def test_disk_is_clean_afterwards(self, batch: Batch) -> None:
        assert batch.damage == []


class TestVkernelOneCpu(OnMachine):
    machine, cpus = "vkernel", 1


class TestVkernelTwoCpus(OnMachine):
    machine, cpus = "vkernel", 2


TRACED = ("cow", "exceptions", "execs", "faults", "forks", "fpu", "mappings", "pipes", "preemption")
TRACED += ("signals", "stacks", "storms", "thread_signals", "threads", "waits")


class TestVkernelTraced(OnMachine):
    """User programs by ptrace: those that ask the most of processes, memory and signals."""

    machine, cpus, vmspace = "vkernel", 2, "ptrace"

    @pytest.mark.parametrize(
        "program", [p for p in PROGRAMS if p.name in TRACED], ids=lambda program: program.name
    )
    def test_program(self, batch: Batch, program: Program) -> None:
        super().test_program(batch, program)


class TestX86OneCpu(OnMachine):
    machine, cpus = "x86_64", 1


class TestX86FourCpus(OnMachine):
    machine, cpus = "x86_64", 4


def test_programs_were_found() -> None:
    assert PROGRAMS, f"no test programs in {CHECK / 'root/tests'}: `make check` builds them"
