"""`make grade`: judge one submission, or the tree in which somebody works, and tell about it.

Shows each test as it ends, then for what is lost what was expected, what came, and the commands
that replay it; then the points. The exit status is 0 with all points, 1 with fewer, 2 for a wrong
use, and 3 if the infrastructure failed, in which case the points are not final.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import textwrap
from pathlib import Path
from typing import Callable, List, Optional, Sequence

from grader import pristine, sandbox, writers
from grader.judge import Judge, Unbuildable
from grader.lab import ROOT, Lab, LabError, load
from grader.machine import MACHINES
from grader.result import ERROR, FAILED, GRADED, PASSED, Result, Run, Verdict, points_text

Print = Callable[[str], None]

ALL_POINTS, POINTS_LOST, WRONG_USE, NOT_FINAL = 0, 1, 2, 3


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="grader grade", description=__doc__)
    parser.add_argument("--lab", required=True)
    parser.add_argument("--machine", default="vkernel", help="vkernel, x86_64, or both")
    parser.add_argument("--submission", default="", help="a folder, an archive or a repository")
    parser.add_argument("--build", type=Path, help="judge the kernels that are there")
    parser.add_argument("--image", type=Path, default=Path("build/root.img"))
    parser.add_argument("--cache", type=Path, default=Path("build/grade"))
    parser.add_argument("--only", default="", help="names of tests")
    parser.add_argument("--challenge", default="", help="as printed by another run")
    parser.add_argument("--json", type=Path, help="write the whole result to this file")
    parser.add_argument("--prepare", action="store_true", help="only build what all share")
    parser.add_argument("--quiet", action="store_true", help="no report for people")
    parser.add_argument(
        "--write", action="append", default=[], metavar="FORMAT:FILE", help=", ".join(writers.ALL)
    )
    return parser.parse_args(words)


def machines_of(text: str) -> List[str]:
    """vkernel, x86_64, both, or both names."""
    names = list(MACHINES) if text.strip() == "both" else text.split()
    for name in names:
        if name not in MACHINES:
            raise LabError(f"{name} is no machine: vkernel, x86_64 or both")
    return names


def show_progress(say: Print) -> Callable[[str, Run, int], None]:
    def show(name: str, run: Run, attempt: int) -> None:
        texts = {PASSED: "ok", FAILED: "failed", ERROR: "could not be run"}
        text = texts[run.status]
        if run.status == FAILED and attempt == 1:
            text += "; once more, to be sure"
        say(f"  {run.machine:8} {name:28} {text}")

    return show


def describe(verdict: Verdict) -> List[str]:
    """A test that did not pass: what people need to go on."""
    run = verdict.worst
    assert run is not None
    lines = [f"{verdict.name}  on {run.machine}: {verdict.goal}"]
    parts = [("expected", run.expected), ("got", run.got)]
    if not run.expected and not run.got:
        parts = [("what", run.message)]
    parts += [("hint", run.hint), ("trace", _last_lines(run.trace, 15))]
    parts += [("replay", run.replay), ("in gdb", run.replay_gdb)]
    for name, text in parts:
        if text:
            first, *rest = text.rstrip().splitlines()
            lines += [f"    {name:9} {first}", *(" " * 14 + line for line in rest)]
    if run.is_unstable:
        lines += ["    note      runs with the same seed did not agree"]
    return lines


def _last_lines(text: str, count: int) -> str:
    lines = text.rstrip().splitlines()
    return "\n".join(lines if len(lines) <= count else ["...", *lines[-count:]])


def report(result: Result, lab: Lab, again: str) -> List[str]:
    """The whole result, for people."""
    lines: List[str] = []
    if result.status != GRADED:
        lines += [f"{result.submission}: {result.message}"]
        lines += textwrap.indent(_last_lines(result.output, 40), "    ").splitlines()
    elif result.message:
        lines += ["", f"{result.submission}: {result.message}"]
    if result.status == GRADED:
        for verdict in result.tests:
            if verdict.status != PASSED:
                lines += ["", *describe(verdict)]
    lines += [""]
    for verdict in result.tests:
        points = f"{points_text(verdict.earned):>5} of {points_text(verdict.maximum):>3}"
        marks = {PASSED: "", FAILED: "lost", ERROR: "not judged: no fault of the submission"}
        lines += [f"  {verdict.name:28} {points}  {marks[verdict.status]}".rstrip()]
    hidden = 0 if "ONLY=" in again else lab.points - result.maximum
    total = f"{points_text(result.earned)} of {points_text(result.maximum)} points"
    lines += ["", f"{lab.title}: {total} on {' and '.join(result.machines)}"]
    if hidden > 0:
        lines += [f"Hidden tests, which are not here, are worth {points_text(hidden)} more."]
    if not result.is_final:
        lines += ["This is not final: the infrastructure failed. Grade it again."]
    lines += [f"{flag}" for flag in (f"For staff: {flag}" for flag in result.flags)]
    lines += [f"confined by: {', '.join(result.sandbox) or 'nothing (DUET_SANDBOX=none)'}"]
    lines += [f"the same again: {again} CHALLENGE={result.challenge}"] if result.challenge else []
    return lines


def exit_status(result: Result) -> int:
    if not result.is_final:
        return NOT_FINAL
    return ALL_POINTS if result.earned >= result.maximum else POINTS_LOST


def course_key() -> bytes:
    """The course's secret, from which challenges follow; empty for students."""
    path = os.environ.get("DUET_KEY_FILE")
    return Path(path).read_bytes().strip() if path else b""


