"""`make boot` does what it promises, on both machines."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from grader.processes import processes_with
from grader.tests.conftest import Boot
from grader.tests.support import BUILD, OUT, both_machines

pytestmark = both_machines


def test_output_and_nothing_else(make_boot: Boot, machine: str) -> None:
    done = make_boot(MACHINE=machine, CMD="echo one; echo two >&2; uname -s")
    assert (done.stdout, done.returncode) == ("one\ntwo\nLinux\n", 0)
    assert (BUILD / machine / "boot.log").read_text() != ""


def test_the_status_is_the_commands(make_boot: Boot, machine: str) -> None:
    assert make_boot(MACHINE=machine, CMD="exit 7").returncode == 7


def test_the_status_of_a_signal(make_boot: Boot, machine: str) -> None:
    assert make_boot(MACHINE=machine, CMD="kill -KILL $$").returncode == 128 + signal.SIGKILL


def test_dollars_and_quotes_reach_the_guests_shell(make_boot: Boot, machine: str) -> None:
    done = make_boot(MACHINE=machine, CMD="x=5; echo \"$x\" '$x' $((x + 1))")
    assert done.stdout == "5 $x 6\n"


def test_files_are_put_in(make_boot: Boot, machine: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("hello\n")
    (tmp_path / "script").write_text("#!/bin/sh\necho ran $1\n")
    (tmp_path / "script").chmod(0o755)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").write_text("inner\n")
    files = f"{tmp_path}/plain:/new/deep/plain {tmp_path}/script:/bin/ {tmp_path}/folder:/data"
    command = "cat /new/deep/plain /data/inner; script twice"
    done = make_boot(MACHINE=machine, FILES=files, CMD=command)
    assert (done.stdout, done.returncode) == ("hello\ninner\nran twice\n", 0), done.stderr


def test_the_root_image_is_never_written(make_boot: Boot, machine: str) -> None:
    before = (OUT / "root.img").read_bytes()
    done = make_boot(MACHINE=machine, CMD="echo x > /made; rm /bin/ls; sync; ls /made || echo gone")
    assert done.returncode == 0
    assert (OUT / "root.img").read_bytes() == before


CONTROLS = "\x10\x10E\x03\x04\x1a\r\n\x7f\x15"


@pytest.mark.parametrize("text", ["", "line\n", "no newline", CONTROLS, "x" * 70000])
def test_standard_input_passes_through(make_boot: Boot, machine: str, text: str) -> None:
    done = make_boot(stdin=text, MACHINE=machine, CMD="cat")
    assert done.stdout == text


def test_a_program_reads_what_was_piped(make_boot: Boot, machine: str) -> None:
    done = make_boot(stdin="b\na\nc\n", MACHINE=machine, CMD="sort")
    assert done.stdout == "a\nb\nc\n"


def test_extra_disks(make_boot: Boot, machine: str, tmp_path: Path) -> None:
    disk = tmp_path / "extra.img"
    disk.write_bytes(b"duet disk\n".ljust(1 << 20, b"\0"))
    done = make_boot(MACHINE=machine, DISK=disk, CMD="dd if=/dev/disk1 bs=10 count=1 2>/dev/null")
    assert done.stdout == "duet disk\n", done.stderr


def test_a_file_that_is_not_there(make_boot: Boot, machine: str) -> None:
    done = make_boot(MACHINE=machine, FILES="/does/not/exist:/x", CMD="true")
    assert done.returncode != 0 and "/does/not/exist" in done.stderr


def test_an_image_that_cannot_be_mounted_says_why(machine: str, tmp_path: Path) -> None:
    image = tmp_path / "cut.img"
    image.write_bytes((OUT / "root.img").read_bytes()[: 1 << 20])
    words = ["/usr/bin/python3", "-m", "grader.boot", "--machine", machine, "--build", str(BUILD)]
    words += ["--image", str(image), "--command", "true"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (125, "")
    assert "truncated?" in done.stderr


@pytest.mark.parametrize("memory", ["1M", "0", "lots"])
def test_bad_memory_gets_a_sentence(make_boot: Boot, machine: str, memory: str) -> None:
    done = make_boot(MACHINE=machine, MEM=memory, CMD="true")
    assert done.returncode != 0 and "memory" in done.stderr


def test_a_hang_is_125_and_leaves_nothing(make_boot: Boot, machine: str) -> None:
    mark = f"mark=hangtest-{machine}"
    done = make_boot(MACHINE=machine, TIMEOUT=3, CMD="sleep 1000", KERNEL_ARGS=mark)
    assert done.returncode == 125
    assert "TIMEOUT" in done.stderr
    assert not processes_with(mark)


def test_interrupting_leaves_nothing(machine: str) -> None:
    words = ["/usr/bin/python3", "-m", "grader.boot", "--machine", machine, "--build", str(BUILD)]
    mark = f"mark=interrupttest-{machine}"
    words += ["--command", "echo up; sleep 1000", "--kernel-arguments", mark]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    process.terminate()
    process.wait()
    process.stdout.close()
    assert not processes_with(mark)
