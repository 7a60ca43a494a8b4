"""Bad input and faults: a clear message or the right signal, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest

from grader import image as images
from grader.machine import Outcome, Running, Setup, run
from grader.processes import descendants, is_alive, processes_with
from grader.terminal import Terminal
from grader.tests.support import (
    BUILD,
    HANG,
    IMAGE,
    both_machines,
    make_setup,
    wait_for,
    wait_until_up,
)

VKERNEL = BUILD / "vkernel" / "duet"


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Path]:
    """A copy of the root image that a test may damage."""
    yield images.copy(IMAGE, tmp_path / "root.img")


def duet(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the vkernel with just these arguments."""
    return subprocess.run(
        [str(VKERNEL), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        timeout=HANG,
    )


# --- The vkernel's command line --------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["-m", "0", "-R", str(IMAGE)],
        ["-m", "1K", "-R", str(IMAGE)],
        ["-m", "-5M", "-R", str(IMAGE)],
        ["-m", "lots", "-R", str(IMAGE)],
        ["-m", "9999999G", "-R", str(IMAGE)],
        ["-n", "0", "-R", str(IMAGE)],
        ["-n", "many", "-R", str(IMAGE)],
        ["-n", "100000", "-R", str(IMAGE)],
        ["-R", "/does/not/exist"],
        ["-R", "/"],
        ["-R"],
        ["-m"],
    ],
    ids=" ".join,
)
def test_bad_arguments_get_a_sentence(arguments: List[str]) -> None:
    done = duet(*arguments)
    assert done.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    assert 1 <= len(done.stderr.strip().splitlines()) <= 5, done.stderr


def test_help_and_version() -> None:
    assert "-m" in duet("--help").stdout
    assert "Duet" in duet("--version").stdout


# --- The root image ----------------------------------------------------------------------------


def assert_clear_end(outcome: Outcome) -> None:
    """The kernel refused: no hang, not 'success', and words that say why."""
    assert not outcome.hung and outcome.status != 0
    assert outcome.log + outcome.errors + outcome.text != ""


@both_machines
@pytest.mark.parametrize("size", [0, 1, 1024, 5000, 1 << 20])
def test_truncated_image(machine: str, image: Path, size: int) -> None:
    os.truncate(image, size)
    assert_clear_end(run(make_setup(machine, image=image, command="ls /bin"), timeout=HANG))


@both_machines
def test_image_of_noise(machine: str, image: Path) -> None:
    image.write_bytes(bytes(range(256)) * (1 << 14))
    assert_clear_end(run(make_setup(machine, image=image, command="true"), timeout=HANG))


@both_machines
@pytest.mark.parametrize("block", range(1, 12))
def test_corrupt_metadata_never_hangs(machine: str, image: Path, block: int) -> None:
    """Whatever the command answers: the kernel neither hangs nor panics on a wild pointer."""
    with open(image, "r+b") as file:
        file.seek(block * 4096)
        file.write(bytes((block * 37 + n * 101) & 0xFF for n in range(4096)))
    command = "ls -l / /bin; echo x > /tmp/x; rm /tmp/x"
    setup = make_setup(machine, image=image, writable=True, command=command)
    outcome = run(setup, timeout=HANG)
    assert not outcome.hung
    assert outcome.panic is None or "assert" not in outcome.panic, outcome.panic_report()


@both_machines
def test_no_init(machine: str, image: Path) -> None:
    images.debugfs(image, ["rm /bin/init"], write=True)
    outcome = run(make_setup(machine, image=image), timeout=HANG)
    assert_clear_end(outcome)
    assert "init" in outcome.log + outcome.errors


