"""The tree keeps its own rules, and both compilers build it without a warning."""

from __future__ import annotations

import subprocess
from typing import Callable, Iterator

import pytest

from grader.lint import CHECKS
from grader.tests.support import BUILD, clean_environment, needs


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_lint(check: Callable[[], Iterator[str]]) -> None:
    complaints = list(check())
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("release", ["0", "1"])
@pytest.mark.parametrize("compiler", [pytest.param(c, marks=needs(c)) for c in ("gcc", "clang")])
def test_compiler_is_silent(compiler: str, release: str) -> None:
    out = BUILD / "check" / f"{compiler}-{release}"
    choice = [f"CC={compiler}", f"RELEASE={release}", "WERROR=1", f"OUT={out}"]
    done = subprocess.run(
        ["make", "-s", "-j2", *choice, "kernels", "user"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(),
    )
    assert done.returncode == 0 and done.stdout.strip() == "", done.stdout
