"""docs/abi.md tells the truth about the system-call table."""

from __future__ import annotations

import re
from typing import Dict

from grader.tests.support import ROOT, syscall_table


def documented() -> Dict[str, int]:
    """The rows of the document's tables: `| 0 | read | ... |`."""
    text = (ROOT / "docs" / "abi.md").read_text()
    rows = re.findall(r"^\| *(\d+) *\| *`?(\w+)`? *\|", text, re.MULTILINE)
    return {name: int(number) for number, name in rows}


def test_every_call_is_documented_and_no_other() -> None:
    assert documented() == syscall_table()


def test_the_table_rises() -> None:
    numbers = list(syscall_table().values())
    assert numbers == sorted(set(numbers))


def test_numbers_are_linux_numbers() -> None:
    """The host's own header, where it is there, has the same numbers."""
    header = ROOT / "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    if not header.exists():
        return
    found = re.findall(r"^#define __NR_(\w+) (\d+)", header.read_text(), re.MULTILINE)
    linux = {name: int(number) for name, number in found}
    for name, number in syscall_table().items():
        assert linux.get(name) == number, name
