"""Reading, and removing, what a machine has written that nobody trusts."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

# More of it is not looked at, in bytes.
TEXT_MAX = 16 << 20


def read_bytes(path: Path, limit: int) -> bytes:
    """The last bytes of a file that the machine has written, and may have made something else of: a
    link to what it cannot read itself, a pipe on which we would wait, or endless."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(file, "rb") as stream:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return b""
            stream.seek(-min(limit, os.fstat(file).st_size), os.SEEK_END)
            return stream.read(limit)
    except OSError:
        return b""


def read_text(path: Path) -> str:
    """The text of such a file."""
    return read_bytes(path, TEXT_MAX).decode("utf-8", "replace")


def remove(folder: Path) -> None:
    """Remove a folder in which there may be more folders within folders than Python counts."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(["rm", "-rf", "--", str(folder)], stderr=subprocess.DEVNULL, check=False)
