"""`make lint`: the habits of docs and code that a program can check.

Each check is a function that yields complaints, `file:line: what is wrong`. The list CHECKS
is what runs; grader/tests/test_conventions.py runs each as a test.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

C_FOLDERS = ("kern", "vm", "arch", "user", "grader", "labs")
MAX_FILE_LINES = 520
MAX_COLUMNS = 100

# Small is a feature: how many lines of code each part may have. Comments and blank lines are free.
SIZE_LIMITS: Dict[str, Tuple[Tuple[str, ...], Tuple[str, ...], int]] = {
    "the core": (("kern", "vm"), ("kern/fs", "kern/abi"), 13200),
    "the file systems": (("kern/fs",), (), 6000),
    "the vkernel": (("arch/vkernel",), ("arch/vkernel/vmspace",), 2400),
    "the vmspace library": (("arch/vkernel/vmspace",), ("arch/vkernel/vmspace/example",), 3700),
    "the PC": (("arch/x86_64",), (), 3300),
}

Complaints = Iterator[str]


def files(suffixes: Tuple[str, ...], folders: Tuple[str, ...] = C_FOLDERS) -> List[Path]:
    """The files of the tree with these suffixes, relative to its root, without tests' scratch."""
    found = []
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in suffixes and path.is_file():
                found.append(path.relative_to(ROOT))
    return sorted(found)


def read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def without_comments(text: str) -> str:
    """C text with comments and strings blanked; line numbers stay."""

    def blank(match: "re.Match[str]") -> str:
        return re.sub(r"[^\n]", " ", match.group(0))

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.DOTALL)


def without_skeletons(text: str) -> str:
    """C text with the solutions of the labs only (kern/solutions.h)."""
    return re.sub(r"(?ms)^#if SOL_\w+\n(.*?)^#else\n.*?^#endif\n", r"\1", text)


def numbered(text: str) -> Iterator[Tuple[int, str]]:
    return enumerate(text.splitlines(), 1)


def check_format() -> Complaints:
    """clang-format has nothing to change."""
    if shutil.which("clang-format") is None:
        return
    names = [str(path) for path in files((".c", ".h"))]
    done = subprocess.run(
        ["clang-format", "--dry-run", "--Werror", *names],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if ": error" in line]
        wrong = sorted({line.split(": error")[0] for line in errors})
        yield from (f"{place}: clang-format would change this" for place in wrong)


def check_machine_independence() -> Complaints:
    """kern/ and vm/ name no machine and reach none but through <machine/...>."""
    code = re.compile(
        r"\b(vkernel|x86|x86_64|amd64|qemu|__\w*(?:x86|linux|vkernel)\w*|asm|__asm__)\b", re.I
    )
    include = re.compile(r'#\s*include\s*["<](arch/|\.\./|sys/|linux/)')
    prose = re.compile(r"\b(vkernel|qemu)\b", re.I)
    for path in files((".c", ".h"), ("kern", "vm")):
        if path.parts[:2] == ("kern", "abi") or "test" in path.parts:
            continue
        text = read(path)
        bare = without_comments(text)
        for (number, line), code_line in zip(numbered(text), bare.splitlines()):
            if code.search(code_line) or include.search(line) or prose.search(line):
                yield f"{path}:{number}: names a machine: {line.strip()}"


def check_length() -> Complaints:
    """A file fits one sitting."""
    for path in files((".c", ".h", ".S", ".py", ".sh", ".mk")):
        lines = read(path).count("\n")
        if lines > MAX_FILE_LINES:
            yield f"{path}:1: {lines} lines; split it by subject"


def check_size() -> Complaints:
    """The parts stay within their limits."""
    for name, (folders, without, limit) in SIZE_LIMITS.items():
        total = 0
        for path in files((".c", ".h", ".S"), folders):
            apart = {"test", "example"} & set(path.parts)
            if apart or any(str(path).startswith(w + "/") for w in without):
                continue
            code = without_skeletons(without_comments(read(path)))
            total += sum(1 for line in code.splitlines() if line.strip())
        if total > limit:
            yield f"{folders[0]}:1: {name}: {total} lines of code, {limit} allowed"


