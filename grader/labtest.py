"""The pytest plugin of the labs' tests: the fixture `duet`, verdicts with reasons, replays.

    python3 -m pytest -p grader.labtest -c grader/pytest.ini labs/cow/tests

A lab's test boots the kernel that it judges and collects evidence from outside: what the
host computes itself from a fresh random challenge, the memory of the machine (grader/ram.py),
the disk after the end. What the guest merely says is believed only where lying would be as
much work as doing it. A test fails with `duet.fail()` or one of the checks, which say what was
expected, what came, and what to do next; any other exception is an error of the
infrastructure, and no student's fault.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest

from grader import image as images
from grader.machine import MACHINES, Outcome, Setup, run
from grader.native import Native
from grader.probe import Probe
from grader.ram import Ram

# Silence for so long means that a machine hangs. It only costs when a test fails.
HANG = {"vkernel": 20.0, "x86_64": 60.0}

PANIC_HINT = (
    "The kernel panicked. Run the command below: the backtrace says who called whom, and "
    "docs/debugging.md how to go on from there with gdb."
)
HANG_HINT = (
    "The kernel stopped answering. Replay it in gdb, stop it with ^C, and look at "
    "`duet ps` and `duet locks`: who waits for what?"
)


class Failure(AssertionError):
    """A verdict: the kernel did not do what it has to."""

    def __init__(self, expected: str, got: str, hint: str, trace: str = "") -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected, self.got, self.hint, self.trace = expected, got, hint, trace
        self.replay = self.replay_gdb = ""


@dataclass(frozen=True)
class Run:
    """What a run of the machine left behind."""

    outcome: Outcome
    image: Optional[Path]  # the disk after the end
    ram: Optional[Ram]

    @property
    def output(self) -> str:
        return self.outcome.text

    @property
    def status(self) -> int:
        return self.outcome.status

    @property
    def results(self) -> str:
        return self.outcome.results

    @property
    def schedule(self) -> Dict[str, int]:
        """What the kernel reports of a run with a seed (docs/determinism.md)."""
        form = "seed N: N points, N switches, N ns".replace("N", r"(\d{1,20})")
        found = re.search(form, self.results)
        names = ("seed", "points", "switches", "nanoseconds")
        return dict(zip(names, map(int, found.groups()))) if found else {}

    def read(self, path: str) -> str:
        """A file on the disk, as debugfs sees it."""
        assert self.image is not None, "ask for the image with keep_image=True"
        try:
            return images.read(self.image, path)
        except images.ImageError as error:
            return str(error)

    def damage(self) -> List[str]:
        """What e2fsck says of the disk."""
        assert self.image is not None, "ask for the image with keep_image=True"
        return images.check(self.image)


@dataclass
class Duet:
    """The kernel under test, for one test."""

    tree: Path
    build: Path
    pristine_image: Path
    machine: str
    lab: str
    challenge: str
    patience: float
    scratch: Path
    test: str
    random: random.Random = field(init=False)
    seed: int = field(init=False)
    rams: List[Ram] = field(default_factory=list)
    replay: str = ""
    replay_gdb: str = ""
    panic_hint: str = PANIC_HINT  # a test may know better what a panic means

    def __post_init__(self) -> None:
        # All that a test asks for follows from the challenge and its name.
        self.random = random.Random(f"{self.challenge} {self.test}")
        self.seed = self.random.randrange(1, 1 << 31)

    @property
    def hang(self) -> float:
        return HANG[self.machine] * self.patience

    def word(self) -> int:
        """A fresh random word of 64 bits."""
        return self.random.getrandbits(64)

    def address(self, pages: int = 1, alignment: int = 1) -> int:
        """A fresh random address for so many pages, far from what programs use themselves."""
        page = self.random.randrange(0x200000000, 0x400000000 - pages)
        return page // alignment * alignment * 4096

    def ram(self) -> Ram:
        self.rams.append(Ram())
        return self.rams[-1]

    def setup(self, **changes: object) -> Setup:
        plain = Setup(
            machine=self.machine,
            image=self.pristine_image,
            build=self.build,
            cpus=1,
            memory="32M",
            seed=self.seed,
        )
        return plain.with_(**changes)

    def variables(self) -> str:
        """What make must be told to build this kernel; nothing in a handout."""
        if not (self.tree / "kern" / "solutions.h").exists():
            return ""
        return f"LAB={self.lab} " + ("SKELETON=1 " if self.is_skeleton else "")

    @property
    def is_skeleton(self) -> bool:
        return self.build.name.endswith("-skeleton")

    def note_replay(self, setup: Setup) -> None:
        """Remember how to boot this again by hand, plainly and in gdb."""
        words = " ".join(setup.kernel_arguments)
        common = f"CPUS={setup.cpus} MEM={setup.memory}"
        command = "" if not setup.command else f" CMD={quote(setup.command)}"
        seeded = f" SEED={setup.seed}" if setup.seed is not None else ""
        plain_words = f" KERNEL_ARGS={quote(words)}" if words else ""
        lab = self.variables()
        self.replay = (
            f"make -s boot {lab}MACHINE={self.machine} {common}{seeded}{plain_words}{command}"
        )
        gdb_words = f"seed={setup.seed} {words}".strip() if setup.seed is not None else words
        target = "gdb" if self.machine == "vkernel" else "qemu-gdb"
        self.replay_gdb = (
            f"make {target} {lab}{common} KERNEL_ARGS={quote(gdb_words)}{command}"
        )

    def fail(self, expected: object, got: object, hint: str, trace: str = "") -> None:
        raise Failure(str(expected), str(got), hint, trace)

    def check(self, expected: object, got: object, hint: str) -> None:
        """Fail unless both are the same; numbers are shown in hexadecimal."""
        if expected != got:
            self.fail(_text(expected), _text(got), hint)

    def run(
        self,
        command: str,
        files: Tuple[Tuple[Path, str], ...] = (),
        stdin: bytes = b"",
        keep_image: bool = False,
        keep_ram: bool = False,
        **changes: object,
    ) -> Run:
        """Boot, run a shell command, and wait for the end. A panic or a hang is a failure."""
        setup = self.setup(command=command, **changes)
        ram = self.ram() if keep_ram else None
        if ram is not None:
            setup = setup.with_(ram=ram.path, descriptors=(ram.descriptor,))
        image = None
        if files or keep_image:
            image = images.copy(self.pristine_image, self.scratch / "root.img")
            for host, guest in files:
                images.put(image, host, guest)
            setup = setup.with_(image=image, writable=True)
        self.note_replay(setup)
        outcome = run(setup, stdin, self.hang)
        self.check_end(outcome)
        return Run(outcome, image, ram)

    def check_end(self, outcome: Outcome) -> None:
        """A machine that did not end by itself is the kernel's fault."""
        if outcome.panic is not None:
            report = outcome.panic_report()
            self.fail("a run without a panic", f"panic: {outcome.panic}", self.panic_hint, report)
        if outcome.hung:
            self.fail("the machine to end", "silence", HANG_HINT, outcome.log[-2000:])
        if not outcome.ended:
            died = outcome.errors.strip() or f"the {self.machine} machine died"
            self.fail("the machine to end by itself", died, self.panic_hint, outcome.log[-2000:])

    def probe(self, cpus: int = 1, memory: str = "32M", **changes: object) -> Probe:
        """Boot with a program that does what the test tells it to: `with duet.probe() as probe`."""
        ram = self.ram()
        setup = self.setup(cpus=cpus, memory=memory, **changes)
        setup = setup.with_(kernel_arguments=("init=/bin/probe", *setup.kernel_arguments))
        setup = setup.with_(ram=ram.path, descriptors=(ram.descriptor,))
        return Probe(self, setup, ram)

    def native(self, unit: str) -> Native:
        """A part of the kernel as a program: `with duet.native(UNIT) as script`."""
        return Native(self, unit)

    def close(self) -> None:
        for ram in self.rams:
            ram.close()


