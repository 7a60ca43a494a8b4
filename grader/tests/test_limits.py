"""When the host gives no more, or takes away: errors and sentences, never a panic or a hang."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest

from grader.machine import Running, run
from grader.processes import cpu_seconds, is_alive
from grader.tests.support import BUILD, HANG, IMAGE, VMSPACE, kin, make_setup, read_line, wait_for

# A user that has no other process on this host, so that a limit on processes counts only ours.
STRANGER = 54321

MEGABYTE = 1 << 20

# Forks until the system says no, and once more when all are gone.
FORKS = "(/tests/exhaustion processes); echo alive"


@dataclass
class House:
    """A folder that anybody may read, with a kernel and an image."""

    path: Path

    def run(
        self, limit: int, value: int, *arguments: str, user: Optional[int] = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run the vkernel under a resource limit."""

        def restrict() -> None:
            resource.setrlimit(limit, (value, value))

        means = [] if VMSPACE is None else [f"--vmspace={VMSPACE}"]
        command = [str(self.path / "duet"), "-R", str(self.path / "root.img"), "-m", "32M", *means]
        return subprocess.run(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            preexec_fn=restrict,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            timeout=HANG,
        )


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    path = Path(tempfile.mkdtemp(prefix="duet-"))
    path.chmod(0o755)
    shutil.copy(BUILD / "vkernel" / "duet", path)
    shutil.copy(IMAGE, path)
    yield House(path)
    shutil.rmtree(path)


def judge(done: "subprocess.CompletedProcess[str]", limit: str) -> str:
    """How it ended: `refused` with a sentence that names the limit, or `alive`."""
    if done.returncode == 1:
        line = done.stderr.splitlines()[-1]
        assert line.startswith("duet: ") and limit in line, done.stderr
        return "refused"
    said = done.stdout + done.stderr
    if done.returncode == 2 and "cannot fork" in said:
        return "first fork"
    if "/tests/exhaustion: Cannot allocate memory" in said:
        return "first exec"
    assert (done.returncode, done.stdout.endswith("alive\n")) == (0, True), said
    return "alive"


def sweep(run_with: Callable[[int], str], values: range) -> None:
    """With too little the host refuses, with enough all is well, and nothing else in between."""
    verdicts = [run_with(value) for value in values]
    assert verdicts[0] == "refused" and verdicts[-1] == "alive", verdicts


def test_processes_of_the_host(house: House) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a user without other processes")

    def try_with(count: int) -> str:
        done = house.run(resource.RLIMIT_NPROC, count, "-n", "2", "-c", FORKS, user=STRANGER)
        verdict = judge(done, "ulimit -u")
        if verdict == "alive":
            assert "fork, EAGAIN or ENOMEM: one of the two\n" in done.stdout
            assert "all of them ended: 1\nand there is room again: exited with 5\n" in done.stdout
        return verdict

    sweep(try_with, range(1, 20))


def test_threads_share_the_processes_that_the_host_gives(house: House) -> None:
    """Two CPUs take turns in the one process that there is."""
    if os.getuid() != 0:
        pytest.skip("only root can become a user without other processes")
    words = ("-n", "2", "-c", "(/tests/threads) && echo alive")
    enough = house.run(resource.RLIMIT_NPROC, 200, *words, user=STRANGER).stdout
    assert enough.endswith("alive\n")
    full = 0
    for count in range(8, 18):
        done = house.run(resource.RLIMIT_NPROC, count, *words, user=STRANGER)
        said = done.stdout + done.stderr
        refused = any(word in said for word in ("ulimit -u", "cannot fork", "ENOMEM", "allocate"))
        assert refused or done.stdout == enough, said
        full += done.stdout == enough
    assert full > 0


def test_descriptors_of_the_host(house: House) -> None:
    def try_with(count: int) -> str:
        done = house.run(resource.RLIMIT_NOFILE, count, "-c", "ls / | wc -l; echo alive")
        return judge(done, "ulimit -n")

    sweep(try_with, range(6, 16))


def test_memory_of_the_host(house: House) -> None:
    def try_with(size: int) -> str:
        return judge(house.run(resource.RLIMIT_AS, size, "-n", "2", "-c", FORKS), "ulimit -v")

    image = IMAGE.stat().st_size
    sweep(try_with, range(image + 10 * MEGABYTE, image + 80 * MEGABYTE, 2 * MEGABYTE))


def test_size_of_a_file_on_the_host(house: House) -> None:
    done = house.run(resource.RLIMIT_FSIZE, MEGABYTE, "-c", "true")
    assert judge(done, "ulimit -f") == "refused"


def test_timers_of_the_host(house: House) -> None:
    done = house.run(resource.RLIMIT_SIGPENDING, 0, "-c", "true")
    assert judge(done, "ulimit -i") == "refused"


# --- Mappings ----------------------------------------------------------------------------------


def test_more_pages_than_the_host_has_mappings_for() -> None:
    """100,000 pages with a hole behind each: no two of them are one mapping of the host."""
    setup = make_setup("vkernel", memory="1G", command="/tests/scattered 100000")
    outcome = run(setup, timeout=HANG)
    assert (outcome.status, outcome.text) == (0, "all pages keep what was written: 1\n")


# --- Death -------------------------------------------------------------------------------------


def test_a_stub_that_is_killed_takes_only_its_program_along() -> None:
    command = "while :; do :; done & echo up; wait $!; echo status $?; ls / | wc -l; echo alive"
    with Running(make_setup("vkernel", command=command)) as machine:
        assert read_line(machine) == "up\n"
        # The one that computes is the loop's.
        wait_for(lambda: any(cpu_seconds(stub) > 0.5 for stub in kin(machine, "duet-guest")))
        os.kill(max(kin(machine, "duet-guest"), key=cpu_seconds), signal.SIGKILL)
        assert read_line(machine) == f"status {128 + signal.SIGKILL}\n"
        assert int(read_line(machine)) > 5
        assert read_line(machine) == "alive\n"


def test_a_stub_has_no_descriptor_but_guest_memory_and_its_slot() -> None:
    with Running(make_setup("vkernel", command="echo up; read line")) as machine:
        assert read_line(machine) == "up\n"
        stubs = kin(machine, "duet-guest")
        names = {os.readlink(file) for stub in stubs for file in Path(f"/proc/{stub}/fd").iterdir()}
        assert len(stubs) > 1
        assert names <= {"/memfd:duet-memory (deleted)", "/memfd:duet-slots (deleted)"}, names


def test_forks_fail_without_the_zygote_and_the_rest_goes_on() -> None:
    command = "echo up; read line; /tests/exhaustion processes; while read x; do echo $x; done"
    with Running(make_setup("vkernel", command=command)) as machine:
        assert read_line(machine) == "up\n"
        zygotes = kin(machine, "duet-zygote")
        assert len(zygotes) == 1
        os.kill(zygotes[0], signal.SIGKILL)
        wait_for(lambda: not is_alive(zygotes[0]))
        machine.send(b"go\n")
        assert read_line(machine) == "fork, EAGAIN or ENOMEM: one of the two\n"
        for _ in range(3):
            read_line(machine)
        machine.send(b"still here\n")
        assert read_line(machine) == "still here\n"
