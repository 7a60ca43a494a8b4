"""User programs that are traced: where the host refuses filters, or with --vmspace=ptrace.

That programs do the same there is in test_programs.py, and for the library in test_units.py.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from grader.machine import Running, run
from grader.processes import cpu_seconds, descendants, is_alive, name_of
from grader.tests.container import refuse
from grader.tests.support import BUILD, HANG, IMAGE, kin, make_setup, read_line, wait_for

NOTICE = "duet: this host refuses seccomp filters: user programs run by ptrace, slower\n"

# Processes, memory, signals, threads.
WORK = "(/tests/threads && /tests/signals && /tests/faults && /tests/cow) > /tmp/x && echo good"


def run_refused(errors: Dict[str, int], *options: str) -> "subprocess.CompletedProcess[str]":
    """Run on a host on which these system calls fail."""
    return subprocess.run(
        [str(BUILD / "vkernel" / "duet"), "-n", "2", "-R", str(IMAGE), *options, "-c", WORK],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=refuse(errors),
        timeout=HANG,
    )


@pytest.mark.parametrize("error", [errno.EPERM, errno.EINVAL, errno.ENOSYS])
def test_without_filters_programs_are_traced(error: int) -> None:
    done = run_refused({"seccomp": error})
    assert (done.returncode, done.stdout, done.stderr) == (0, "good\n", NOTICE)


def test_without_ptrace_nothing_changes() -> None:
    done = run_refused({"ptrace": errno.EPERM})
    assert (done.returncode, done.stdout, done.stderr) == (0, "good\n", "")


@pytest.mark.parametrize(
    "refused, options, hint",
    [
        (["seccomp", "ptrace"], [], "seccomp filters and ptrace"),
        (["seccomp"], ["--vmspace=seccomp"], "--vmspace=ptrace"),
        (["ptrace"], ["--vmspace=ptrace"], "--vmspace=seccomp"),
    ],
)
def test_what_is_refused_is_said(refused: List[str], options: List[str], hint: str) -> None:
    done = run_refused({call: errno.EPERM for call in refused}, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"duet: this host refuses [^\n]*\n", done.stderr) and hint in done.stderr


# --- Death -------------------------------------------------------------------------------------


def tracer_of(process: int) -> int:
    text = Path(f"/proc/{process}/status").read_text()
    return int(re.findall(r"^TracerPid:\s*(\d+)$", text, re.M)[0])


@pytest.mark.parametrize("victim", ["duet-guest", "duet-tracer"])
def test_who_is_killed_takes_only_its_program_along(victim: str) -> None:
    command = "while :; do :; done & echo up; wait $!; echo status $?; ls / | wc -l; echo alive"
    with Running(make_setup("vkernel", vmspace="ptrace", command=command)) as machine:
        assert read_line(machine) == "up\n"
        # The one that computes is the loop's.
        wait_for(lambda: any(cpu_seconds(stub) > 0.5 for stub in kin(machine, "duet-guest")))
        stub = max(kin(machine, "duet-guest"), key=cpu_seconds)
        tracer = tracer_of(stub)
        assert name_of(tracer) == "duet-tracer"
        os.kill(stub if victim == "duet-guest" else tracer, signal.SIGKILL)
        assert read_line(machine) == "status 137\n"
        assert int(read_line(machine)) > 5
        assert read_line(machine) == "alive\n"
        wait_for(lambda: not is_alive(stub) and not is_alive(tracer))


def test_nothing_is_left_when_the_vkernel_is_killed() -> None:
    command = "/tests/threads & while :; do :; done & echo up; while :; do :; done"
    with Running(make_setup("vkernel", vmspace="ptrace", command=command)) as machine:
        assert read_line(machine) == "up\n"
        wait_for(lambda: len(kin(machine, "duet-tracer")) > 3)
        family = descendants(machine.process.pid)
        machine.process.kill()
        wait_for(lambda: not any(is_alive(process) for process in family))


# --- A reference -------------------------------------------------------------------------------


def test_a_strict_run_is_the_same_by_both_means() -> None:
    """Step by step, to the last byte of what the kernel said and counted."""
    loop = "(while :; do :; done) & sleep 0.00002; kill $!; wait"
    command = f"(echo $$; exit 3); echo $?; {loop}"
    outcomes = [
        run(
            make_setup("vkernel", cpus=2, seed=11, vmspace=vmspace, command=command).with_(
                options=("--strict",)
            ),
            timeout=HANG,
        )
        for vmspace in ("seccomp", "ptrace")
    ]
    said = [(outcome.output, outcome.log, outcome.results) for outcome in outcomes]
    assert said[0] == said[1] and outcomes[0].ended
