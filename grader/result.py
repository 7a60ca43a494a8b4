"""The result of grading one submission: the one type that all reports are written from.

A test has `passed` or `failed`, which is the student's affair; or it ended in an `error`, which
is ours: the host had no memory, QEMU did not start. An error costs no points and earns none, and
makes the whole result provisional (`is_final` is false) until the submission is graded again.

Beside the verdict stands what people need to believe it: what was expected, what came, the
shortest trace, and commands that replay it. `suspicious` is for staff: the kernel claimed what
the evidence does not show.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Type, TypeVar, Union

Number = Union[int, float]

PASSED, FAILED, ERROR = "passed", "failed", "error"

# What became of a submission as a whole.
GRADED = "graded"
UNBUILDABLE = "unbuildable"  # the student's files do not compile
REFUSED = "refused"  # the submission itself is not what may be submitted
BROKEN = "error"  # the grader could not do its work

FORMAT = 1


@dataclass
class Run:
    """What one test gave on one machine."""

    machine: str
    status: str
    message: str = ""
    expected: str = ""
    got: str = ""
    hint: str = ""
    trace: str = ""
    replay: str = ""
    replay_gdb: str = ""
    suspicious: str = ""
    points: Number = 0  # partial credit of a test that failed
    seconds: float = 0.0
    attempts: int = 1
    is_unstable: bool = False  # the attempts did not agree


@dataclass
class Verdict:
    """A test's verdict, over all machines on which it ran."""

    name: str
    maximum: Number
    visibility: str = "public"
    goal: str = ""
    runs: List[Run] = field(default_factory=list)

    @property
    def status(self) -> str:
        """Failed where it failed, on whatever machine; else an error, if there was one."""
        found = {run.status for run in self.runs}
        return FAILED if FAILED in found else ERROR if ERROR in found or not found else PASSED

    @property
    def earned(self) -> Number:
        if self.status == PASSED:
            return self.maximum
        if self.status == ERROR:
            return 0
        partial = [self.maximum if run.status == PASSED else run.points for run in self.runs]
        return min([self.maximum, *partial])

    @property
    def is_hidden(self) -> bool:
        return self.visibility == "hidden"

    @property
    def seconds(self) -> float:
        return sum(run.seconds for run in self.runs)

    @property
    def worst(self) -> Optional[Run]:
        """The run to show to people: the first that failed, else the first with an error."""
        for status in (FAILED, ERROR, PASSED):
            for run in self.runs:
                if run.status == status:
                    return run
        return None

    @property
    def suspicious(self) -> str:
        return next((run.suspicious for run in self.runs if run.suspicious), "")


@dataclass
class Result:
    """What became of a submission."""

    lab: str
    title: str
    submission: str  # its name, for people
    status: str = GRADED
    message: str = ""  # why it was refused or does not build
    output: str = ""  # of the compiler
    machines: Tuple[str, ...] = ()
    tests: List[Verdict] = field(default_factory=list)
    sandbox: Tuple[str, ...] = ()  # the layers of confinement in use
    suspicious: List[str] = field(default_factory=list)  # of the submission as a whole
    digest: str = ""  # of the files that were taken
    grader: str = ""  # of everything else that the verdict depends on
    challenge: str = ""
    seconds: float = 0.0
    format: int = FORMAT

    @property
    def earned(self) -> Number:
        return sum(test.earned for test in self.tests)

    @property
    def maximum(self) -> Number:
        return sum(test.maximum for test in self.tests)

    @property
    def is_final(self) -> bool:
        """No infrastructure error: the points may be published."""
        return self.status != BROKEN and all(test.status != ERROR for test in self.tests)

    @property
    def flags(self) -> List[str]:
        """What staff should look at."""
        claims = [f"{test.name}: {test.suspicious}" for test in self.tests if test.suspicious]
        unstable = [
            f"{test.name}: {run.machine}: runs with the same seed did not agree"
            for test in self.tests
            for run in test.runs
            if run.is_unstable
        ]
        return [*self.suspicious, *claims, *unstable]

    def test(self, name: str) -> Verdict:
        return next(test for test in self.tests if test.name == name)

    def to_json(self) -> str:
        summary = {"earned": self.earned, "maximum": self.maximum, "is_final": self.is_final}
        return json.dumps({**asdict(self), "summary": summary}, indent=1) + "\n"

    def save(self, path: Path) -> None:
        write_whole(path, self.to_json())


Record = TypeVar("Record")


def _record(kind: Type[Record], table: Dict[str, Any]) -> Record:
    """A dataclass from its table; what a newer version has written is left out."""
    names = {entry.name for entry in fields(kind)}  # type: ignore[arg-type]
    return kind(**{key: value for key, value in table.items() if key in names})


def from_json(text: str) -> Result:
    """What to_json() wrote. Raises ValueError for anything else."""
    try:
        table = json.loads(text)
        if table["format"] != FORMAT:
            raise ValueError(f"format {table['format']}; this version reads {FORMAT}")
        result = _record(Result, table)
        result.machines, result.sandbox = tuple(result.machines), tuple(result.sandbox)
        result.tests = [_record(Verdict, entry) for entry in table["tests"]]
        for test in result.tests:
            test.runs = [_record(Run, run) for run in test.runs]  # type: ignore[arg-type]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a result: {error!r}") from None
    return result


def load(path: Path) -> Result:
    return from_json(path.read_text(encoding="utf-8"))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees it whole or not at all, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def points_text(points: Number) -> str:
    """10, 2.5: without needless digits."""
    return f"{points:.2f}".rstrip("0").rstrip(".")
