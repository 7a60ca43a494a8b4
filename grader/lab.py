"""What a lab is: labs/NAME/lab.toml, read and checked.

The file says which files a student may edit, which tests there are, what each is worth and who
may see it, and how much of the host a run may use. Everything else that grades asks this module,
so a mistake in the file is found here, with its place, and not in the middle of a class's grading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Dict, List, Mapping, Tuple, Union

from grader.machine import MACHINES

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    try:
        import tomli as tomllib  # type: ignore[no-redef]
    except ModuleNotFoundError:
        tomllib = None  # type: ignore[assignment]

Number = Union[int, float]

ROOT = Path(__file__).resolve().parents[1]
VISIBILITIES = ("public", "hidden")


class LabError(Exception):
    """What is wrong with a lab, and where, in a sentence for people."""


@dataclass(frozen=True)
class Limits:
    """What one run of a student's kernel, or its build, may use of the host."""

    memory: str = "128M"  # of the guest
    cpus: int = 2  # of the guest
    host_memory: str = "1G"  # of all its processes together
    processes: int = 200
    file_size: str = "256M"
    output: str = "64M"  # what it may leave in its scratch folder, other than images
    seconds: int = 60  # of processor time, a run


@dataclass(frozen=True)
class LabTest:
    """A test: one function of labs/NAME/tests, `test_` + name."""

    name: str
    points: Number
    visibility: str = "public"
    goal: str = ""
    machines: Tuple[str, ...] = MACHINES

    @property
    def is_hidden(self) -> bool:
        return self.visibility == "hidden"


@dataclass(frozen=True)
class Lab:
    """A lab as lab.toml describes it."""

    name: str
    folder: Path
    title: str
    symbol: str
    files: Tuple[str, ...]
    tests: Tuple[LabTest, ...]
    limits: Limits = field(default_factory=Limits)
    base: Number = 0  # what the skeleton earns
    machines: Tuple[str, ...] = MACHINES

    @property
    def points(self) -> Number:
        return sum(test.points for test in self.tests)

    def test(self, name: str) -> LabTest:
        return next(test for test in self.tests if test.name == name)

    def tests_on(self, machine: str) -> List[LabTest]:
        return [test for test in self.tests if machine in test.machines]