def again_command(options: argparse.Namespace) -> str:
    words = ["make", "grade", f"LAB={options.lab}"]
    if options.machine != "vkernel":
        words += [f"MACHINE={'both' if len(machines_of(options.machine)) > 1 else options.machine}"]
    if options.submission:
        words += [f"SUBMISSION={options.submission}"]
    if options.only:
        words += [f"ONLY={options.only}"]
    return " ".join(map(shlex.quote, words))


def make_judge(options: argparse.Namespace, lab: Lab, say: Print) -> Judge:
    machines = [name for name in machines_of(options.machine) if name in lab.machines]
    is_trusted = bool(os.environ.get("DUET_SANDBOX")) or not options.submission
    confinement = sandbox.Confinement.for_submissions(is_trusted)
    base: Optional[pristine.Pristine] = None
    if options.submission:
        base = pristine.prepare(ROOT, lab, machines, options.cache.resolve())
    only = options.only.split()
    for name in only:
        if name not in [test.name for test in lab.tests]:
            raise LabError(f"lab {lab.name} has no test {name!r}")
    return Judge(
        lab=lab,
        machines=machines,
        image=options.image.resolve(),
        confinement=confinement,
        key=course_key(),
        only=only,
        progress=show_progress(say),
        pristine=base,
    )


def write_all(result: Result, options: argparse.Namespace) -> None:
    if options.json:
        result.save(options.json)
    for word in options.write:
        name, _, path = word.partition(":")
        if name not in writers.ALL or not path:
            raise LabError(f"--write {word}: must be FORMAT:FILE, of {', '.join(writers.ALL)}")
        writers.write(name, result, Path(path))


def main(words: Sequence[str]) -> int:
    options = parse_arguments(words)

    def say(line: str) -> None:
        if not options.quiet:
            print(line, flush=True)

    try:
        lab = load(options.lab)
        if options.prepare:
            machines = [name for name in machines_of(options.machine) if name in lab.machines]
            pristine.prepare(ROOT, lab, machines, options.cache.resolve())
            return ALL_POINTS
        judge = make_judge(options, lab, say)
        challenge = options.challenge or None
        if options.submission:
            result = judge.submission(Path(options.submission), challenge)
        elif options.build:
            result = judge.in_place(ROOT.name, options.build.resolve(), challenge)
        else:
            raise LabError("say --submission PATH or --build FOLDER")
        write_all(result, options)
    except (LabError, pristine.PristineError, sandbox.SandboxError, Unbuildable) as error:
        print(f"grade: {error}", file=sys.stderr)
        return WRONG_USE
    for line in report(result, lab, again_command(options)):
        say(line)
    return exit_status(result)
