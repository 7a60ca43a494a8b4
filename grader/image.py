"""Disk images: throw-away copies, files put in and taken out, and the judge, e2fsck."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterable

# e2fsprogs lives in /sbin, which is not in an ordinary user's PATH.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


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


def debugfs(image: Path, requests: Iterable[str], write: bool = False) -> str:
    """Run debugfs requests on an image and return what they print."""
    command = ["debugfs"] + (["-w"] if write else []) + ["-f", "-", str(image)]
    done = subprocess.run(
        command,
        input="".join(request + "\n" for request in requests),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=tool_environment(),
    )
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("debugfs ")]
    if done.returncode != 0 or complaints:
        raise ImageError("\n".join(complaints) or f"debugfs ended with status {done.returncode}")
    return done.stdout


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
    """The contents of a file in the image."""
    done = subprocess.run(
        ["debugfs", "-R", f'cat "{guest}"', str(image)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=tool_environment(),
    )
    if "File not found" in done.stderr:
        raise ImageError(done.stderr.strip())
    return done.stdout


def check(image: Path) -> list[str]:
    """What e2fsck finds wrong with the image; an empty list when it is clean."""
    done = subprocess.run(
        ["e2fsck", "-fn", str(image)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=tool_environment(),
    )
    if done.returncode == 0:
        return []
    usual = ("Pass", "e2fsck")
    return [line for line in done.stdout.splitlines() if line and not line.startswith(usual)]


def repair(image: Path) -> None:
    """Make an image consistent after a machine was killed; raise when that cannot be done."""
    done = subprocess.run(
        ["e2fsck", "-p", str(image)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=tool_environment(),
    )
    if done.returncode >= 4:
        raise ImageError(done.stdout.strip() or f"e2fsck ended with status {done.returncode}")
