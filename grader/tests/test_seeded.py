"""Runs with a seed: the same run twice (docs/determinism.md)."""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List

import pytest

from grader import image as images
from grader.machine import Running, run
from grader.tests.support import HANG, IMAGE, SAN, both_machines, make_setup, wait_until_up

# Processes, pipes, signals, files, sleep, random bytes, the clock and what the kernel counts.
WORK = """
for i in 1 2 3; do (seq 50 | sort -r | grep $i | wc -l) & done; wait;
mkdir /root/d; for i in 1 2 3 4; do (seq $i 99 > /root/d/$i; cat /root/d/*) | wc & done; wait;
sleep 30 & kill $!; wait; sleep 1; date;
head -c 8 /dev/random | hexdump; ps; sync
"""


@dataclass(frozen=True)
class Run:
    """All that a run leaves behind."""

    output: bytes
    log: str
    results: str
    image: str  # its hash


def seeded_run(
    cpus: int, seed: int, folder: Path, command: str = WORK, machine: str = "vkernel"
) -> Run:
    image = images.copy(IMAGE, folder / "root.img")
    setup = make_setup(machine, cpus=cpus, seed=seed, image=image, writable=True)
    outcome = run(setup.with_(command=" ".join(command.split("\n")).strip()), b"", HANG)
    assert outcome.ended, (outcome.panic, outcome.errors)
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    return Run(outcome.output, outcome.log, outcome.results, digest)


@pytest.fixture(scope="module")
def busy_host() -> Iterator[None]:
    """Others want the host's processors, too."""
    spin = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(spin) for _ in range(4)]
    yield
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("cpus", [1, 2, 3, 4, 8])
def test_the_same_seed_is_the_same_run(cpus: int, tmp_path: Path) -> None:
    runs = [seeded_run(cpus, seed, tmp_path) for seed in (1, 2, 1, 2)]
    assert runs[0] == runs[2] and runs[1] == runs[3]
    assert runs[0].results != runs[1].results


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_the_same_seed_is_the_same_run_on_x86_64(cpus: int, tmp_path: Path) -> None:
    runs = [seeded_run(cpus, seed, tmp_path, machine="x86_64") for seed in (1, 2, 1, 2)]
    assert runs[0] == runs[2] and runs[1] == runs[3]
    assert runs[0].results != runs[1].results


def test_the_same_on_a_busy_host(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    ways = [(1, "vkernel"), (4, "vkernel")] + ([] if SAN else [(2, "x86_64")])
    quiet = [seeded_run(cpus, 7, tmp_path, machine=machine) for cpus, machine in ways]
    request.getfixturevalue("busy_host")
    assert quiet == [seeded_run(cpus, 7, tmp_path, machine=machine) for cpus, machine in ways]


def test_seeds_interleave_differently(tmp_path: Path) -> None:
    """What two processes write at the same time comes in another order."""
    command = "for n in 1 2 3 4; do (echo a$n; echo b$n; echo c$n) & done; wait"
    outputs = {seeded_run(2, seed, tmp_path, command=command).output for seed in range(20)}
    assert len(outputs) > 1
    assert len({bytes(sorted(output)) for output in outputs}) == 1


def test_waiting_takes_no_time(tmp_path: Path) -> None:
    """Eleven days at once, and the clock knows it."""
    ran = seeded_run(2, 1, tmp_path, command="date; sleep 1000000; date")
    assert b"Nov 14 22:13:2" in ran.output and b"Nov 26 12:00:0" in ran.output


def feed_slowly(pieces: List[bytes]) -> str:
    """Give the machine its input in these pieces, each when it has answered the one before."""
    setup = make_setup("vkernel", seed=5, command="while read line; do echo got $line; done")
    with Running(setup) as machine:
        assert machine.process.stdout is not None
        for piece in pieces:
            machine.send(piece)
            if piece.endswith(b"\n"):
                machine.process.stdout.readline()
        machine.end_input()
        machine.process.stdout.read()
        assert machine.process.wait(HANG) == 0
        return machine.results()


@both_machines
def test_input_comes_when_it_is_wanted(machine: str) -> None:
    setup = make_setup(machine, seed=5, command="read a; sleep 5; read b; echo $b, $a; wc -c")
    outcome = run(setup, b"one\ntwo\nand so on", HANG)
    assert outcome.text.split() == ["two,", "one", "9"]


def test_how_input_arrives_does_not_matter() -> None:
    whole = feed_slowly([b"one\ntwo words\nthree\n"])
    assert whole == feed_slowly([b"one\n", b"two words\n", b"three\n"])
    assert whole == feed_slowly([b"o", b"ne\ntwo", b" words\n", b"thr", b"ee\n"])


def test_a_seeded_run_can_be_told_to_end() -> None:
    setup = make_setup("vkernel", seed=1, command="echo up; while true; do cat; done")
    with Running(setup) as machine:
        wait_until_up(machine)
        machine.process.send_signal(signal.SIGTERM)
        machine.process.wait(HANG)
        outcome = machine.verdict()
    assert outcome.ended, (outcome.status, outcome.errors, outcome.log)


def test_a_program_that_computes_for_ever_is_reported() -> None:
    command = "(while true; do :; done) & echo begun; sleep 1; kill $!; wait; echo ended"
    outcome = run(make_setup("vkernel", cpus=1, seed=1, command=command), timeout=HANG)
    assert outcome.ended and outcome.text == "begun\nended\n"
    stopped = r"^not repeatable: process \d+ \(sh\) was stopped at 0x4"
    assert re.search(stopped, outcome.log, re.M)
    assert "not repeatable" in outcome.results


def test_strict_runs_repeat_also_when_a_program_computes_for_ever(tmp_path: Path) -> None:
    # `:` makes no system call: only the count of its steps stops it.
    command = "(while true; do :; done) & echo begun; sleep 0.00002; kill $!; wait; echo ended"
    runs = []
    for _ in range(2):
        setup = make_setup("vkernel", cpus=1, seed=3, command=command, kernel_arguments=("strict",))
        runs.append(run(setup, timeout=HANG))
    assert runs[0].output == b"begun\nended\n" and runs[0].ended
    assert runs[0].results == runs[1].results and "not repeatable" not in runs[0].results


@pytest.mark.parametrize("word", ["seed=x", "seed=1 strategy=lucky", "seed=1 schedule=1.2"])
def test_a_bad_word_is_an_error(word: str) -> None:
    words = tuple(word.split())
    setup = make_setup("vkernel", seed=None, command="true", kernel_arguments=words)
    outcome = run(setup, timeout=HANG)
    assert outcome.panic is not None and word.split()[-1].partition("=")[0] in outcome.panic
