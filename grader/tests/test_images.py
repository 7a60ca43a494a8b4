"""Images that nobody trusts: what tools say is bounded, and a tool that dies says no good."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader import bounded, image as images


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    command = ["mke2fs", "-q", "-t", "ext2", str(path), "1M"]
    subprocess.run(command, check=True, env=images.tool_environment())
    return path


def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """Put a tool of this name before the others."""
    (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(images, "SEARCH_PATH", f"{tmp_path}:{images.SEARCH_PATH}")


def test_any_bytes_can_be_read(disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe" + b"x" * 5000)
    images.put(disk, tmp_path / "bytes", "/bytes")
    assert images.read(disk, "/bytes").startswith("\ufffd\ufffdxxx")
    monkeypatch.setattr(images, "OUTPUT_MAX", 100)
    assert len(images.read(disk, "/bytes")) == 100
    with pytest.raises(images.ImageError, match="File not found"):
        images.read(disk, "/missing")


@pytest.mark.parametrize("script", ["kill -SEGV $$", "exit 8", "echo Pass 1; exit 4"])
def test_check_that_dies_is_not_a_clean_disk(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    assert images.check(disk) == []
    tool(tmp_path, monkeypatch, "e2fsck", script)
    assert any("e2fsck ended with status" in line for line in images.check(disk))
    with pytest.raises(images.ImageError):
        images.repair(disk)


def test_endless_tool_is_ended(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, "e2fsck", "exec sleep 600")
    monkeypatch.setattr(images, "TOOL_SECONDS", 0.1)
    with pytest.raises(images.ImageError, match="e2fsck did not end"):
        images.check(disk)


def test_only_so_much_is_taken() -> None:
    program = "import sys; print(sys.stdin.read() * 1000); sys.stderr.write('complaint')"
    command = [sys.executable, "-c", program]
    whole = bounded.run(command, 1 << 20, 600.0, b"text")
    assert (whole.status, len(whole.output), whole.complaint) == (0, 4001, "complaint")
    assert bounded.run(command, 7, 600.0, b"text").output == b"texttex"
    assert bounded.run([*command[:2], "while True: print(1)"], 7, 600.0).status != 0
