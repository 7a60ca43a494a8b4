"""Machines in the sandbox: both run as without it, and a hostile one harms nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grader import hostile, sandbox
from grader import probe as probes
from grader.machine import Running, Setup, run
from grader.processes import processes_with
from grader.ram import Ram
from grader.tests import support
from grader.tests.support import HANG, both_machines

FORMS = [name for name, _ in sandbox.choices() if name != "user"]


def make_setup(machine: str, **changes: object) -> Setup:
    """Not by VMSPACE=ptrace: the sandbox forbids ptrace."""
    return support.make_setup(machine, vmspace=None, **changes)


@pytest.fixture(params=FORMS)
def confined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    try:
        sandbox.Confinement.probe(request.param)
    except sandbox.SandboxError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("DUET_SANDBOX", request.param)
    return str(request.param)


@both_machines
def test_confined_machine_runs_as_any_other(confined: str, machine: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    setup = make_setup(machine, command="echo $((6 * 7)); cat; exit 3", seed=7, trace=trace)
    outcome = run(setup, stdin=b"typed\n", timeout=HANG)
    assert (outcome.text, outcome.status, outcome.errors) == ("42\ntyped\n", 3, "")
    assert outcome.ended and "seed 7:" in outcome.results and '"otherData"' in trace.read_text()


def test_killed_machine_leaves_no_process(confined: str) -> None:
    setup = make_setup("vkernel", command="echo up; sleep 1000", kernel_arguments=("mark=gone",))
    with Running(setup) as machine:
        assert b"up" in next(machine.console_output())
        assert processes_with("mark=gone")
    assert not processes_with("mark=gone") and not machine.report_file.exists()


def test_too_much_processor_time_is_a_hang(
    confined: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_LIMITS", '{"cpu": 1.0}')
    outcome = run(make_setup("vkernel", seed=None, command="while :; do :; done"), timeout=HANG)
    assert outcome.hung and "the vkernel machine computed for" in outcome.errors


def test_memory_that_the_machine_has_cut_off() -> None:
    ram = Ram()
    os.truncate(ram.descriptor, 1 << 20)
    os.pwrite(ram.descriptor, b"mark" * 2048, 0)
    os.truncate(ram.descriptor, 5001)
    memory = ram.look()
    ram.close()
    assert list(memory.find(b"mark" * 1024))[0] == 0 and len(memory.page(4096)) == 4096
    assert memory.roots(0, 0x400000) == [] and memory.walk(4096, 0) is None


def test_flood_of_answers_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of lines without end no more is kept than a bound, and the machine that says them ends."""
    monkeypatch.setattr(probes, "TEXT_MAX", 100_000)
    for command in ("while :; do echo; done", "while :; do printf 1234567890123456789; done"):
        setup = make_setup("vkernel", command=command)
        probe = probes.Probe(None, setup, None)  # type: ignore[arg-type]
        with Running(setup) as machine:
            probe._machine = machine
            probe._read()
            assert machine.process.poll() is not None
        lines = list(iter(probe._lines.get, None))
        assert 0 < len(lines) <= 100_000 // probes.LINE_COST
        assert sum(map(len, lines)) <= 100_000 and max(map(len, lines)) <= probes.LINE_MAX


def test_deep_folders_are_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    before = os.open(".", os.O_RDONLY)
    os.chdir(top)
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    os.fchdir(before)
    os.close(before)
    hostile.remove(top)
    assert not top.exists()


def test_text_of_a_hostile_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile, "TEXT_MAX", 10)
    (tmp_path / "secret").write_text("the answer")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_text("x" * 1000 + "end")
    (tmp_path / "plain").write_text("plain")
    names = ("link", "pipe", "missing", "long", "plain")
    texts = [hostile.read_text(tmp_path / name) for name in names]
    assert texts == ["", "", "", "xxxxxxxend", "plain"]
