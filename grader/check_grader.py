"""`make check-grader LAB=NAME`: the grader is graded.

The reference must get all points, for several challenges, and the skeleton those that lab.toml
promises it. Every mutant of labs/NAME/mutants, a mistake that students make, must lose exactly the
tests that it names.
Every attack of labs/attacks must earn no more than the skeleton from which it starts, must not
pass for an error of the infrastructure, and must change and leave behind nothing. All that, on
each machine. Prints a table, in Markdown, and complaints; any complaint is a failure.

What became of a case is kept in build/check-grader/LAB/MACHINE/. With --resume a case is not judged
again if neither it nor the grader has changed since; grader/check_table.py makes the table of
docs/instructor.md of it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Set

from grader import pristine, sandbox
from grader.grade import machines_of
from grader.judge import Judge
from grader.lab import ROOT, Lab, LabError, load
from grader.machine import die_with_parent
from grader.processes import processes_with
from grader.result import FAILED, GRADED, Result, from_json, points_text

Texts = Dict[str, bytes]
ATTACKS = ROOT / "labs" / "attacks"
REFERENCES = 3  # times the reference is judged
KEPT = ROOT / "build" / "check-grader"

# What attacks try to write.
HARM = [Path(folder) / "duet-attack" for folder in ("/tmp", "/var/tmp", "/dev/shm", "/usr", "/")]


@dataclass
class Case:
    """A submission of which we know what must become of it."""

    name: str
    kind: str  # reference, skeleton, mutant, attack
    why: str
    make: Callable[[Path], Path]  # writes it and returns what is handed in
    recipe: str = ""  # a hash of what it is made of
    loses: Dict[str, Set[str]] = field(default_factory=dict)  # machine: tests; exact
    at_most: Optional[float] = None  # points
    status: str = "graded"
    results: Dict[str, Result] = field(default_factory=dict)
    complaints: List[str] = field(default_factory=list)


def recipe(texts: Texts, *more: bytes) -> str:
    total = hashlib.sha256(repr(sorted(texts.items())).encode())
    for text in more:
        total.update(hashlib.sha256(text).digest())
    return total.hexdigest()[:12]


def write(folder: Path, texts: Texts) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    return folder


def headers(text: str) -> Dict[str, str]:
    """`key: value` lines on top of a patch, or in the comment on top of a C file. A line that
    begins with a blank, or with the comment's star and is no key, continues the one before."""
    found: Dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if line.startswith(("diff ", "--- ", "#include")) or line.strip() == "*/":
            break
        bare = re.sub(r"^\s*(/\*|\*|#)?\s*", "", line)
        match = re.match(r"(why|loses|loses on \w+):\s*(.*)", bare)
        if match:
            last = match.group(1)
            found[last] = match.group(2).strip()
        elif last and bare:
            found[last] += " " + bare.strip()
    return found


