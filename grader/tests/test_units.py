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


@pytest.mark.parametrize("unit", find_units())
def test_unit(unit: str) -> None:
    program = BUILD / "unit" / Path(unit).with_suffix("")
    program.parent.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC", "gcc")
    command = [compiler, *FLAGS, "-o", str(program), unit, *sources(Path(unit))]
    built = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run(
        [str(program)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300
    )
    output = ran.stdout.decode("utf-8", "replace")
    assert ran.returncode == 0, output
    assert re.search(r"^ok \d+ checks$", output, re.MULTILINE), output
