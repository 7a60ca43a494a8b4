"""Judging one submission: build it, run the lab's tests, confirm what was lost.

What is whose: pytest and the tests are ours, run from our tree as we are. The compiler that reads
the student's files, and the kernel that comes of it, run confined (grader/sandbox.py); of the
build only the kernel itself is taken.

A verdict must not depend on the host. So runs are seeded, and all that is random follows from a
challenge, which follows from the submission and a key. How long silence may last is scaled by
how long the reference takes to boot here and now. What failed is run again, and is lost
only if it fails again. If the reference cannot boot in the same sandbox after a failure,
the host is in trouble, and that is nobody's failure: an error, which is tried again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence

from grader import image as images
from grader import pristine, sandbox
from grader.hostile import read_text, remove
from grader.lab import ROOT, Lab, size_in_bytes
from grader.machine import Setup, die_with_parent, run
from grader.pristine import Pristine
from grader.result import (
    BROKEN,
    ERROR,
    FAILED,
    PASSED,
    REFUSED,
    UNBUILDABLE,
    Result,
    Run,
    Verdict,
)
from grader.submission import Refused, lay_over, name_of, take

KERNEL_MAX = 64 << 20
ATTEMPTS = 3  # when the infrastructure fails
FIRST_PATIENCE = 0.25
PATIENCE_MAX = 8.0

# What one test may take of anybody's time, at the patience of a quiet host, in seconds.
TEST_SECONDS = 300.0
BUILD_LIMITS = sandbox.Limits(memory=1 << 30, data=1 << 30, cpu=120.0, seconds=900.0)

# How long the reference takes from start to end on a small quiet host, in seconds.
NOMINAL_BOOT = {"vkernel": 0.4, "x86_64": 1.2}

# Is told of each test's run when it ends, and which attempt it was.
Progress = Callable[[str, Run, int], None]


def no_progress(_name: str, _run: Run, _attempt: int) -> None:
    pass


@dataclass
class Judge:
    """What all submissions of a series have in common."""

    lab: Lab
    machines: Sequence[str]
    image: Path  # the root image, ours
    confinement: sandbox.Confinement
    root: Path = ROOT
    key: bytes = b""
    only: Sequence[str] = ()  # names of tests; all if there are none
    progress: Progress = no_progress
    pristine: Optional[Pristine] = None
    workspaces: Optional[Path] = None  # the folder for them, if not where temporary files lie
    identity: str = field(init=False)

    def __post_init__(self) -> None:
        self.identity = grader_identity(self)

    # --- What is judged ----------------------------------------------------------------------

    def submission(self, source: Path, challenge: Optional[str] = None) -> Result:
        """Judge what was handed in. Never raises for what is wrong with a submission."""
        assert self.pristine is not None
        started = time.monotonic()
        result = self._empty(name_of(source))
        with workspace(self.workspaces) as work:
            try:
                taken = take(source, self.lab)
                result.digest = taken.digest
                result.challenge = challenge or self.challenge(taken.digest)
                if taken.missing:
                    names = ", ".join(taken.missing)
                    result.message = f"not handed in, so the skeleton's are used: {names}"
                tree = work / "tree"
                pristine.copy(self.pristine, tree)
                lay_over(taken, tree)
                self._build(tree, work, result)
                self._run_tests(result, tree, work / "kernels", work)
            except Refused as refusal:
                self._give_up(result, REFUSED, str(refusal))
            except Unbuildable as problem:
                result.output = problem.output
                self._give_up(result, UNBUILDABLE, str(problem))
            except Exception as problem:  # whatever it is, it is ours, and not the class's
                self._give_up(result, BROKEN, why_broken(problem))
        result.seconds = round(time.monotonic() - started, 3)
        return result

    def broken(self, source: Path, problem: Exception) -> Result:
        """The result of what could not be judged."""
        result = self._empty(name_of(source))
        self._give_up(result, BROKEN, why_broken(problem))
        return result

    def in_place(self, name: str, build: Path, challenge: Optional[str] = None) -> Result:
        """Judge the kernels of a tree in which somebody works, as they are."""
        started = time.monotonic()
        result = self._empty(name)
        texts = {file: (self.root / file).read_bytes() for file in self.lab.files}
        digest = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()
        result.challenge = challenge or self.challenge(digest)
        with workspace(self.workspaces) as work:
            for machine in self.machines:
                take_kernel(build / machine / "duet", work / "kernels" / machine / "duet")
            self._run_tests(result, self.root, work / "kernels", work)
        result.seconds = round(time.monotonic() - started, 3)
        return result

    def challenge(self, digest: str) -> str:
        """What is random in the tests: nobody without the key can know it before."""
        text = f"{self.lab.name} {digest}".encode()
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:16]

    def _empty(self, name: str) -> Result:
        tests = [test for test in self.lab.tests if not self.only or test.name in self.only]
        tests = [test for test in tests if set(test.machines) & set(self.machines)]
        tests = [test for test in tests if not test.is_hidden or self.has_test(test.name)]
        verdicts = [Verdict(test.name, test.points, test.visibility, test.goal) for test in tests]
        return Result(
            lab=self.lab.name,
            title=self.lab.title,
            submission=name,
            machines=tuple(self.machines),
            tests=verdicts,
            sandbox=self.confinement.layers,
            grader=self.identity,
        )

    def has_test(self, name: str) -> bool:
        """The test's code is here: hidden ones are not in a handout."""
        return "::" in self.places([name])[0]

    def places(self, names: Sequence[str]) -> List[str]:
        """The tests as pytest wants them: FILE::FUNCTION."""
        found = []
        for file in sorted((self.lab.folder / "tests").glob("test_*.py")):
            text = file.read_text(encoding="utf-8")
            found += [f"{file}::test_{name}" for name in names if f"def test_{name}(" in text]
        return found or [str(self.lab.folder / "tests" / "none")]

    def _give_up(self, result: Result, status: str, message: str) -> None:
        """No test was run: all are lost, or, if it is our fault, open."""
        result.status, result.message = status, message
        outcome = ERROR if status == BROKEN else FAILED
        for verdict in result.tests:
            verdict.runs = [
                Run(machine, outcome, message=message)
                for machine in self.machines
                if machine in self.lab.test(verdict.name).machines
            ]

    # --- Building ----------------------------------------------------------------------------

    def _build(self, tree: Path, work: Path, result: Result) -> None:
        words = [*pristine.make_words(self.lab, self.machines), "--no-print-directory"]
        report = work / "build.report"
        done = self.confinement.run(
            words, report, writable=[tree], cwd=tree, limits=BUILD_LIMITS, timeout=1000
        )
        result.output = printable(done.stdout.decode("utf-8", "replace"))
        if done.returncode != 0:
            how = sandbox.read_report(report)
            problem = f"the build {how}" if how.why != "exit" else "it does not compile"
            raise Unbuildable(problem, result.output)
        for machine in self.machines:
            kernel = pristine.kernels_of(tree, self.lab) / machine / "duet"
            if kernel.parent.resolve() != kernel.parent:
                raise Unbuildable("what the build left is no kernel", result.output)
            take_kernel(kernel, work / "kernels" / machine / "duet")

    # --- Testing -----------------------------------------------------------------------------

    def _run_tests(self, result: Result, tree: Path, kernels: Path, work: Path) -> None:
        image = images.copy(self.image, work / "root.img")
        os.chmod(image, 0o644)
        bench = _Bench(self, tree, kernels, image, work, result.challenge)
        for machine in self.machines:
            wanted = [v.name for v in result.tests if machine in self.lab.test(v.name).machines]
            if not wanted:
                continue
            runs = bench.settle(machine, wanted)
            for verdict in result.tests:
                if verdict.name in runs:
                    verdict.runs.append(runs[verdict.name])


