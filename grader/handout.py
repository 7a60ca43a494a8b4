"""`make handout LAB=cow TO=dir`: what students of a lab get, as a git repository of its own.

It is this tree as it stands, minus that lab's solution, and minus everything that is no student's
business: the other labs, hidden tests, mutants, notes, the project's own tests, and what only
staff need for grading a class. Solutions are stripped by unifdef(1): in the lab's own
`#if SOL_NAME` the skeleton is left, in the other labs' the solution, so every lab stands alone.
Between lines with `{staff` and `staff}` makefiles have what does not work in a handout.
"""

from __future__ import annotations

import argparse
import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Set

from grader import lab as labs

ROOT = Path(__file__).resolve().parents[1]

# What never goes into a handout; what lies in labs/ has rules of its own.
STAFF_ONLY = (
    ".ci/*",
    "grader/tests/*",
    "grader/handout.py",
    "grader/lint.py",
    "grader/bench.py",
    "grader/bench_grader.py",
    "grader/programs.py",
    "grader/oracle.c",
    "grader/batch.py",
    "grader/regrade.py",
    "grader/html_report.py",
    "grader/soak.py",
    "grader/package*",
    "grader/check_grader.py",
    "grader/check_table.py",
    "user/bench/*",
    "user/tests/foreign/*",
    "docs/instructor.md",
    "docs/write-a-lab.md",
    "kern/solutions.h",
)

LABS_MK = """\
# This tree is the handout of lab {name}: LAB.md.

LAB := {name}
-include labs/{name}/lab.mk
"""

README_START = """\
> This tree is a lab, *{title}*: read [LAB.md](LAB.md). `make grade` runs its tests.

"""

INCLUDE = re.compile(r'^#include "kern/solutions.h"\n', re.MULTILINE)
STAFF_PART = re.compile(r"^#[^\n]*\{staff\n.*?^#[^\n]*staff\}\n", re.MULTILINE | re.DOTALL)
SYMBOL = re.compile(r"^\s*#\s*if\s+(SOL_\w+)", re.MULTILINE)


class HandoutError(Exception):
    """What is in the way, in a sentence for people."""


