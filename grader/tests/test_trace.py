"""The event trace: complete, consistent, and there however the machine ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from grader.checks import check_trace
from grader.machine import Running, Setup, SetupError, run
from grader.tests.conftest import Boot
from grader.tests.support import BUILD, HANG, IMAGE, both_machines, make_setup, wait_until_up
from grader.trace import Channel, summary

CPUS, THREADS = 1, 2
MOTD_SIZE = 74

Event = Dict[str, Any]


@dataclass
class Span:
    """What lasted: an X, or a B with its E."""

    name: str
    start: int
    end: int
    arguments: Dict[str, Any]


@dataclass
class Trace:
    """A file of events, taken apart. Whatever does not fit together fails here."""

    path: Path
    names: Dict[int, str] = field(default_factory=dict)
    spans: Dict[int, List[Span]] = field(default_factory=lambda: defaultdict(list))
    instants: Dict[int, List[Event]] = field(default_factory=lambda: defaultdict(list))
    disk: List[Span] = field(default_factory=list)
    arrows: List[Tuple[Event, Event]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Times are in microseconds with three digits: nanoseconds.
        text = json.loads(
            self.path.read_text(), parse_float=lambda number: int(number.replace(".", ""))
        )
        self.events: List[Event] = text["traceEvents"]
        self.kernel, self.lost = text["otherData"]["kernel"], text["otherData"]["lost"]
        begun: Dict[Any, List[Event]] = defaultdict(list)
        for event in self.events:
            self._take(event, begun)
        left = [events for events in begun.values() if events and events[0]["ph"] != "s"]
        assert left == []

    def _take(self, event: Event, begun: Dict[Any, List[Event]]) -> None:
        phase, track = event["ph"], event.get("tid")
        if phase == "M":
            if event["name"] == "thread_name":
                self.names[track] = event["args"]["name"]
        elif phase == "X":
            end = event["ts"] + event["dur"]
            assert event["dur"] >= 0
            self.spans[track].append(Span(event["name"], event["ts"], end, event.get("args", {})))
        elif phase == "i":
            self.instants[track].append(event)
        elif phase in "Bbs":
            key = track if phase == "B" else (phase, event["id"])
            assert phase == "B" or begun[key] == []
            begun[key].append(event)
        elif phase in "Ee":
            first = begun[track if phase == "E" else ("b", event["id"])].pop()
            assert first["name"] == event["name"] and first["ts"] <= event["ts"]
            arguments = {**first.get("args", {}), **event.get("args", {})}
            span = Span(event["name"], first["ts"], event["ts"], arguments)
            (self.spans[track] if phase == "E" else self.disk).append(span)
        else:
            assert phase == "f"
            first = begun[("s", event["id"])].pop()
            assert first["ts"] <= event["ts"]
            self.arrows.append((first, event))

    def cpus(self) -> List[int]:
        return sorted(track for track, name in self.names.items() if name.startswith("cpu "))

    def threads(self, name: str) -> List[int]:
        """Of processes with this name."""
        return [track for track, named in self.names.items() if named.split(" ")[0] == name]

    def calls(self, track: int, name: str) -> List[Span]:
        return [span for span in self.spans[track] if span.name == name]


def check(trace: Trace) -> None:
    """What is true of every trace."""
    seen: Dict[Any, int] = defaultdict(int)
    for event in trace.events:
        if event["ph"] in "BEi":  # in the order of their times
            assert seen[event["pid"], event["tid"]] <= event["ts"], event
            seen[event["pid"], event["tid"]] = event["ts"]
        assert event["ph"] == "M" or event["tid"] in trace.names, event
    for track, spans in trace.spans.items():
        open_ends: List[int] = []
        for span in sorted(spans, key=lambda span: (span.start, -span.end)):
            while open_ends and open_ends[-1] <= span.start:
                open_ends.pop()
            assert not open_ends or track not in trace.cpus(), f"two run on one CPU: {span}"
            assert not open_ends or span.end <= open_ends[-1], f"not nested: {span}"
            open_ends.append(span.end)
    check_who_runs(trace)


def check_who_runs(trace: Trace) -> None:
    """A thread enters and leaves system calls only while it is on a CPU; arrows end at a run."""
    runs: Dict[int, List[Span]] = defaultdict(list)
    for cpu in trace.cpus():
        for span in trace.spans[cpu]:
            runs[span.arguments["thread"]].append(span)
            assert trace.names[span.arguments["thread"]]
    for event in trace.events:
        if event["ph"] in "BE" and event["pid"] == THREADS:
            is_last = event["ph"] == "E" and "args" not in event  # it did not end: the machine did
            running = any(run.start <= event["ts"] <= run.end for run in runs[event["tid"]])
            assert running or is_last, event
    for _, end in trace.arrows:
        thread = int(end["id"].split(".")[0])
        assert any(run.start == end["ts"] for run in runs[thread]), end


def traced(machine: str, folder: Path, **changes: Any) -> Tuple[Setup, Path]:
    path = folder / "trace.json"
    return make_setup(machine, trace=path, **changes), path


@pytest.fixture(scope="module", params=["vkernel", "x86_64"])
def cat(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("trace")
    setup, path = traced(request.param, folder, command="cat /etc/motd | cat")
    assert run(setup, timeout=HANG).status == 0
    return Trace(path)


def test_a_trace_is_consistent(cat: Trace) -> None:
    check(cat)
    assert cat.kernel.startswith("Duet") and cat.lost == 0
    assert len(cat.cpus()) == 2


def find_reader(trace: Trace) -> int:
    """The thread of the `cat` that opened the file."""
    for track in trace.threads("cat"):
        if any(span.arguments["result"] == MOTD_SIZE for span in trace.calls(track, "read")):
            if any(span.arguments["result"] == 3 for span in trace.calls(track, "open")):
                return track
    raise AssertionError(trace.names)


def test_a_program_does_what_it_does(cat: Trace) -> None:
    track = find_reader(cat)
    order = [span.name for span in sorted(cat.spans[track], key=lambda span: span.start)]
    wanted = iter(order)
    assert all(name in wanted for name in ("execve", "open", "read", "write", "exit_group")), order
    write = cat.calls(track, "write")[0]
    assert write.arguments["result"] == MOTD_SIZE
    assert write.arguments["arguments"].startswith("0x1, 0x")
    assert f" 0x{MOTD_SIZE:x}, " in write.arguments["arguments"]
    faults = cat.calls(track, "page fault")
    assert {fault.arguments["access"] for fault in faults} >= {"write", "execute"}
    assert all(fault.arguments["result"] == 0 for fault in faults)


def test_a_file_is_read_from_the_disk(cat: Trace) -> None:
    """What a program asks of the disk is served: it says so when, and it is done without error."""
    assert all(span.arguments["error"] == 0 for span in cat.disk)
    submitted = {
        event["args"]["sector"]: event["ts"]
        for track in [*cat.threads("cat"), *cat.threads("sh")]
        for event in cat.instants[track]
        if event["name"] == "disk read"
    }
    assert submitted
    for sector, time in submitted.items():
        assert any(
            span.start == time for span in cat.disk if span.arguments["sector"] == sector
        ), sector


def test_a_pipe_wakes_its_reader(cat: Trace) -> None:
    readers = set(cat.threads("cat")) - {find_reader(cat)}
    woken = {int(end["id"].split(".")[0]) for _, end in cat.arrows}
    assert readers & woken
    wakes = [event for track in cat.names for event in cat.instants[track]]
    assert any(
        event["name"] == "wake up" and event["args"]["thread"] in readers for event in wakes
    )


def test_interrupts_are_on_their_cpu(cat: Trace) -> None:
    names = {event["name"] for cpu in cat.cpus() for event in cat.instants[cpu]}
    assert "timer" in names or "kick" in names


@both_machines
def test_what_was_lost_is_said(machine: str, tmp_path: Path) -> None:
    """Threads wait in calls that began before the ring does; all is consistent nevertheless."""
    command = "cat & for i in $(seq 120); do /bin/true; done; kill %1"
    setup, path = traced(machine, tmp_path, command=command, kernel_arguments=("trace=1",))
    outcome = run(setup, timeout=HANG)
    trace = Trace(path)
    check(trace)
    assert trace.lost > 0 and "have been overwritten" in outcome.log
    init = trace.threads("init")[0]
    assert trace.calls(init, "rt_sigsuspend")[0].start == min(
        span.start for spans in trace.spans.values() for span in spans
    )
    assert "KERNEL_ARGS=trace=" in summary(path)


@both_machines
def test_after_a_panic(machine: str, tmp_path: Path) -> None:
    setup, path = traced(machine, tmp_path, kernel_arguments=("init=/bin/true",), command="x")
    outcome = run(setup, timeout=HANG)
    assert outcome.panic == "init ended with status 0"
    trace = Trace(path)
    check(trace)
    last = max(trace.spans[trace.threads("true")[0]], key=lambda span: span.start)
    assert last.name == "exit_group" and "result" not in last.arguments


def test_a_seed_repeats_its_trace(tmp_path: Path) -> None:
    texts = []
    for _ in range(2):
        words = ("seed=7",)
        setup, path = traced("vkernel", tmp_path, command="cat /etc/motd", kernel_arguments=words)
        assert run(setup, timeout=HANG).status == 0
        texts.append(path.read_text())
    assert texts[0] == texts[1]
    check(Trace(path))


def test_in_the_midst_of_an_execve(tmp_path: Path) -> None:
    """At each of the last points of the call: it has new registers then, and is still execve."""

    def calls_ended_after(points: int) -> List[bool]:
        words = ("seed=7", f"points={points}")
        setup, path = traced("vkernel", tmp_path, command="exec true", kernel_arguments=words)
        run(setup, timeout=HANG)
        trace = Trace(path)
        check(trace)
        calls = [call for track in list(trace.names) for call in trace.calls(track, "execve")]
        return ["result" in call.arguments for call in calls]

    both = [True, True]  # the shell and `true`
    before, after = 0, 1 << 14
    while after - before > 1:
        middle = (before + after) // 2
        if calls_ended_after(middle) == both:
            after = middle
        else:
            before = middle
    for points in range(after - 8, after):
        assert calls_ended_after(points) == [True, False]
    assert calls_ended_after(after) == both


def has_said_up(trace: Trace) -> bool:
    calls = [call for track in list(trace.names) for call in trace.calls(track, "write")]
    words = [call.arguments["arguments"].split(", ") for call in calls if call.arguments]
    return any(word[0] == "0x1" and word[2] == "0x3" for word in words)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_after_signals(number: signal.Signals, tmp_path: Path) -> None:
    """An orderly end, and one at once, while a program computes and others sleep."""
    command = "while :; do :; done & sleep 1000 & echo up; sleep 1000"
    setup, path = traced("vkernel", tmp_path, command=command)
    with Running(setup, stdin=subprocess.DEVNULL) as machine:
        wait_until_up(machine)
        machine.process.send_signal(number)
        machine.process.wait(HANG)
    trace = Trace(path)
    check(trace)
    assert has_said_up(trace)


@both_machines
def test_after_an_orderly_end(machine: str, tmp_path: Path) -> None:
    """What `make boot` does when it is told to stop."""
    setup, path = traced(machine, tmp_path, command="echo up; sleep 1000")
    with Running(setup) as running:
        wait_until_up(running)
        running.stop()
        assert running.verdict().ended
    trace = Trace(path)
    check(trace)
    assert has_said_up(trace) and trace.calls(trace.threads("init")[0], "reboot")


@both_machines
def test_after_a_hang(machine: str, tmp_path: Path) -> None:
    """What `make boot` does when the time is over."""
    setup, path = traced(machine, tmp_path, command="echo up; sleep 1000")
    with Running(setup) as running:
        wait_until_up(running)
        running.kill()
    trace = Trace(path)
    check(trace)
    assert has_said_up(trace)


@pytest.mark.parametrize("machine", ["vkernel", "x86_64"])
def test_make_boot(machine: str, make_boot: Boot, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    done = make_boot(MACHINE=machine, TRACE=path, CMD="true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    check(Trace(path))


@both_machines
def test_a_hang_is_one_with_a_trace_too(machine: str, make_boot: Boot, tmp_path: Path) -> None:
    """The kernel is asked to end for its trace; that does not make it a success."""
    loop = "while :; do :; done"
    done = make_boot(MACHINE=machine, TRACE=tmp_path / "t.json", TIMEOUT=2, CMD=loop)
    assert done.returncode == 125 and "stopped after 2 s" in done.stderr


@both_machines
def test_an_unwritable_file_is_said(machine: str, make_boot: Boot) -> None:
    done = make_boot(MACHINE=machine, TRACE="/does/not/exist", CMD="true")
    assert done.returncode == 2
    assert done.stderr == "boot: /does/not/exist: No such file or directory\n"


def test_the_vkernel_says_it_too() -> None:
    command = [str(BUILD / "vkernel" / "duet"), "-R", str(IMAGE), "-c", "true", "--trace", "/"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=HANG)
    assert (done.returncode, done.stderr) == (1, "duet: /: Is a directory\n")


def test_the_tools_say_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="Is a directory"):
        check_trace(make_setup("x86_64", trace=tmp_path))


@both_machines
def test_on_a_terminal(machine: str, tmp_path: Path) -> None:
    """`make run` and `make qemu`."""
    (tmp_path / machine).mkdir()
    (tmp_path / machine / "duet").symlink_to(BUILD / machine / "duet")
    path = tmp_path / "trace.json"
    words = [sys.executable, "-m", "grader.console", machine, "--trace", str(path)]
    words += ["--build", str(tmp_path), "--image", str(IMAGE)]
    master, slave = pty.openpty()
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = read_until(master, "# ")
    os.write(master, b"poweroff\n")
    seen += read_until(master, None)
    process.wait(HANG)
    os.close(master)
    trace = Trace(path)
    check(trace)
    assert trace.threads("poweroff"), seen


def read_until(master: int, text: Optional[str]) -> str:
    """What appears, up to `text` or the end."""
    seen = ""
    while text is None or text not in seen:
        try:
            block = os.read(master, 4096)
        except OSError:  # the other side has gone
            break
        if not block:
            break
        seen += block.decode("utf-8", "replace")
    return seen


def test_a_trace_that_is_too_long_is_cut(tmp_path: Path) -> None:
    channel = Channel(tmp_path / "memory")
    channel.create(1, ("trace=1",))
    text = b'{"traceEvents":[\n{"ph":"M"},\n{"ph":"i","na'
    with open(channel.file, "r+b") as file:
        room = int.from_bytes(file.read(8), "little")
        file.write(len(text).to_bytes(8, "little") + text)
    assert room == channel.file.stat().st_size - 16
    assert channel.save(tmp_path / "trace.json")
    found = json.loads((tmp_path / "trace.json").read_text())
    assert found["traceEvents"] == [{"ph": "M"}] and found["otherData"]["cut"]
    assert "cut short" in summary(tmp_path / "trace.json")


def test_no_trace_is_said(tmp_path: Path) -> None:
    channel = Channel(tmp_path / "memory")
    channel.create("many", ())
    assert not channel.save(tmp_path / "trace.json")
    (tmp_path / "trace.json").write_text("")
    assert "no trace" in summary(tmp_path / "trace.json")