def quote(text: str) -> str:
    """For the shell, in double quotes where that is easier to read."""
    if re.search(r'["$`\\!]', text) or "'" not in text:
        return shlex.quote(text)
    return f'"{text}"'


def _text(value: object) -> str:
    return f"{value:#x}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


# --- pytest ----------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("duet", "the kernel under test")
    group.addoption("--duet-tree", type=Path, default=Path.cwd(), help="its sources")
    group.addoption("--duet-build", type=Path, help="the folder with MACHINE/duet (build)")
    group.addoption("--duet-image", type=Path, help="the root image (build/root.img)")
    group.addoption("--duet-machine", choices=MACHINES, default="vkernel")
    group.addoption("--duet-challenge", help="what is random in the tests (default: fresh)")
    group.addoption("--duet-patience", type=float, default=1.0, help="hang limits times this")
    group.addoption("--duet-results", type=Path, help="append a JSON line for each test")


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--duet-challenge"):
        given = os.environ.get("DUET_CHALLENGE")
        config.option.duet_challenge = given or os.urandom(8).hex()


def lab_of(path: Path) -> str:
    """labs/NAME/tests/test_public.py is of lab NAME."""
    return path.parent.parent.name


@pytest.fixture
def duet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Duet]:
    option = request.config.getoption
    tree = option("--duet-tree").resolve()
    fixture = Duet(
        tree=tree,
        build=(option("--duet-build") or tree / "build").resolve(),
        pristine_image=(option("--duet-image") or tree / "build" / "root.img").resolve(),
        machine=option("--duet-machine"),
        lab=lab_of(Path(str(request.node.path))),
        challenge=option("--duet-challenge"),
        patience=option("--duet-patience"),
        scratch=tmp_path,
        test=request.node.name,
    )
    request.node.duet = fixture
    yield fixture
    fixture.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[Any]") -> Iterator[None]:
    """Write the verdict, and show it without Python's own traceback."""
    result = yield
    report = result.get_result()  # type: ignore[attr-defined]
    failure = call.excinfo.value if call.excinfo is not None else None
    fixture: Optional[Duet] = getattr(item, "duet", None)
    if isinstance(failure, Failure) and fixture is not None:
        report.longrepr = describe(failure, fixture)
    if call.when == "call" or (call.when == "setup" and not report.passed):
        _write(item, report, failure, fixture, call.duration)