def patched(patch: Path, folder: Path, reference: Texts) -> Path:
    write(folder, reference)
    done = subprocess.run(
        ["patch", "-p1", "-s", "--no-backup-if-mismatch", "-i", str(patch)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise LabError(f"{patch}: does not apply: {done.stdout.strip()}")
    return folder


def mutants(lab: Lab, reference: Texts) -> List[Case]:
    found = []
    for patch in sorted((lab.folder / "mutants").glob("*.patch")):
        text = patch.read_text(encoding="utf-8")
        head = headers(text)
        if "loses" not in head and not any(key.startswith("loses on") for key in head):
            raise LabError(f"{patch}: no line `loses: TEST ...` on top")
        loses = {}
        for machine in lab.machines:
            words = head.get(f"loses on {machine}", head.get("loses", ""))
            loses[machine] = {word.replace("test_", "", 1) for word in words.split()}
            for name in loses[machine]:
                if name not in [test.name for test in lab.tests]:
                    raise LabError(f"{patch}: there is no test {name!r}")

        def make(folder: Path, patch: Path = patch) -> Path:
            return patched(patch, folder, reference)

        change = text[text.index("\n--- ") :].encode()
        made_of = recipe(reference, change)
        found.append(Case(patch.stem, "mutant", head.get("why", ""), make, made_of, loses))
    return found


def attacks(lab: Lab, skeleton: Texts) -> List[Case]:
    """The hostile kernels, each put behind the skeleton of the lab's first file; and what
    handed_in.py makes."""
    host = (ATTACKS / "host_call.h").read_bytes().replace(b"#pragma once", b"")
    target = lab.files[0]
    found = []
    for file in sorted(ATTACKS.glob("*.c")):
        text = file.read_bytes()
        body = host + text.replace(b'#include "host_call.h"', b"")

        def make(folder: Path, body: bytes = body) -> Path:
            return write(folder, {**skeleton, target: skeleton[target] + b"\n" + body})

        why = headers(text.decode()).get("why", "")
        made_of = recipe(skeleton, body)
        found.append(Case(file.stem, "attack", why, make, made_of, at_most=lab.base))
    made_of = recipe(skeleton, (ATTACKS / "handed_in.py").read_bytes())
    specification = importlib.util.spec_from_file_location("handed_in", ATTACKS / "handed_in.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    for name, (function, status) in module.ATTACKS.items():

        def hand_in(folder: Path, function: Callable[[Path, Texts], Path] = function) -> Path:
            return function(folder, skeleton)

        why = (function.__doc__ or "").strip()
        found.append(
            Case(name, "attack", why, hand_in, made_of, at_most=lab.base, status=status)
        )
    return found


def reference_case(lab: Lab, reference: Texts, number: int) -> Case:
    """The solution, which is right for every challenge; a comment makes another one."""
    texts = dict(reference)
    texts[lab.files[0]] += f"/* {number} */\n".encode() * (number > 1)
    name = "reference" + f"-{number}" * (number > 1)
    why = "another challenge" if number > 1 else ""
    nothing: Dict[str, Set[str]] = {machine: set() for machine in lab.machines}
    return Case(name, "reference", why, lambda f: write(f, texts), recipe(texts), nothing)


def all_cases(lab: Lab) -> List[Case]:
    reference = {name: (ROOT / name).read_bytes() for name in lab.files}
    skeleton = {name: pristine.skeleton_text(ROOT, lab, name) for name in lab.files}
    references = [reference_case(lab, reference, number) for number in range(1, REFERENCES + 1)]
    second = Case("skeleton", "skeleton", "", lambda f: write(f, skeleton), recipe(skeleton))
    return [*references, second, *mutants(lab, reference), *attacks(lab, skeleton)]


def lost(result: Result) -> Set[str]:
    return {verdict.name for verdict in result.tests if verdict.status == FAILED}


def chosen(case: Case, patterns: Sequence[str]) -> bool:
    """Patterns as the shell's, of names or of kinds; all if there are none."""
    names = (case.name, case.kind)
    return not patterns or any(fnmatch(name, pattern) for pattern in patterns for name in names)


def kept_file(lab: Lab, machine: str, case: Case) -> Path:
    return KEPT / lab.name / machine / f"{case.kind}-{case.name}-{case.recipe}.json"


def kept(lab: Lab, machine: str, case: Case) -> Optional[Result]:
    """What became of it the last time, if it was judged as it is now."""
    try:
        return from_json(kept_file(lab, machine, case).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def judge_case(case: Case, judge: Judge, folder: Path) -> Result:
    """Judge it on one machine, and compare with what must be."""
    (machine,) = judge.machines
    target = folder / machine / case.name
    target.mkdir(parents=True)
    result = judge.submission(case.make(target))
    compare(case, machine, result, judge.lab)
    return result


def compare(case: Case, machine: str, result: Result, lab: Lab) -> None:
    case.results[machine] = result

    def complain(text: str) -> None:
        case.complaints.append(f"{case.kind} {case.name} on {machine}: {text}")

    if not result.is_final:
        names = [verdict.name for verdict in result.tests if verdict.status == "error"]
        complain(f"passes for an error of the infrastructure: {result.message} {names}")
    if result.status != case.status:
        complain(f"is {result.status} ({result.message}), not {case.status}: {result.output}")
    if machine in case.loses and lost(result) != case.loses[machine]:
        more = sorted(lost(result) - case.loses[machine])
        less = sorted(case.loses[machine] - lost(result))
        complain(f"loses also {more}, and does not lose {less}")
    if case.kind == "skeleton" and result.earned != lab.base:
        complain(f"earns {result.earned}; lab.toml says base = {lab.base}")
    if case.at_most is not None and result.earned > case.at_most:
        complain(f"earns {result.earned}; without the attack it is {case.at_most}")


def fingerprint(folders: Sequence[Path]) -> str:
    """Of all that no submission may change."""
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path}\0".encode() + path.read_bytes())
    return total.hexdigest()


def outcome_text(result: Result, lab: Lab) -> str:
    """What it lost, or why it was not judged."""
    if result.status != GRADED:
        return f"{result.status}: {result.message.splitlines()[0]}"
    missing = sorted(lost(result))
    return ", ".join(missing) if len(missing) < len(lab.tests) else "all"


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def table(cases: Sequence[Case], lab: Lab, machines: Sequence[str]) -> List[str]:
    head = ["submission", "what it does", *machines, "loses"]
    lines = [row(head), "|" + "---|" * len(head)]
    for case in cases:
        found = [case.results.get(machine) for machine in machines]
        points = ["" if result is None else points_text(result.earned) for result in found]
        texts = [outcome_text(result, lab) for result in found if result is not None]
        same = texts[:1] if len(set(texts)) < 2 else [" / ".join(texts)]
        lines.append(row([f"{case.kind} {case.name}", case.why, *points, *(same or [""])]))
    return lines


@contextlib.contextmanager
def load_on_host(count: int) -> Iterator[None]:
    """So many processes that compute as long as they may."""
    words = [sys.executable, "-I", "-S", "-c", "while True: pass"]
    busy = [subprocess.Popen(words, preexec_fn=die_with_parent) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Wishes:
    """What is checked, and how."""

    machines: Sequence[str]
    patterns: Sequence[str] = ()
    jobs: int = 1
    resumes: bool = False
    busy: int = 0


def check(lab: Lab, wishes: Wishes) -> List[Case]:
    cases = [case for case in all_cases(lab) if chosen(case, wishes.patterns)]
    if not cases:
        raise LabError(f"no submission is called {' or '.join(wishes.patterns)}")
    machines = wishes.machines
    base = pristine.prepare(ROOT, lab, machines, ROOT / "build" / "grade")
    confinement = sandbox.Confinement.probe()
    print(f"confined by: {confinement}", file=sys.stderr)
    watched = [ROOT / "grader", ROOT / "labs", base.tree]
    before, there = fingerprint(watched), [path for path in HARM if path.exists()]
    image = ROOT / "build" / "root.img"
    with tempfile.TemporaryDirectory(prefix="duet-check-") as scratch:

        def on(machine: str, case: Case) -> None:
            judge = Judge(
                lab, [machine], image, confinement, pristine=base, workspaces=Path(scratch)
            )
            known = kept(lab, machine, case) if wishes.resumes else None
            if known is not None and known.grader == judge.identity:
                compare(case, machine, known, lab)
                return
            try:
                result = judge_case(case, judge, Path(scratch))
                result.save(kept_file(lab, machine, case))
            except LabError as error:
                case.complaints.append(str(error))

        def one(case: Case) -> None:
            for machine in machines:
                on(machine, case)
            points = [points_text(result.earned) for result in case.results.values()]
            verdict = "WRONG" if case.complaints else "as it must be"
            print(f"{case.kind:9} {case.name:32} {verdict}: {points}", file=sys.stderr, flush=True)

        with load_on_host(wishes.busy), ThreadPoolExecutor(wishes.jobs) as pool:
            list(pool.map(one, cases))
        if processes_with(scratch):
            cases[-1].complaints.append("a process of an attack is still there")
    if fingerprint(watched) != before:
        cases[-1].complaints.append("something in the tree has been changed by a submission")
    harm = [str(path) for path in HARM if path.exists() and path not in there]
    if harm:
        cases[-1].complaints.append(f"an attack wrote {harm}")
    return cases


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="grader check_grader", description=__doc__)
    parser.add_argument("--lab", required=True)
    parser.add_argument("--machine", default="both")
    parser.add_argument("--only", default="", help="names or kinds of submissions, or patterns")
    parser.add_argument("--jobs", default="", help="how many at a time (default: the processors)")
    parser.add_argument("--resume", action="store_true", help="what is known is not judged again")
    parser.add_argument("--busy", default="", help="that many processes compute meanwhile")
    options = parser.parse_args(words)
    try:
        lab = load(options.lab)
        machines = [name for name in machines_of(options.machine) if name in lab.machines]
        jobs, busy = int(options.jobs or os.cpu_count() or 1), int(options.busy or 0)
        wishes = Wishes(machines, options.only.split(), jobs, options.resume, busy)
        cases = check(lab, wishes)
    except (LabError, pristine.PristineError, sandbox.SandboxError) as error:
        print(f"check-grader: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(cases, lab, machines)))
    complaints = [complaint for case in cases for complaint in case.complaints]
    for complaint in complaints:
        print(f"check-grader: {complaint}", file=sys.stderr)
    return 1 if complaints else 0
