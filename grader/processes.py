"""What /proc tells of the host's processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Set


def _stat_fields(process: int) -> List[str]:
    """The fields of /proc/PID/stat behind the name; empty when the process is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def all_processes() -> List[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def processes_with(text: str) -> Set[int]:
    """The processes whose command line contains `text`."""
    found = set()
    for process in all_processes():
        try:
            line = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if text.encode() in line:
            found.add(process)
    return found


def descendants(process: int) -> List[int]:
    """A process and all processes below it."""
    children: Dict[int, List[int]] = {}
    for number in all_processes():
        fields = _stat_fields(number)
        if fields:
            children.setdefault(int(fields[1]), []).append(number)
    found = [process]
    for parent in found:
        found += children.get(parent, [])
    return found


def name_of(process: int) -> str:
    """What a process calls itself; nothing when it is gone."""
    try:
        return Path(f"/proc/{process}/comm").read_text().rstrip("\n")
    except OSError:
        return ""


def is_alive(process: int) -> bool:
    """Does it exist, and not merely as a zombie that nobody has waited for yet?"""
    fields = _stat_fields(process)
    return bool(fields) and fields[0] not in ("Z", "X")


def cpu_seconds(process: int) -> float:
    """The processor time that a process and those below it have used."""
    total = 0
    for number in descendants(process):
        fields = _stat_fields(number)
        if fields:
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
