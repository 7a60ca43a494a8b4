"""`make check-grader LAB=NAME`: the grader is graded.

The reference must get all points, and the skeleton those that lab.toml promises it. Every mutant
of labs/NAME/mutants, a mistake that students make, must lose exactly the tests that it names.
Every attack of labs/attacks must earn no more than the skeleton from which it starts, must not
pass for an error of the infrastructure, and must change and leave behind nothing. All that, on
each machine. Prints a table, in Markdown, and complaints; any complaint is a failure.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Set

from grader import pristine, sandbox
from grader.grade import machines_of
from grader.judge import Judge
from grader.lab import ROOT, Lab, LabError, load
from grader.processes import processes_with
from grader.result import FAILED, Result, points_text

Texts = Dict[str, bytes]
ATTACKS = ROOT / "labs" / "attacks"

# What attacks try to write; and a word that is in the names of all our workspaces.
HARM = [Path(folder) / "duet-attack" for folder in ("/tmp", "/var/tmp", "/dev/shm", "/usr", "/")]
WORKSPACE = "duet-grade-"


@dataclass
class Case:
    """A submission of which we know what must become of it."""

    name: str
    kind: str  # reference, skeleton, mutant, attack
    why: str
    make: Callable[[Path], Path]  # writes it and returns what is handed in
    loses: Dict[str, Set[str]] = field(default_factory=dict)  # machine: tests; exact
    at_most: Optional[float] = None  # points
    status: str = "graded"
    results: Dict[str, Result] = field(default_factory=dict)
    complaints: List[str] = field(default_factory=list)


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
        head = headers(patch.read_text(encoding="utf-8"))
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

        found.append(Case(patch.stem, "mutant", head.get("why", ""), make, loses))
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
        found.append(Case(file.stem, "attack", why, make, at_most=lab.base))
    specification = importlib.util.spec_from_file_location("handed_in", ATTACKS / "handed_in.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    for name, (function, status) in module.ATTACKS.items():

        def hand_in(folder: Path, function: Callable[[Path, Texts], Path] = function) -> Path:
            return function(folder, skeleton)

        why = (function.__doc__ or "").strip()
        found.append(Case(name, "attack", why, hand_in, at_most=lab.base, status=status))
    return found


def all_cases(lab: Lab) -> List[Case]:
    reference = {name: (ROOT / name).read_bytes() for name in lab.files}
    skeleton = {name: pristine.skeleton_text(ROOT, lab, name) for name in lab.files}
    first = Case("reference", "reference", "", lambda f: write(f, reference))
    first.loses = {machine: set() for machine in lab.machines}
    second = Case("skeleton", "skeleton", "", lambda f: write(f, skeleton))
    return [first, second, *mutants(lab, reference), *attacks(lab, skeleton)]


def lost(result: Result) -> Set[str]:
    return {verdict.name for verdict in result.tests if verdict.status == FAILED}


def judge_case(case: Case, judge: Judge, folder: Path) -> None:
    """Judge it on one machine, and compare with what must be."""
    (machine,) = judge.machines
    target = folder / machine / case.name
    target.mkdir(parents=True)
    result = judge.submission(case.make(target))
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
    if case.kind == "skeleton" and result.earned != judge.lab.base:
        complain(f"earns {result.earned}; lab.toml says base = {judge.lab.base}")
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


def table(cases: Sequence[Case], lab: Lab, machines: Sequence[str]) -> List[str]:
    head = ["submission", "what it does", *machines, "loses"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for case in cases:
        points = []
        for machine in machines:
            result = case.results.get(machine)
            points.append("" if result is None else points_text(result.earned))
        result = case.results.get(machines[0])
        missing = sorted(lost(result)) if result is not None else []
        text = ", ".join(missing) if len(missing) < len(lab.tests) else "all"
        if result is not None and result.status != "graded":
            text = f"{result.status}: {result.message.splitlines()[0]}"
        cells = [f"{case.kind} {case.name}", case.why, *points, text]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return lines


def check(lab: Lab, machines: Sequence[str], names: Sequence[str], jobs: int) -> List[Case]:
    cases = [case for case in all_cases(lab) if not names or case.name in names]
    base = pristine.prepare(ROOT, lab, machines, ROOT / "build" / "grade")
    confinement = sandbox.Confinement.probe()
    print(f"confined by: {confinement}", file=sys.stderr)
    watched = [ROOT / "grader", ROOT / "labs", base.tree]
    before, there = fingerprint(watched), [path for path in HARM if path.exists()]
    image = ROOT / "build" / "root.img"
    with tempfile.TemporaryDirectory(prefix="duet-check-") as scratch:

        def one(case: Case) -> None:
            for machine in machines:
                judge = Judge(lab, [machine], image, confinement, pristine=base)
                try:
                    judge_case(case, judge, Path(scratch))
                except LabError as error:
                    case.complaints.append(str(error))
            points = [points_text(result.earned) for result in case.results.values()]
            verdict = "WRONG" if case.complaints else "as it must be"
            print(f"{case.kind:9} {case.name:32} {verdict}: {points}", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, cases))
    if fingerprint(watched) != before:
        cases[-1].complaints.append("something in the tree has been changed by a submission")
    harm = [str(path) for path in HARM if path.exists() and path not in there]
    if harm:
        cases[-1].complaints.append(f"an attack wrote {harm}")
    if processes_with(WORKSPACE):
        cases[-1].complaints.append("a process of an attack is still there")
    return cases


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="grader check_grader", description=__doc__)
    parser.add_argument("--lab", required=True)
    parser.add_argument("--machine", default="both")
    parser.add_argument("--only", default="", help="names of submissions")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(words)
    try:
        lab = load(options.lab)
        machines = [name for name in machines_of(options.machine) if name in lab.machines]
        cases = check(lab, machines, options.only.split(), options.jobs)
    except (LabError, pristine.PristineError, sandbox.SandboxError) as error:
        print(f"check-grader: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(cases, lab, machines)))
    complaints = [complaint for case in cases for complaint in case.complaints]
    for complaint in complaints:
        print(f"check-grader: {complaint}", file=sys.stderr)
    return 1 if complaints else 0