def why_broken(problem: Exception) -> str:
    return f"the grader failed: {type(problem).__name__}: {problem}"


class Unbuildable(Exception):
    """The student's files do not compile."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


@dataclass
class _Bench:
    """One submission's kernels, ready to be tested."""

    judge: Judge
    tree: Path
    kernels: Path
    image: Path
    work: Path
    challenge: str
    patience: float = 1.0

    def settle(self, machine: str, names: Sequence[str]) -> Dict[str, Run]:
        """Run the tests until each has a verdict that stands.

        A hang costs a lot of time. So the first attempt waits less long than it should; what
        hung then is confirmed with more patience, and if there is much of it, by the first two.
        """
        host = self._calibrate(machine)
        self.patience = host * FIRST_PATIENCE
        spared: Dict[str, Run] = {}  # of those that hung: not run again yet
        settled: Dict[str, Run] = {}
        failed: Dict[str, Run] = {}
        pending = list(names)
        for attempt in range(1, ATTEMPTS + 1):
            found = self._pytest(machine, pending, attempt)
            if any(run.status == FAILED for run in found.values()):
                if not self._is_host_fit(machine):
                    found = {name: _as_error(run) for name, run in found.items()}
            again = []
            for name, run in found.items():
                run.attempts = attempt
                if run.status == FAILED and name not in failed:
                    failed[name] = run  # to be confirmed
                    again.append(name)
                elif run.status == ERROR and attempt < ATTEMPTS:
                    again.append(name)
                else:
                    run.is_unstable = run.status == PASSED and name in failed
                    settled[name] = run
            pending = again
            self.patience = host * 2 ** (attempt - 1)
            hung = [name for name in pending if is_hang(found[name])]
            if attempt == 1 and len(hung) > 2:
                spared = {name: found[name] for name in hung[2:]}
                pending = [name for name in pending if name not in spared]
            elif spared:
                if any(run.status == PASSED for run in found.values()):
                    pending += list(spared)  # this host was only slow
                else:
                    settled.update(spared)
                spared = {}
            if not pending:
                break
        for name in pending:  # failed in the last attempt only, after errors
            settled[name] = failed[name]
        return settled

    def _calibrate(self, machine: str) -> float:
        """How much slower than a quiet host this one is, at least 1."""
        started = time.monotonic()
        if not self._is_host_fit(machine):
            return PATIENCE_MAX
        slowness = (time.monotonic() - started) / NOMINAL_BOOT[machine]
        return min(PATIENCE_MAX, max(1.0, slowness))

    def _is_host_fit(self, machine: str) -> bool:
        """The reference boots here, in the same confinement. Without one, as in a handout, there is
        nothing to compare with."""
        base = self.judge.pristine
        source = base.reference / machine / "duet" if base is not None else None
        if source is None or not source.is_file():
            return True
        kernel = self.work / "reference" / machine / "duet"
        if not kernel.is_file():
            take_kernel(source, kernel)
        setup = Setup(machine, self.image, command="true", cpus=1, memory="32M", seed=1)
        confinement = self.judge.confinement if self.judge.confinement.layers else None
        setup = setup.with_(build=self.work / "reference", confinement=confinement)
        outcome = run(setup, timeout=300.0)
        return outcome.ended and outcome.status == 0

    def _pytest(self, machine: str, names: Sequence[str], attempt: int) -> Dict[str, Run]:
        """Run these tests once. Each gets a run, even if pytest itself dies."""
        judge, lines = self.judge, self.work / "results.jsonl"
        lines.unlink(missing_ok=True)
        lab, root = judge.lab, judge.root
        words = [sys.executable, "-m", "pytest", "-q", "-p", "grader.labtest", "-p", "no:xdist"]
        # Images lie there, which the sandbox's user must reach: below the folder for machines.
        words += ["--basetemp", str(self.work / "machines" / "pytest")]
        words += ["-c", str(root / "grader" / "pytest.ini")]
        words += ["--rootdir", str(lab.folder)]  # without, files outside of it have no names
        words += ["--duet-tree", str(self.tree), "--duet-build", str(self.kernels)]
        words += ["--duet-image", str(self.image), "--duet-machine", machine]
        words += ["--duet-patience", f"{self.patience:.2f}"]
        words += ["--duet-results", str(lines)]
        words += judge.places(names)
        log = self.work / "pytest.log"
        with open(log, "wb") as output:
            with subprocess.Popen(
                words,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._pytest_environment(),
                preexec_fn=die_with_parent,
            ) as process:
                said: Dict[str, Run] = {}
                is_last = is_late = False
                deadline = time.monotonic() + TEST_SECONDS * max(1.0, self.patience) * len(names)
                while not is_last:
                    if time.monotonic() > deadline:
                        is_late = True
                        process.kill()
                    try:
                        process.wait(0.1)
                        is_last = True
                    except subprocess.TimeoutExpired:
                        pass
                    for name, run in read_lines(lines, machine):
                        if name in names and name not in said:
                            said[name] = run
                            judge.progress(name, run, attempt)
        found = said
        for place in judge.places(names):
            name = place.rpartition("::test_")[2]
            if is_late and name in names and name not in found:
                found[name] = Run(machine, FAILED, message="the test did not come to its end")
                is_late = False  # those behind it have not begun
        for name in names:
            if name not in found:
                text = read_text(log)[-2000:]
                found[name] = Run(machine, ERROR, message="the test did not run", trace=text)
        return found

    def _pytest_environment(self) -> Dict[str, str]:
        limits = self.judge.lab.limits
        allowed = sandbox.Limits(
            memory=size_in_bytes(limits.host_memory),
            data=3 << 30,
            processes=limits.processes,
            file_size=size_in_bytes(limits.file_size),
            disk=size_in_bytes(limits.output) + (256 << 20),
            cpu=limits.seconds * self.patience,
            seconds=20 * limits.seconds * self.patience,
        )
        return {
            **{name: text for name, text in os.environ.items() if not name.startswith("MAKE")},
            "DUET_SANDBOX": sandbox_name(self.judge.confinement),
            "DUET_LIMITS": json.dumps(asdict(allowed)),
            "DUET_CHALLENGE": self.challenge,  # a command line can be read by others
            "TMPDIR": str(self.work / "machines"),
        }