def check_solutions() -> Complaints:
    """A solution of a lab is known to its lab.toml, has a skeleton, and nothing nested in it."""
    for path in files((".c", ".h"), ("kern", "vm", "arch")):
        text = read(path)
        if not re.search(r"^#if SOL_", text, re.MULTILINE):
            continue
        if '#include "kern/solutions.h"' not in text:
            yield f"{path}:1: has solutions, and does not include kern/solutions.h"
        depth, has_else = 0, True
        for number, line in numbered(text):
            opening = re.match(r"#if SOL_(\w+)$", line)
            if opening:
                toml = Path("labs") / opening.group(1).lower() / "lab.toml"
                if not (ROOT / toml).exists() or f'"{path}"' not in read(toml):
                    yield f"{path}:{number}: {toml} does not name this file"
                depth, has_else = 1, False
            elif depth > 0 and re.match(r"#\s*if", line):
                depth += 1
            elif depth == 1 and line == "#else":
                has_else = True
            elif depth > 0 and re.match(r"#\s*endif", line):
                depth -= 1
                if depth == 0 and not has_else:
                    yield f"{path}:{number}: a solution without a skeleton behind #else"
                    has_else = True


def check_text() -> Complaints:
    """Line length, white space, no notes to oneself, a theory comment on top."""
    suffixes = (".c", ".h", ".S", ".py", ".sh", ".mk", ".awk", ".ld")
    note = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    for path in files(suffixes):
        text = read(path)
        for number, line in numbered(text):
            is_list = path.suffix == ".mk" or line.startswith("/* unit:")
            if len(line) > MAX_COLUMNS and not is_list:
                yield f"{path}:{number}: {len(line)} columns, {MAX_COLUMNS} allowed"
            if line != line.rstrip():
                yield f"{path}:{number}: white space at the end"
            if "\t" in line and path.suffix != ".mk":
                yield f"{path}:{number}: a tab"
            if note.search(line):
                yield f"{path}:{number}: a note to oneself: {line.strip()}"
        if text and not text.endswith("\n"):
            yield f"{path}:1: no newline at the end"
        if path.suffix in (".c", ".h") and not text.startswith("/*"):
            yield f"{path}:1: no comment on top that says what the file is for"
        if path.suffix == ".h" and "#pragma once" not in text and "_table" not in path.name:
            yield f"{path}:1: no #pragma once"


def check_docs() -> Complaints:
    """Files and tests that the documents name exist."""
    folders, suffixes = "kern|vm|arch|user|grader|docs|labs", "[chS]|py|sh|mk|md|ld"
    place = re.compile(rf"\b((?:{folders})/[\w./-]*\.(?:{suffixes}))\b")
    link = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    test = re.compile(r"`((?:test|attack)_\w+)`")
    tests = "".join(read(path) for path in files((".c", ".py")) if "test" in str(path))
    for path in [Path("README.md"), *sorted(path.relative_to(ROOT) for path in DOCS.glob("*.md"))]:
        for number, line in numbered(read(path)):
            wanted = [ROOT / name for name in place.findall(line)]
            wanted += [ROOT / path.parent / name for name in link.findall(line)]
            for file in wanted:
                if not file.exists() and "NAME" not in str(file.relative_to(ROOT)):
                    yield f"{path}:{number}: names {file}, which does not exist"
            for name in test.findall(line):
                if not re.search(rf"\b{name}\b", tests):
                    yield f"{path}:{number}: names {name}, which is no test"


def check_python() -> Complaints:
    """Python parses, and pyflakes or ruff, where there is one, has no complaint."""
    names = [str(path) for path in files((".py",), ("grader", "labs"))]
    for name in names:
        try:
            compile(read(Path(name)), name, "exec")
        except SyntaxError as error:
            yield f"{name}:{error.lineno}: {error.msg}"
    for command in (["ruff", "check", "--quiet", "--line-length", str(MAX_COLUMNS)], ["pyflakes"]):
        if shutil.which(command[0]) is not None:
            done = subprocess.run([*command, *names], cwd=ROOT, stdout=subprocess.PIPE, text=True)
            yield from done.stdout.splitlines()
            return


def check_cppcheck() -> Complaints:
    """cppcheck, where it is installed, finds nothing."""
    if shutil.which("cppcheck") is None:
        return
    command = ["cppcheck", "--quiet", "--error-exitcode=1", "--std=c11", "--enable=portability"]
    command += ["--suppress=missingInclude", "--suppress=va_end_missing", "--inline-suppr"]
    command += ["--max-configs=2", "-DDEBUG", "-I."]
    command += ["-Iarch/vkernel/include", "-j", str(os.cpu_count() or 1), "kern", "vm"]
    command += ["--template={file}:{line}: {message} [{id}]"]
    done = subprocess.run(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    yield from done.stderr.splitlines()


CHECKS: List[Callable[[], Complaints]] = [
    check_format,
    check_machine_independence,
    check_length,
    check_size,
    check_solutions,
    check_text,
    check_docs,
    check_python,
    check_cppcheck,
]


def main() -> int:
    complaints = [complaint for check in CHECKS for complaint in check()]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
