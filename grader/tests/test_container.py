"""The vkernel in a container like Docker's: nothing that it needs is forbidden there."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import List

import pytest

from grader.programs import Program, run_on_guest
from grader.machine import Setup, run
from grader.tests.container import ALLOWED, container_command, seccomp_filter
from grader.tests import support
from grader.tests.support import BUILD, HANG, needs

# Processes, memory, signals, files, threads of the host: what a container could break.
PROGRAMS = ("cow", "execs", "fpu", "faults", "files", "forks", "mappings", "pipes", "preemption")
PROGRAMS += ("signals", "stacks", "storms", "waits")

# What it forbids: each prints the errno.
PROBE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRY(call) do { errno = 0; (void)!(call); printf("%s %d\n", #call, errno); } while (0)

int main(void)
{
    static char block[4 << 20];
    int fd = open("/dev/shm/file", O_RDWR | O_CREAT, 0600);

    TRY(mount("none", "/tmp", "tmpfs", 0, NULL));
    TRY(unshare(CLONE_NEWUSER));
    TRY(personality(ADDR_NO_RANDOMIZE));
    TRY(ptrace(PTRACE_TRACEME, 0, 0, 0));
    TRY(syscall(SYS_userfaultfd, 0));
    TRY(syscall(SYS_bpf, 0, 0, 0));
    TRY(syscall(SYS_clone, CLONE_NEWNS, 0, 0, 0, 0));
    TRY(syscall(SYS_clone3, 0, 0));
    TRY(open("/file", O_RDWR | O_CREAT, 0600));
    TRY(write(fd, block, sizeof(block)) == sizeof(block));
    printf("%ld of 4194304 bytes, user %d\n", (long)lseek(fd, 0, SEEK_END), getuid());
    return 0;
}
"""
REFUSED = """
mount("none", "/tmp", "tmpfs", 0, NULL) 1
unshare(CLONE_NEWUSER) 1
personality(ADDR_NO_RANDOMIZE) 1
ptrace(PTRACE_TRACEME, 0, 0, 0) 1
syscall(SYS_userfaultfd, 0) 1
syscall(SYS_bpf, 0, 0, 0) 1
syscall(SYS_clone, CLONE_NEWNS, 0, 0, 0, 0) 1
syscall(SYS_clone3, 0, 0) 38
open("/file", O_RDWR | O_CREAT, 0600) 30
write(fd, block, sizeof(block)) == sizeof(block) 0
1048576 of 4194304 bytes, user 1000
"""


def make_setup(machine: str, **changes: object) -> Setup:
    """Not by VMSPACE=ptrace: the container forbids ptrace."""
    return support.make_setup(machine, vmspace=None, **changes)


@pytest.fixture
def container(tmp_path: Path) -> List[str]:
    """The words before a command in the container; skips where the host cannot make one."""
    (tmp_path / "filter").write_bytes(seccomp_filter(ALLOWED))
    words = container_command(tmp_path / "filter", [Path(tempfile.gettempdir())])
    tried = subprocess.run([*words, "true"], stderr=subprocess.PIPE, text=True)
    if tried.returncode != 0:
        pytest.skip(f"no container: {tried.stderr.strip()}")
    return words


@pytest.fixture
def kernel(container: List[str], tmp_path: Path) -> Path:
    """A build folder whose vkernel starts in a container."""
    script = tmp_path / "vkernel" / "duet"
    script.parent.mkdir()
    command = shlex.join([*container, str(BUILD / "vkernel" / "duet")])
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o755)
    return tmp_path


pytestmark = needs("bwrap")


def test_it_forbids_what_docker_forbids(container: List[str], tmp_path: Path) -> None:
    source, program = tmp_path / "probe.c", tmp_path / "probe"
    source.write_text(PROBE)
    subprocess.run(["gcc", "-o", str(program), str(source)], check=True)
    done = subprocess.run([*container, str(program)], stdout=subprocess.PIPE, text=True)
    assert done.stdout == REFUSED.lstrip()


@pytest.mark.parametrize("cpus", [1, 2])
def test_programs_run_as_outside(kernel: Path, cpus: int) -> None:
    programs = [Program(name, (f"/tests/{name}",)) for name in PROGRAMS]
    outside = run_on_guest(make_setup("vkernel", cpus=cpus), programs, HANG)
    inside = run_on_guest(make_setup("vkernel", cpus=cpus, build=kernel), programs, HANG)
    assert inside.results == outside.results and inside.damage == []
    assert all(result.status == 0 for result in inside.results.values())


def test_the_end_is_the_same(kernel: Path) -> None:
    setup: Setup = make_setup("vkernel", build=kernel)
    assert run(setup.with_(command="exit 7"), timeout=HANG).status == 7
    assert run(setup.with_(command="true", kernel_arguments=("panic",)), timeout=HANG).panic
    killed = run(setup.with_(command="kill -KILL $$"), timeout=HANG)
    assert killed.status == 137 and killed.ended