def is_hang(run: Run) -> bool:
    """The test's plugin says so of a machine that was silent for too long."""
    return run.status == FAILED and "silence" in run.got


def _as_error(run: Run) -> Run:
    if run.status != FAILED:
        return run
    return replace(run, status=ERROR, message="the host is in trouble; " + run.message)


def read_lines(path: Path, machine: str) -> Iterator["tuple[str, Run]"]:
    """The runs that the plugin of the labs' tests wrote: a JSON object a line."""
    statuses = {"passed": PASSED, "failed": FAILED}
    texts = ("message", "expected", "got", "hint", "trace", "replay", "replay_gdb", "suspicious")
    for line in read_text(path).splitlines():
        try:
            table = json.loads(line)
            found = Run(machine, statuses.get(table["outcome"], ERROR))
            found.seconds, found.points = table.get("seconds", 0.0), table.get("points", 0)
            for text in texts:
                setattr(found, text, printable(str(table.get(text, ""))))
            yield table["test"], found
        except (ValueError, KeyError, TypeError):
            continue  # cut off in the middle: that test has no result


def printable(text: str, limit: int = 20_000) -> str:
    """For people: no control characters, and no more than they read."""
    clean = "".join(char if char in "\n\t" or char.isprintable() else "?" for char in text)
    return clean if len(clean) <= limit else clean[:limit] + "\n[cut off here]"