def tree_files() -> List[Path]:
    """The files of the tree, relative to its root: what git knows."""
    command = ["git", "ls-files", "-z", "--cached"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise HandoutError("a handout is made from a git repository: what is not in it, stays out")
    files = (Path(name) for name in done.stdout.split("\0") if name)
    return sorted(file for file in files if (ROOT / file).is_file())


def is_wanted(file: Path, lab: labs.Lab) -> bool:
    """Whether students of the lab get this file."""
    name = str(file)
    if file.parts[0] != "labs":
        return not any(fnmatch.fnmatch(name, pattern) for pattern in STAFF_ONLY)
    if file.parts[1] != lab.name:
        return False
    inside = "/".join(file.parts[2:])
    allowed = ("handout.md", "lab.toml", "lab.mk", "tests/test_public.py")
    return inside in allowed or inside.startswith(("public/", "kernel/"))


def solution_symbols(files: List[Path]) -> Set[str]:
    sources = (file for file in files if file.suffix in (".c", ".h", ".S"))
    return {name for file in sources for name in SYMBOL.findall((ROOT / file).read_text())}


def strip_solutions(text: str, symbols: Dict[str, bool]) -> str:
    """The text with these symbols decided; nothing else changes."""
    if shutil.which("unifdef") is None:
        raise HandoutError("unifdef is not installed: apt-get install unifdef")
    defines = [f"-D{name}={int(is_there)}" for name, is_there in sorted(symbols.items())]
    done = subprocess.run(["unifdef", *defines], input=text, stdout=subprocess.PIPE, text=True)
    if done.returncode > 1:
        raise HandoutError("unifdef fails")
    return INCLUDE.sub("", done.stdout)


def public_lab_toml(text: str, lab: labs.Lab) -> str:
    """lab.toml without the tests that are hidden; the tables are in the order of lab.tests."""
    head, *tables = re.split(r"^(?=[ \t]*\[\[\s*test\s*\]\])", text, flags=re.MULTILINE)
    if len(tables) != len(lab.tests):
        raise HandoutError("lab.toml: each [[test]] must begin a line of its own")
    shown = [table for table, test in zip(tables, lab.tests) if not test.is_hidden]
    public = head + "".join(shown)
    names = set(re.findall(r"""^\s*name\s*=\s*["'](\w+)""", public, re.MULTILINE))
    if names != {test.name for test in lab.tests if not test.is_hidden}:
        raise HandoutError("lab.toml: it cannot be told which tests are hidden")
    return public


def contents(file: Path, lab: labs.Lab, symbols: Dict[str, bool]) -> bytes:
    data = (ROOT / file).read_bytes()
    if file.suffix in (".c", ".h", ".S") and b"SOL_" in data:
        return strip_solutions(data.decode(), symbols).encode()
    if file.name == "lab.toml":
        return public_lab_toml(data.decode(), lab).encode()
    if file == Path("README.md"):
        return README_START.format(title=lab.title).encode() + data
    if file.suffix == ".mk" or file.name == "Makefile":
        return STAFF_PART.sub("", data.decode()).encode()
    return data


def write_handout(lab: labs.Lab, target: Path) -> None:
    files = tree_files()
    symbols = {name: name != lab.symbol for name in solution_symbols(files)}
    if lab.symbol not in symbols:
        raise HandoutError(f"no file has `#if {lab.symbol}`: what should be left out?")
    for file in files:
        if is_wanted(file, lab):
            place = target / file
            place.parent.mkdir(parents=True, exist_ok=True)
            data = contents(file, lab, symbols)
            place.write_bytes(data)
            shutil.copymode(ROOT / file, place)
            if data == (ROOT / file).read_bytes():
                shutil.copystat(ROOT / file, place)  # what was built of it stays good
    (target / "labs" / "labs.mk").write_text(LABS_MK.format(name=lab.name))
    shutil.copy(lab.folder / "handout.md", target / "LAB.md")


def make_repository(lab: labs.Lab, target: Path) -> None:
    """One commit, so that nothing of this tree's history is in it."""
    author = ["-c", "user.name=Duet", "-c", "user.email=duet@localhost"]
    for words in (
        ["init", "-q"],
        ["add", "-A", "-f"],
        [*author, "-c", "commit.gpgsign=false", "commit", "-q", "-m", f"Lab: {lab.title}"],
    ):
        subprocess.run(["git", *words], cwd=target, check=True)


def solution_lines(lab: labs.Lab) -> Iterator[str]:
    """The lines of code of the lab's solution that stand nowhere else in the tree."""
    only: List[str] = []
    elsewhere: Set[str] = set()
    for file in tree_files():
        if file.suffix not in (".c", ".h", ".S"):
            continue
        text = (ROOT / file).read_text()
        without = strip_solutions(text, {lab.symbol: False}) if lab.symbol in text else text
        elsewhere.update(line.strip() for line in without.splitlines())
        if lab.symbol in text:
            only += strip_solutions(text, {lab.symbol: True}).splitlines()
    for line in only:
        if line.strip() not in elsewhere and len(line.strip()) > 3:
            yield line.strip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="handout", description=__doc__)
    parser.add_argument("lab")
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    try:
        if options.target.exists() and any(options.target.iterdir()):
            raise HandoutError(f"{options.target}: is there already, and not empty")
        lab = labs.load(options.lab)
        write_handout(lab, options.target)
        make_repository(lab, options.target)
    except (HandoutError, labs.LabError) as error:
        print(f"handout: {error}", file=sys.stderr)
        return 1
    print(f"The handout of lab {lab.name} is in {options.target}: a git repository; see LAB.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
