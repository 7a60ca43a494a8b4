"""A person at the console: the prompt, line editing, signals from the keyboard, the end."""

from __future__ import annotations

import signal

from grader.terminal import Terminal
from grader.tests.support import both_machines, make_setup

pytestmark = both_machines

PROMPT = "# "


def test_commands_and_poweroff(machine: str) -> None:
    with Terminal(make_setup(machine)) as terminal:
        terminal.expect(PROMPT)
        terminal.type("echo he''llo\r")
        terminal.expect("hello")
        terminal.expect(PROMPT)
        terminal.type("poweroff 7\r")
        assert terminal.wait().status == 7
        assert terminal.is_restored()


def test_line_editing_and_history(machine: str) -> None:
    with Terminal(make_setup(machine)) as terminal:
        terminal.expect(PROMPT)
        terminal.type("echo thrXX\x7f\x7fee $((1 + 2))\r")
        terminal.expect("three 3")
        terminal.expect(PROMPT)
        terminal.type("\x1b[A\r")  # the line before, again
        terminal.expect("three 3")


def test_interrupt_from_the_keyboard(machine: str) -> None:
    with Terminal(make_setup(machine)) as terminal:
        terminal.expect(PROMPT)
        terminal.type("echo sta''rted; sleep 1000\r")
        terminal.expect("started")
        terminal.type_until("\x03", PROMPT)  # the first may come between two commands
        terminal.type("echo status $?\r")
        terminal.expect(f"status {128 + signal.SIGINT}")


def test_end_of_file_from_the_keyboard(machine: str) -> None:
    with Terminal(make_setup(machine)) as terminal:
        terminal.expect(PROMPT)
        terminal.type("echo re''ady; wc -l\r")
        terminal.expect("ready")  # what is typed while the shell edits a line is the shell's
        terminal.type("one\rtwo\r\x04")
        terminal.expect("2")
        terminal.expect(PROMPT)
        terminal.type("\x04")  # ends this shell; init starts another
        terminal.expect(PROMPT)


def test_two_cpus_are_there(machine: str) -> None:
    with Terminal(make_setup(machine, cpus=2)) as terminal:
        terminal.expect(PROMPT)
        terminal.type("sleep 1000 & ps\r")
        terminal.expect("sleep")
        terminal.type("poweroff\r")
        assert terminal.wait().status == 0
