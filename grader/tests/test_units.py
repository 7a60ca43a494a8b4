"""Native unit tests: parts of the kernel that run alone, under ASan and UBSan.

A file */test/test_NAME.c that begins with `/* unit: SOURCES */` is linked with these sources
(names or patterns, maybe on several lines) and the host's C library. It ends with `ok N checks`.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import List

import pytest

from grader.tests.support import BUILD, ROOT

FLAGS = [
    *("-std=gnu11", "-O1", "-g", "-DDEBUG", "-D_GNU_SOURCE", "-pthread"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"),
    *("-Wall", "-Wextra", "-I.", "-Iarch/vkernel/include"),
]


def find_units() -> List[str]:
    folders = ("kern", "vm", "arch", "user/lib")
    files = [file for folder in folders for file in (ROOT / folder).rglob("test/test_*.c")]
    return sorted(str(file.relative_to(ROOT)) for file in files)


def sources(test: Path) -> List[str]:
    match = re.match(r"/\* unit: (.*?)\s*\*/", test.read_text(), re.DOTALL)
    assert match, f"{test}: it must begin with /* unit: SOURCES */"
    words = [word for word in match.group(1).split() if word != "*"]
    return [str(path.relative_to(ROOT)) for word in words for path in sorted(ROOT.glob(word))]


def build(unit: str) -> Path:
    program = BUILD / "unit" / Path(unit).with_suffix("")
    program.parent.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC", "gcc")
    command = [compiler, *FLAGS, "-o", str(program), unit, *sources(Path(unit))]
    built = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert built.returncode == 0, built.stderr
    return program


def run(program: Path, **environment: str) -> None:
    ran = subprocess.run(
        [str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        env={**os.environ, **environment},
    )
    output = ran.stdout.decode("utf-8", "replace")
    assert ran.returncode == 0, output
    assert re.search(r"^ok \d+ checks$", output, re.MULTILINE), output


UNITS = find_units()
VMSPACE_UNITS = [unit for unit in UNITS if "/vmspace/" in unit]


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit not in VMSPACE_UNITS])
def test_unit(unit: str) -> None:
    run(build(unit))


@pytest.mark.parametrize("unit", VMSPACE_UNITS)
def test_vmspace_unit(unit: str) -> None:
    """The vmspace library, by each of its means to catch system calls."""
    program = build(unit)
    run(program, VMSPACE="seccomp")
    run(program, VMSPACE="ptrace")