def describe(failure: Failure, duet: Duet) -> str:
    lines = [f"expected: {failure.expected}", f"got:      {failure.got}"]
    lines += [f"hint:     {failure.hint}"]
    if failure.trace:
        lines += ["trace:", *("    " + line for line in failure.trace.splitlines())]
    lines += [f"replay:   {duet.replay}", f"in gdb:   {duet.replay_gdb}"]
    return "\n".join(lines)


def _write(
    item: pytest.Item,
    report: pytest.TestReport,
    failure: Optional[BaseException],
    duet: Optional[Duet],
    seconds: float,
) -> None:
    target: Optional[Path] = item.config.getoption("--duet-results")
    if target is None:
        return
    is_verdict = isinstance(failure, Failure)
    outcome = report.outcome if report.outcome != "failed" or is_verdict else "error"
    line: Dict[str, object] = {
        "test": item.name.replace("test_", "", 1),
        "lab": lab_of(Path(str(item.path))),
        "machine": item.config.getoption("--duet-machine"),
        "challenge": item.config.getoption("--duet-challenge"),
        "outcome": outcome,
        "seconds": round(seconds, 3),
        "time": time.time(),
        "message": "" if failure is None else str(failure).split("\n")[0],
    }
    for name in ("expected", "got", "hint", "trace"):
        line[name] = getattr(failure, name, "")
    line["replay"] = duet.replay if duet is not None and is_verdict else ""
    line["replay_gdb"] = duet.replay_gdb if duet is not None and is_verdict else ""
    if outcome == "error":
        line["trace"] = str(report.longrepr)
    with open(target, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