def size_in_bytes(text: str) -> int:
    """64K, 128M, 1G: as a number."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 128M")
    return int(match.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30}[match.group(2)]


class _Reader:
    """One table of the file: takes values out, and complains with the file and the key."""

    def __init__(self, file: Path, place: str, table: object) -> None:
        self.file, self.place = file, place
        if not isinstance(table, dict):
            raise self.wrong("", "must be a table")
        self.table: Dict[str, Any] = dict(table)

    def wrong(self, key: str, what: str) -> LabError:
        name = ".".join(part for part in (self.place, key) if part)
        return LabError(f"{self.file}: {name}: {what}")

    def take(self, key: str, kinds: Tuple[type, ...], what: str, *default: object) -> Any:
        if key not in self.table:
            if default:
                return default[0]
            raise self.wrong(key, f"is missing; it must be {what}")
        value = self.table.pop(key)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise self.wrong(key, f"is {value!r}; it must be {what}")
        return value

    def text(self, key: str, *default: object) -> Any:
        return self.take(key, (str,), "a text", *default)

    def size(self, key: str, default: str) -> str:
        value = self.text(key, default)
        try:
            size_in_bytes(value)
        except ValueError as error:
            raise self.wrong(key, str(error)) from None
        return str(value)

    def count(self, key: str, default: int) -> int:
        value = self.take(key, (int,), "a whole number", default)
        if value < 1:
            raise self.wrong(key, f"is {value}; it must be 1 or more")
        return int(value)

    def points(self, key: str, *default: object) -> Number:
        value: Number = self.take(key, (int, float), "a number", *default)
        if value < 0:
            raise self.wrong(key, f"is {value}; points are 0 or more")
        return value

    def words(self, key: str, *default: object) -> Tuple[str, ...]:
        values = self.take(key, (list, tuple), "a list of texts", *default)
        if not values or not all(isinstance(value, str) for value in values):
            raise self.wrong(key, "must be a list of texts, and not empty")
        if len(set(values)) != len(values):
            raise self.wrong(key, "names something twice")
        return tuple(values)

    def machines(self, default: Tuple[str, ...]) -> Tuple[str, ...]:
        found = self.words("machines", default)
        for machine in found:
            if machine not in default:
                raise self.wrong("machines", f"{machine!r} is none of {', '.join(default)}")
        return found

    def end(self) -> None:
        for key in self.table:
            raise self.wrong(key, "is no key that is known here; see labs/README.md")


def _read_limits(reader: _Reader) -> Limits:
    normal = Limits()
    limits = Limits(
        memory=reader.size("memory", normal.memory),
        cpus=reader.count("cpus", normal.cpus),
        host_memory=reader.size("host_memory", normal.host_memory),
        processes=reader.count("processes", normal.processes),
        file_size=reader.size("file_size", normal.file_size),
        output=reader.size("output", normal.output),
        seconds=reader.count("seconds", normal.seconds),
    )
    reader.end()
    return limits


def _read_test(reader: _Reader, machines: Tuple[str, ...]) -> LabTest:
    name = reader.text("name")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise reader.wrong("name", f"{name!r} must be a name such as shared_after_fork")
    test = LabTest(
        name=name,
        points=reader.points("points"),
        visibility=reader.text("visibility", "public"),
        goal=reader.text("goal"),
        machines=reader.machines(machines),
    )
    if test.visibility not in VISIBILITIES:
        raise reader.wrong("visibility", f"{test.visibility!r} is none of {VISIBILITIES}")
    reader.end()
    return test


def _check_file(reader: _Reader, name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or str(path) != name:
        raise reader.wrong("files", f"{name!r} must be a plain path below the tree's root")
    if path.suffix not in (".c", ".h", ".S", ".md", ".txt"):
        raise reader.wrong("files", f"{name!r}: students edit C, headers, assembly and text only")


def parse(text: str, file: Path) -> Lab:
    """The lab that this text of a lab.toml describes."""
    if tomllib is None:
        raise LabError(f"{file}: Python before 3.11 needs the module tomli: install python3-tomli")
    try:
        table: Mapping[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"{file}: {error}") from None
    reader = _Reader(file, "", table)
    machines = reader.machines(MACHINES)
    tests = tuple(
        _read_test(_Reader(file, f"test[{number}]", entry), machines)
        for number, entry in enumerate(reader.take("test", (list,), "[[test]] tables"), 1)
    )
    lab = Lab(
        name=file.parent.name,
        folder=file.parent,
        title=reader.text("title"),
        symbol=reader.text("symbol"),
        files=reader.words("files"),
        tests=tests,
        limits=_read_limits(_Reader(file, "limits", reader.table.pop("limits", {}))),
        base=reader.points("base", 0),
        machines=machines,
    )
    if lab.symbol != f"SOL_{lab.name.upper()}":
        raise reader.wrong("symbol", f"is {lab.symbol!r}; it must be SOL_{lab.name.upper()}")
    for name in lab.files:
        _check_file(reader, name)
    names = [test.name for test in tests]
    for name in names:
        if names.count(name) > 1:
            raise reader.wrong("test", f"{name!r} is there twice")
    if lab.points <= 0 or lab.base > lab.points:
        raise reader.wrong("test", f"{lab.points} points in all, {lab.base} for the skeleton")
    reader.end()
    return lab


def load(name: str, labs: Path = ROOT / "labs") -> Lab:
    """The lab of this name."""
    file = labs / name / "lab.toml"
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or not file.is_file():
        known = ", ".join(all_names(labs)) or "none"
        raise LabError(f"there is no lab {name!r}; there are: {known}")
    return parse(file.read_text(encoding="utf-8"), file)


def all_names(labs: Path = ROOT / "labs") -> List[str]:
    return sorted(file.parent.name for file in labs.glob("*/lab.toml"))