def test_unwritable_image(image: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write everything")
    image.chmod(0o444)
    done = duet("-r", str(image), "-c", "true")
    assert done.returncode != 0 and str(image) in done.stderr


def test_image_in_use(image: Path) -> None:
    setup = make_setup("vkernel", image=image, writable=True, command="echo up; cat")
    with Running(setup) as first:
        wait_until_up(first)
        second = duet("-r", str(image), "-c", "true")
        assert second.returncode != 0 and str(image) in second.stderr
        third = run(make_setup("x86_64", image=image, writable=True, command="true"), timeout=HANG)
        assert not third.ended and "lock" in third.errors
        first.end_input()
        assert first.wait(HANG).status == 0
    assert images.check(image) == []


def test_image_in_use_by_qemu(image: Path) -> None:
    setup = make_setup("x86_64", image=image, writable=True, command="echo up; cat")
    with Running(setup) as first:
        wait_until_up(first)
        second = duet("-r", str(image), "-c", "true")
        assert second.returncode != 0 and "in use" in second.stderr
        first.end_input()
        assert first.wait(HANG).status == 0


# --- The outside world -------------------------------------------------------------------------


def test_closed_standard_input() -> None:
    closed = f"exec {VKERNEL} -R {IMAGE} -c 'cat; echo end' <&-"
    done = subprocess.run(["sh", "-c", closed], stdout=subprocess.PIPE, timeout=HANG)
    assert done.stdout.endswith(b"end\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_the_vkernel_in_order(image: Path, number: signal.Signals) -> None:
    command = "echo x > /made; echo up; sleep 1000"
    setup = make_setup("vkernel", image=image, writable=True, command=command)
    with Running(setup, stdin=subprocess.DEVNULL) as machine:
        wait_until_up(machine)
        machine.process.send_signal(number)
        machine.wait(HANG)
    assert not processes_with(str(image))
    assert images.check(image) == []
    assert images.read(image, "/made") == "x\n"


def test_killing_the_vkernel_leaves_no_process() -> None:
    command = "sleep 1000 & sleep 1000 & echo up; sleep 1000"
    with Running(make_setup("vkernel", command=command), stdin=subprocess.DEVNULL) as machine:
        wait_until_up(machine)
        family = descendants(machine.process.pid)
        assert len(family) > 3
        machine.process.kill()
        machine.process.wait()
        wait_for(lambda: not any(map(is_alive, family)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGABRT])
def test_the_terminal_is_restored(number: signal.Signals) -> None:
    with Terminal(make_setup("vkernel")) as terminal:
        terminal.expect("# ")
        assert not terminal.is_restored()
        terminal.machine.process.send_signal(number)
        terminal.wait()
        assert terminal.is_restored()


def test_the_terminal_is_restored_after_sigkill() -> None:
    with Terminal(make_setup("vkernel")) as terminal:
        terminal.expect("# ")
        family = descendants(terminal.machine.process.pid)
        terminal.machine.process.kill()
        terminal.machine.process.wait()
        # The one that restores it is among them.
        wait_for(lambda: not any(map(is_alive, family)))
        assert terminal.is_restored()


# --- Programs that misbehave -------------------------------------------------------------------

# Each ends with a command that shows that the system goes on.
MISBEHAVIOUR = {
    "fork until nothing is left": "bomb() { sleep 2 & bomb; }; (bomb) 2>/dev/null; echo alive",
    "fill the disk": "dd if=/dev/zero of=/tmp/big bs=65536 2>/dev/null; rm /tmp/big; echo alive",
    "fill a folder": "for i in $(seq 300); do echo $i > /tmp/f$i; done; echo alive",
}


@both_machines
@pytest.mark.parametrize("what", MISBEHAVIOUR)
def test_the_system_goes_on(machine: str, image: Path, what: str) -> None:
    setup = make_setup(machine, image=image, writable=True, command=MISBEHAVIOUR[what])
    outcome = run(setup, timeout=HANG)
    assert outcome.text.endswith("alive\n"), outcome.text[-500:] + outcome.log[-2000:]
    assert images.check(image) == []


@both_machines
@pytest.mark.parametrize("memory", ["16M", "64M"])
def test_little_memory(machine: str, memory: str) -> None:
    outcome = run(make_setup(machine, memory=memory, command="ls / | wc -l"), timeout=HANG)
    assert outcome.ended and int(outcome.text) > 5


@pytest.mark.parametrize("machine,memory", [("vkernel", "1M"), ("x86_64", "2M")])
def test_memory_too_small_is_said(machine: str, memory: str) -> None:
    assert_clear_end(run(make_setup(machine, memory=memory, command="true"), timeout=HANG))


def panic_setup(machine: str) -> Setup:
    return make_setup(machine, kernel_arguments=("panic",), command="true")


@both_machines
def test_a_panic_is_125_with_a_backtrace(machine: str) -> None:
    outcome = run(panic_setup(machine), timeout=HANG)
    assert outcome.status == 125 and outcome.panic == "asked for by the command line"
    assert "start_thread+0x" in outcome.panic_report(), outcome.panic_report()
    assert outcome.output == b""
