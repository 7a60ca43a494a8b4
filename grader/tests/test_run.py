"""`make run` and `make qemu`: an image that lasts, on whatever machine."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader import image as images
from grader.console import prepare_image
from grader.processes import is_alive, processes_with
from grader.tests.support import BUILD, HANG, IMAGE, both_machines, wait_for


@pytest.fixture
def build(tmp_path: Path, machine: str) -> Path:
    """A build folder of its own, so that the user's lasting image is left alone."""
    (tmp_path / machine).mkdir()
    (tmp_path / machine / "duet").symlink_to(BUILD / machine / "duet")
    return tmp_path


def type_at(machine: str, build: Path, text: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "grader.console", machine]
    return subprocess.run(
        [*command, "--build", str(build), "--image", str(IMAGE)],
        input=text,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        timeout=60,
    )


@both_machines
def test_what_was_made_is_there_the_next_time(machine: str, build: Path) -> None:
    type_at(machine, build, "echo kept > /root/note\npoweroff\n")
    assert images.check(build / machine / "root.img") == []
    assert "kept\n" in type_at(machine, build, "cat /root/note\npoweroff\n").stdout


def test_rebuilt_programs_go_into_an_old_image(tmp_path: Path) -> None:
    """The copy keeps what the user made, and gets what is newer than it."""
    programs = tmp_path / "root" / "bin"
    programs.mkdir(parents=True)
    (programs / "tool").write_text("old\n")
    pristine, lasting = tmp_path / "root.img", tmp_path / "lasting.img"
    images.copy(IMAGE, pristine)
    images.put(pristine, programs / "tool", "/bin/tool")
    prepare_image(pristine, lasting)
    images.put_text(lasting, "kept\n", "/root/note", tmp_path)
    (programs / "tool").write_text("new\n")
    later = lasting.stat().st_mtime + 5
    for path in (programs / "tool", pristine):
        os.utime(path, (later, later))
    prepare_image(pristine, lasting)
    assert images.read(lasting, "/bin/tool") == "new\n"
    assert images.read(lasting, "/root/note") == "kept\n"
    assert images.check(lasting) == []


@both_machines
def test_the_end_of_makes_shell_is_the_machines(machine: str, build: Path) -> None:
    """A make that is told to stop tells its own child, which is a shell, and no other."""
    words = [sys.executable, "-m", "grader.console", machine]
    words += ["--build", str(build), "--image", str(IMAGE)]
    shell = subprocess.Popen(
        ["/bin/sh", "-c", '"$@"; true', "sh", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert shell.stdin is not None and shell.stdout is not None
    shell.stdin.write(b"echo $((40 + 2)) up\n")
    shell.stdin.flush()
    while b"42 up" not in shell.stdout.readline():
        assert shell.poll() is None
    machines = processes_with(str(build))
    shell.terminate()
    shell.wait()
    wait_for(lambda: not any(map(is_alive, machines)))
    shell.stdin.close()
    shell.stdout.close()
    assert images.check(build / machine / "root.img") == []


def test_a_vkernel_whose_terminal_goes_away_ends() -> None:
    master, slave = pty.openpty()
    words = [str(BUILD / "vkernel" / "duet"), "-R", str(IMAGE)]
    # In a session of its own, whose terminal this is not: no SIGHUP will come.
    machine = subprocess.Popen(
        words, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, start_new_session=True
    )
    os.close(slave)
    assert b"Duet" in os.read(master, 4096)
    os.close(master)
    assert machine.wait(HANG) == 0
