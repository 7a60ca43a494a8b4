"""Hostile submissions that attack with the files themselves, before any kernel runs.

Each function writes a submission and returns what is handed in; its docstring says why. The
table at the end says what must become of it.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Callable, Dict, Tuple

Texts = Dict[str, bytes]


def write(folder: Path, texts: Texts) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    return folder


def first(texts: Texts) -> str:
    return next(iter(texts))


def edits_the_tests(folder: Path, skeleton: Texts) -> Path:
    """Brings its own tests, grader, Makefile and conftest.py, which let everything pass."""
    passing = b"def test_child_writes(duet):\n    pass\n"
    more = {"labs/cow/tests/test_public.py": passing, "labs/cow/tests/test_hidden.py": passing}
    more.update({"conftest.py": b"import os\nos._exit(0)\n", "grader/labtest.py": b""})
    more.update({"Makefile": b"kernels:\n\ttouch /tmp/duet-attack\n", "labs/cow/lab.toml": b""})
    return write(folder, {**skeleton, **more})


def is_a_link(folder: Path, skeleton: Texts) -> Path:
    """A symbolic link to a file that the grader can read."""
    write(folder, skeleton)
    (folder / first(skeleton)).unlink()
    (folder / first(skeleton)).symlink_to("/etc/shadow")
    return folder


def is_a_pipe(folder: Path, skeleton: Texts) -> Path:
    """A pipe, on which a reader waits for ever."""
    write(folder, skeleton)
    (folder / first(skeleton)).unlink()
    os.mkfifo(folder / first(skeleton))
    return folder


def climbs_out(folder: Path, skeleton: Texts) -> Path:
    """An archive whose entries lie above it."""
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        for name, text in {**skeleton, "../../../../tmp/duet-attack": b"x"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return path


def unpacks_to_much(folder: Path, skeleton: Texts) -> Path:
    """An archive of some kilobytes that holds a gigabyte."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(first(skeleton), "w") as stream:
            for _ in range(1024):
                stream.write(bytes(1 << 20))
    return path


def includes_the_tests(folder: Path, skeleton: Texts) -> Path:
    """Has the compiler print the hidden tests in an error message."""
    tests = Path(__file__).resolve().parents[1] / "cow" / "tests" / "test_hidden.py"
    head = f'#include "{tests}"\n#include "/etc/passwd"\n'.encode()
    return write(folder, {**skeleton, first(skeleton): head + skeleton[first(skeleton)]})


def takes_in_a_file(folder: Path, skeleton: Texts) -> Path:
    """Has the assembler put a secret file into the kernel."""
    head = b'__asm__(".incbin \\"/etc/shadow\\"");\n'
    return write(folder, {**skeleton, first(skeleton): head + skeleton[first(skeleton)]})


def is_huge_in_the_compiler(folder: Path, skeleton: Texts) -> Path:
    """A few lines that the preprocessor makes gigabytes of."""
    lines = ["#define a0 1,1,1,1,1,1,1,1"]
    lines += [f"#define a{n} " + ",".join([f"a{n - 1}"] * 8) for n in range(1, 12)]
    head = "\n".join([*lines, "int huge[] = {a11};", ""]).encode()
    return write(folder, {**skeleton, first(skeleton): head + skeleton[first(skeleton)]})


def replaces_the_kernel(folder: Path, skeleton: Texts) -> Path:
    """Defines functions that the rest of the kernel defines, to put itself in their place."""
    text = b"\nvoid panic(const char *format, ...);\nvoid panic(const char *format, ...) {}\n"
    return write(folder, {**skeleton, first(skeleton): skeleton[first(skeleton)] + text})


ATTACKS: Dict[str, Tuple[Callable[[Path, Texts], Path], str]] = {
    "edits_the_tests": (edits_the_tests, "graded"),
    "is_a_link": (is_a_link, "refused"),
    "is_a_pipe": (is_a_pipe, "refused"),
    "climbs_out": (climbs_out, "refused"),
    "unpacks_to_much": (unpacks_to_much, "refused"),
    "includes_the_tests": (includes_the_tests, "unbuildable"),
    "takes_in_a_file": (takes_in_a_file, "unbuildable"),
    "is_huge_in_the_compiler": (is_huge_in_the_compiler, "unbuildable"),
    "replaces_the_kernel": (replaces_the_kernel, "unbuildable"),
}
