"""The options that all commands which start a machine have in common."""

from __future__ import annotations

import argparse
from pathlib import Path

from grader.machine import Setup, split_words


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """What machine_setup() reads; the Makefile passes empty words for what its user left out."""
    parser.add_argument("--cpus", default="2")
    parser.add_argument("--memory", default="128M")
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--image", type=Path, default=Path("build/root.img"))
    parser.add_argument("--kernel-arguments", default="")
    parser.add_argument("--disks", default="")
    parser.add_argument("--seed", default="", help="of a repeatable run")


def machine_setup(options: argparse.Namespace, machine: str, **more: object) -> Setup:
    """The machine that was asked for; `more` is as for Setup, and goes first."""
    setup = Setup(
        machine=machine,
        image=options.image,
        cpus=options.cpus,
        memory=options.memory,
        kernel_arguments=split_words(options.kernel_arguments),
        disks=tuple(Path(word) for word in split_words(options.disks)),
        build=options.build,
        seed=options.seed.strip() or None,
    )
    return setup.with_(**more)
