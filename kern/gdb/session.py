"""`duet boot`: start the machine that the kernel in gdb is for, and stop in kernel_main().

This is what `make gdb` and `make qemu-gdb` do.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import List

import gdb

from structures import ROOT, DuetError, machine_name, shares_addresses
from terminal import Console

sys.path.insert(1, str(ROOT))

from grader.console import prepare_image  # noqa: E402
from grader.machine import Setup, split_words, vkernel_arguments, x86_64_arguments  # noqa: E402

START = "kernel_main"


def parse(words: List[str]) -> argparse.Namespace:
    """The options; make hands the user's variables over in the environment."""
    given = os.environ.get
    parser = argparse.ArgumentParser(prog="duet boot", add_help=False)
    parser.add_argument("--image", type=Path, default=Path("build/root.img"))
    parser.add_argument("--cpus", default=given("CPUS", "1"))
    parser.add_argument("--memory", default=given("MEM", "128M"))
    parser.add_argument("--kernel-arguments", default=given("KERNEL_ARGS", ""))
    parser.add_argument("--disks", default=given("DISK", ""))
    parser.add_argument("--command", default=given("CMD"))
    try:
        return parser.parse_args(words)
    except SystemExit:
        raise DuetError(f"Usage: {parser.format_usage()}")


def make_setup(options: argparse.Namespace) -> Setup:
    machine = machine_name()
    kernel = Path(gdb.current_progspace().filename)
    image = options.image
    if options.command is None:  # as `make run`: an image that keeps what the user makes
        image = kernel.parent / "root.img"
        prepare_image(options.image, image)
    return Setup(
        machine=machine,
        image=image.resolve(),
        command=options.command or None,
        cpus=options.cpus,
        memory=options.memory,
        writable=options.command is None,
        kernel_arguments=split_words(options.kernel_arguments),
        disks=tuple(Path(word).resolve() for word in split_words(options.disks)),
        build=kernel.parent.parent,
    )


def run_as_process(setup: Setup) -> None:
    """The machine is a process that gdb starts."""

    def interrupt() -> None:
        # It waits for SIGINT itself, and would get it instead of gdb.
        os.kill(gdb.selected_inferior().pid, signal.SIGSTOP)

    console = Console(interrupt)
    gdb.execute("handle SIGSTOP stop print nopass", to_string=True)
    gdb.execute(f"set inferior-tty {console.path}")
    arguments = vkernel_arguments(setup, None, None)[1:]
    gdb.execute("set args " + " ".join(shlex.quote(word) for word in arguments))
    gdb.execute(f"tbreak {START}", to_string=True)
    gdb.execute("run")


def run_as_emulator(setup: Setup) -> None:
    """The machine is QEMU, which gdb starts and speaks with through a pipe."""
    console = Console(lambda: os.kill(os.getpid(), signal.SIGINT))
    arguments = x86_64_arguments(setup, None, None, stream=False, terminal=console.path)
    if not setup.writable:
        arguments += ["-snapshot"]
    arguments += ["-gdb", "stdio", "-S"]
    if shutil.which("setpriv") is not None:  # however gdb ends
        arguments = ["setpriv", "--pdeathsig", "KILL", *arguments]
    command = " ".join(shlex.quote(word) for word in arguments)
    gdb.execute(f"target remote | exec {command}", to_string=True)
    gdb.execute(f"tbreak {START}", to_string=True)
    gdb.execute("continue")


def boot(words: List[str]) -> None:
    """Start the machine that this kernel is for, and stop where the kernel begins."""
    setup = make_setup(parse(words))
    if shares_addresses():
        run_as_emulator(setup)
    else:
        run_as_process(setup)