def take_kernel(source: Path, target: Path) -> None:
    """Copy a kernel that may be something else: no link, no device, nothing huge."""
    target.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(file, "rb") as stream:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > KERNEL_MAX:
            raise Unbuildable("what the build left is no kernel", "")
        target.write_bytes(stream.read(KERNEL_MAX))
    os.chmod(target, 0o755)


def sandbox_name(confinement: sandbox.Confinement) -> str:
    """The choice that leads to this confinement."""
    names = [name for name, layers in sandbox.choices() if layers == confinement.layers]
    return names[0] if names else "none"


class workspace:
    """A folder for one submission. Others may pass through it, which the sandbox's user must, and
    see only what they know the name of."""

    def __init__(self, parent: Optional[Path] = None) -> None:
        self.parent = parent

    def __enter__(self) -> Path:
        self.path = Path(tempfile.mkdtemp(prefix="duet-grade-", dir=self.parent)).resolve()
        os.chmod(self.path, 0o711)
        (self.path / "machines").mkdir(mode=0o711)
        return self.path

    def __exit__(self, *_: object) -> None:
        remove(self.path)


def grader_identity(judge: Judge) -> str:
    """A hash of all that a verdict depends on, but for the submission."""
    total = hashlib.sha256()
    lab = judge.lab
    files: List[Path] = sorted((judge.root / "grader").glob("*.py"))
    files += sorted(file for file in (lab.folder / "tests").rglob("*.py"))
    files += [lab.folder / "lab.toml", judge.image]
    for file in files:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    base = judge.pristine.key if judge.pristine is not None else ""
    words = [base, *judge.machines, *judge.only, judge.key.hex(), *judge.confinement.layers]
    total.update(" ".join(words).encode())
    return total.hexdigest()[:16]
