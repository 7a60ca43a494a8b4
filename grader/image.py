"""Disk images: throw-away copies, files put in and taken out, and the judge, e2fsck."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterable

from grader import bounded

# e2fsprogs lives in /sbin, which is not in an ordinary user's PATH.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])

# What a tool may take, in bytes and seconds.
OUTPUT_MAX, TOOL_SECONDS = 16 << 20, 300.0

# The status of e2fsck when it has found damage and left it; others tell of its own end.
UNCORRECTED = 4


class ImageError(Exception):
    """What went wrong with an image, in a sentence for people."""


def tool_environment() -> dict[str, str]:
    return {**os.environ, "PATH": SEARCH_PATH, "LC_ALL": "C"}


def copy(source: Path, target: Path) -> Path:
    """Copy an image; holes stay holes."""
    command = ["cp", "--reflink=auto", "--sparse=always", str(source), str(target)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise ImageError(done.stderr.strip())
    return target


def _tool(*command: str, text: str = "") -> bounded.Done:
    """Run a tool on an image that nobody trusts."""
    done = bounded.run(command, OUTPUT_MAX, TOOL_SECONDS, text.encode(), tool_environment())
    if done.is_late:
        raise ImageError(f"{command[0]} did not end in {TOOL_SECONDS:.0f} s")
    return done


def debugfs(image: Path, requests: Iterable[str], write: bool = False) -> str:
    """Run debugfs requests on an image and return what they print."""
    text = "".join(request + "\n" for request in requests)
    done = _tool("debugfs", *(["-w"] if write else []), "-f", "-", str(image), text=text)
    lines = done.complaint.splitlines()
    complaints = [line for line in lines if not line.startswith("debugfs ")]
    if done.status != 0 or complaints:
        raise ImageError("\n".join(complaints) or f"debugfs ended with status {done.status}")
    return done.text


def _is_there(image: Path, path: str) -> bool:
    try:
        return "Inode:" in debugfs(image, [f'stat "{path}"'])
    except ImageError:
        return False


def _is_directory(image: Path, path: str) -> bool:
    try:
        return "Type: directory" in debugfs(image, [f'stat "{path}"'])
    except ImageError:
        return False


def put(image: Path, host: Path, guest: str) -> None:
    """Put a file, or a folder with all that is in it, at path `guest` of the image.

    As with cp, an existing folder (or a path that ends in a slash) means: into it. Missing
    folders on the way are made, an existing file is replaced.
    """
    if not host.exists():
        raise ImageError(f"{host}: no such file")
    if '"' in guest or "\n" in guest or '"' in str(host) or "\n" in str(host):
        raise ImageError(f"{guest}: debugfs takes no quote or newline in a file name")
    guest = "/" + guest.strip() if not guest.startswith("/") else guest
    if guest.endswith("/") or (host.is_file() and _is_directory(image, guest)):
        guest = guest.rstrip("/") + "/" + host.name
    if host.is_dir():
        for entry in sorted(host.iterdir()):
            put(image, entry, f"{guest}/{entry.name}")
        return
    requests = []
    parts = [part for part in guest.split("/") if part]
    for depth in range(1, len(parts)):
        folder = "/" + "/".join(parts[:depth])
        if not _is_there(image, folder):
            requests.append(f'mkdir "{folder}"')
    path = "/" + "/".join(parts)
    if _is_there(image, path):
        requests.append(f'rm "{path}"')
    requests.append(f'write "{host.resolve()}" "{path}"')
    requests.append(f'set_inode_field "{path}" uid 0')
    requests.append(f'set_inode_field "{path}" gid 0')
    debugfs(image, requests, write=True)


def put_text(image: Path, text: str, guest: str, scratch: Path) -> None:
    """Put a file with this text into the image, by way of the folder `scratch`."""
    file = scratch / ("put-" + guest.strip("/").replace("/", "-"))
    file.write_text(text)
    put(image, file, guest)
    file.unlink()


def read(image: Path, guest: str) -> str:
    """The contents of a file in the image, or their beginning if they are endless."""
    done = _tool("debugfs", "-R", f'cat "{guest}"', str(image))
    if "File not found" in done.complaint:
        raise ImageError(done.complaint)
    return done.text


def check(image: Path) -> list[str]:
    """What e2fsck finds wrong with the image; an empty list when it is clean."""
    done = _tool("e2fsck", "-fn", str(image))
    if done.status == 0:
        return []
    usual = ("Pass", "e2fsck")
    found = [line for line in done.text.splitlines() if line and not line.startswith(usual)]
    if not found or done.status != UNCORRECTED:
        found += [f"e2fsck ended with status {done.status}", *done.complaint.splitlines()]
    return found


def repair(image: Path) -> None:
    """Make an image consistent after a machine was killed; raise when that cannot be done."""
    done = _tool("e2fsck", "-p", str(image))
    if not 0 <= done.status < UNCORRECTED:
        text = (done.text + done.complaint).strip()
        raise ImageError(text or f"e2fsck ended with status {done.status}")
