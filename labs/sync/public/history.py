"""Lab sync: run programs of workers in the kernel, and judge the history that they leave.

The kernel (labs/sync/kernel/driver.c) only notes what happens; what is right is decided here. A
rule is a function that takes a History and calls `history.fail()` with what it expected, what
came, and the last events before that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Set, Tuple

from grader.labtest import HANG_HINT, PANIC_HINT, Duet
from grader.machine import run as run_machine

# How many events before a mistake are shown.
TRACE = 25

# Scheduling points until a run that does not end is stopped.
POINTS = 150000

# Who goes on at a scheduling point: at random, seldom and often, or by priorities that change.
STRATEGIES = {
    "vkernel": ["random:2", "pct:3:400", "random:6", "pct:2:200", "random:3", "pct:4:800"]
    + ["random:12", "pct:3:1500"],
    "x86_64": ["random:3", "pct:3:600", "random:8"],
}

NO_END_HINT = (
    "Somebody waits actively for what never comes, maybe with interrupts disabled. Run the "
    "command below: the panic shows where each CPU was."
)
STUCK_HINT = (
    "A wake-up was lost: who makes a condition true wakes a sleeper; and between a sleeper's test "
    "of the condition and its sleep nobody may change it: test and wait_sleep() under one spinlock."
)


@dataclass(frozen=True)
class Event:
    number: int
    worker: int
    subject: str
    event: str
    value: int

    @property
    def name(self) -> str:
        return f"{self.subject} {self.event}"

    def __str__(self) -> str:
        return f"worker {self.worker}: {self.name}" + (f" {self.value}" if self.value >= 0 else "")


@dataclass
class History:
    duet: Duet
    events: List[Event]
    hint: str
    stuck: List[int] = field(default_factory=list)

    def of(self, *subjects: str) -> List[Event]:
        return [event for event in self.events if event.subject in subjects]

    def named(self, name: str) -> List[Event]:
        return [event for event in self.events if event.name == name]

    def trace(self, at: Optional[Event]) -> str:
        end = len(self.events) if at is None else at.number + 1
        return "\n".join(str(event) for event in self.events[max(0, end - TRACE) : end])

    def fail(
        self, expected: object, got: object, at: Optional[Event] = None, hint: str = ""
    ) -> None:
        self.duet.fail(expected, got, hint or self.hint, self.trace(at))


def parse(text: str) -> List[Event]:
    events = []
    for line in text.splitlines():
        found = re.fullmatch(r"w(\d) (\w+) (\w+)(?: (\d{1,20}))?", line)
        if found is not None:
            worker, subject, name, value = found.groups()
            number = -1 if value is None else int(value)
            events.append(Event(len(events), int(worker), subject, name, number))
    return events


def run(
    duet: Duet, programs: List[str], hint: str, strategy: str, cpus: int = 2, **words: int
) -> History:
    """One run of these programs, one for each worker."""
    arguments = [f"sync={','.join(programs)}"]
    arguments += [f"{name}={value}" for name, value in words.items()]
    arguments += [f"strategy={strategy}", f"points={POINTS}"]
    setup = duet.setup(
        cpus=cpus,
        command="true",
        seed=duet.random.randrange(1, 1 << 31),
        kernel_arguments=tuple(arguments),
    )
    duet.note_replay(setup)
    outcome = run_machine(setup, b"", duet.hang)
    history = History(duet, parse(outcome.text), hint)
    if outcome.panic is not None:
        trace = history.trace(None) + "\n" + outcome.panic_report()
        ends = "no end after" in outcome.panic
        duet.fail(
            "the workers to end" if ends else "a run without a panic",
            f"panic: {outcome.panic}",
            NO_END_HINT if ends else PANIC_HINT,
            trace,
        )
    if outcome.hung or not outcome.ended:
        duet.fail("the workers to end", "silence", HANG_HINT, history.trace(None))
    history.stuck = [event.worker for event in history.named("thread stuck")]
    ended = {event.worker for event in history.named("thread end")}
    if ended | set(history.stuck) != set(range(len(programs))):
        history.fail(f"a history of {len(programs)} workers", f"one of {sorted(ended)}")
    return history


Rule = Callable[[History], None]


def search(
    duet: Duet,
    programs: List[str],
    rules: List[Rule],
    hint: str,
    times: int = 1,
    runs: Optional[int] = None,
    cpus: int = 2,
    **words: int,
) -> None:
    """Run the programs with several strategies and seeds: no history may break a rule."""
    strategies = STRATEGIES[duet.machine]
    for number in range(runs if runs is not None else len(strategies)):
        strategy = strategies[number % len(strategies)]
        mixed = duet.random.sample(programs, len(programs))
        history = run(duet, mixed, hint, strategy, cpus, times=times, **words)
        for rule in rules:
            rule(history)


# --- Rules -----------------------------------------------------------------------------------


def nobody_is_stuck(history: History) -> None:
    for worker in history.stuck:
        own = [event.name for event in history.events if event.worker == worker]
        last = next((name for name in reversed(own) if name != "thread stuck"), "nothing")
        got = f"worker {worker} sleeps for ever; the last of it: {last}"
        history.fail("all workers to end", got, hint=STUCK_HINT)


def excludes(subject: str, units: int = 1) -> Rule:
    """Between `enter` and `leave` are never more than so many."""

    def rule(history: History) -> None:
        inside: Set[int] = set()
        for event in history.of(subject):
            if event.event == "leave":
                inside.discard(event.worker)
            elif event.event == "enter":
                if len(inside) >= units:
                    others = ", ".join(map(str, sorted(inside)))
                    got = f"worker {event.worker} comes in while {others} is in"
                    history.fail(f"at most {units} inside ({subject})", got, event)
                inside.add(event.worker)

    return rule


def counts(history: History) -> None:
    """Each worker that counts adds one to what the last one left."""
    for wanted, event in enumerate(history.named("counter count")):
        if event.value != wanted:
            history.fail(f"the counter to be {wanted}", event.value, event)


def has_no_race(history: History) -> None:
    for event in history.named("counter race"):
        history.fail(
            "the accesses of two workers to be ordered by a release and an acquire",
            f"those of workers {event.worker} and {event.value} are not",
            event,
            "Unlocking must be a store with __ATOMIC_RELEASE, and what sees that the lock is "
            "yours a load with __ATOMIC_ACQUIRE: else the compiler and the processor may move "
            "accesses out of the locked part. That this works on x86 is no excuse.",
        )


def sleeps(subject: str) -> Rule:
    """Who waits does not have the CPU."""

    def rule(history: History) -> None:
        asking: Dict[int, int] = {}  # the worker, and how often it has slept since it asked
        for event in history.of(subject, "thread"):
            if event.name == f"{subject} ask":
                asking[event.worker] = 0
            elif event.worker not in asking:
                continue
            elif event.name == "thread sleep":
                asking[event.worker] += 1
            elif event.name == "thread yield":
                hint = "Waiters sleep in a wait queue: wait_sleep() in kern/wait.h. " + history.hint
                history.fail("who waits to sleep", "it asks again and again", event, hint)
            elif event.event == "enter":
                points = 400 + 100 * asking.pop(event.worker)
                if event.value > points:
                    got = f"{event.value} scheduling points of its own"
                    history.fail(f"who waits to sleep (below {points} points)", got, event)

    return rule


def wakes_one(subject: str) -> Rule:
    """No more sleepers are woken than there were reasons to."""

    def rule(history: History) -> None:
        leaves = wakes = 0
        for event in history.of(subject, "thread"):
            leaves += event.name == f"{subject} leave"
            wakes += event.name == "thread wake"
            if wakes > leaves:
                history.fail(
                    f"at most {leaves} wake-ups, one for each time that somebody left",
                    f"{wakes}",
                    event,
                    "One can come in: wake one, wait_wake_one(). Who is woken for nothing costs "
                    "two switches, and with a hundred waiters a hundred times two.",
                )

    return rule


def is_first_come_first_served(history: History) -> None:
    """Who has drawn a ticket when another one asks comes in before that one."""
    drawn: Dict[int, int] = {}  # the workers that have drawn and are not in, and when
    before: Dict[int, Dict[int, int]] = {}
    for event in history.of("ticket"):
        if event.event == "ask":
            before[event.worker] = dict(drawn)
        elif event.event == "draw":
            drawn[event.worker] = event.number
        elif event.event == "enter":
            for other, number in before.pop(event.worker, {}).items():
                if drawn.get(other) == number:
                    got = f"worker {event.worker} came in before worker {other}"
                    history.fail("the one who asked first to come in first", got, event)
            drawn.pop(event.worker, None)


def draws(history: History) -> None:
    """Nobody gets the ticket lock without an atomic operation that changes it."""
    asking: Set[int] = set()
    for event in history.of("ticket"):
        if event.event == "ask":
            asking.add(event.worker)
        elif event.event == "draw":
            asking.discard(event.worker)
        elif event.event == "enter" and event.worker in asking:
            hint = "Load, add and store in three steps let two CPUs draw the same ticket. "
            got = "the lock was taken without one"
            expected = "an atomic operation that changes the lock, as __atomic_fetch_add()"
            history.fail(expected, got, event, hint + history.hint)


def interrupts_are_off(history: History) -> None:
    hint = "interrupts_push() before the lock is taken, interrupts_pop() when it is released."
    wanted = {"enter": 0, "nested": 0, "failed": 1, "left": 1}
    words = {0: "disabled", 1: "enabled"}
    nested = False
    for event in history.of("ticket"):
        if event.event == "left" and event.value == 0:
            nested = True  # rightly, if `nested` comes next
            continue
        if event.event in wanted and event.value != wanted[event.event]:
            expected = f"interrupts to be {words[wanted[event.event]]} ({event.event})"
            history.fail(expected, words.get(event.value, event.value), event, hint)
        if nested and event.event != "nested":
            history.fail("interrupts to be enabled again", "disabled", event, hint)
        nested = False


@dataclass
class Condition:
    """Who waits, longest first, and who of them may return."""

    waiting: List[int] = field(default_factory=list)
    woken: Set[int] = field(default_factory=set)

    def signal(self, is_for_all: bool) -> None:
        asleep = [worker for worker in self.waiting if worker not in self.woken]
        self.woken |= set(asleep if is_for_all else asleep[:1])


def wakes_who_waits(history: History) -> None:
    """A signal ends the longest wait, a broadcast all waits, and nothing else does."""
    condition = Condition()
    for event in history.of("condvar"):
        if event.event == "ask":
            condition.waiting.append(event.worker)
        elif event.event in ("signal", "broadcast"):
            condition.signal(event.event == "broadcast")
        else:
            if event.worker not in condition.woken:
                got = f"worker {event.worker} returns from condvar_wait()"
                history.fail("it to sleep until a signal is meant for it", got, event)
            if event.value != 1:
                history.fail("the mutex to be held behind condvar_wait()", "it is not", event)
            condition.waiting.remove(event.worker)
            condition.woken.remove(event.worker)
    for worker in history.stuck:
        if worker in condition.woken:
            got = f"worker {worker} sleeps for ever"
            history.fail("who was signalled to return from condvar_wait()", got, hint=STUCK_HINT)


def passes_values_on(history: History) -> None:
    """What is put into the buffer comes out, once, in this order."""
    inside: List[int] = []
    for event in history.of("buffer"):
        if event.event == "put":
            inside.append(event.value)
        elif event.event == "take":
            wanted = inside.pop(0) if inside else "nothing"
            if event.value != wanted:
                history.fail(f"{wanted} to be taken", event.value, event)
    if inside:
        history.fail("an empty buffer at the end", f"{inside}")


def unit_counts(units: int) -> Rule:
    """Never more units are taken than were there, and nobody waits for one that is there."""

    def rule(history: History) -> None:
        there = units
        for event in history.of("semaphore"):
            if event.event in ("leave", "give"):
                there += 1
            elif event.event == "enter":
                if there == 0:
                    history.fail("who takes a unit to wait for one", "there is none", event)
                there -= 1
        if history.stuck and there > 0:
            got = f"{there} are there, and worker {history.stuck[0]} sleeps for ever"
            history.fail("who waits for a unit to get one", got, hint=STUCK_HINT)

    return rule


def readers_and_writers(history: History) -> None:
    """A writer is alone."""
    inside: Dict[int, str] = {}
    for event in history.of("reader", "writer"):
        if event.event == "leave":
            inside.pop(event.worker, None)
        elif event.event == "enter":
            if inside and (event.subject == "writer" or "writer" in inside.values()):
                others = ", ".join(f"{kind} {worker}" for worker, kind in inside.items())
                got = f"{event.subject} {event.worker} comes in while {others} is in"
                history.fail("a writer to be alone", got, event)
            inside[event.worker] = event.subject


def readers_meet(wanted: int) -> Rule:
    def rule(history: History) -> None:
        inside = most = 0
        for event in history.of("reader"):
            inside += {"enter": 1, "leave": -1}.get(event.event, 0)
            most = max(most, inside)
        if most < wanted:
            history.fail(f"{wanted} readers inside at the same time", f"at most {most}")

    return rule


@dataclass
class Door:
    """Who sleeps in front of the reader-writer lock, since which event."""

    asked: Dict[int, Tuple[str, int]] = field(default_factory=dict)
    asleep: Dict[int, int] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        if event.event == "ask":
            self.asked[event.worker] = (event.subject, event.number)
        elif event.name == "thread sleep" and event.worker in self.asked:
            self.asleep.setdefault(event.worker, event.number)
        elif event.event == "enter":
            self.asked.pop(event.worker, None)
            self.asleep.pop(event.worker, None)

    def sleepers(self, kind: str, before: int) -> List[int]:
        return [
            worker
            for worker, since in self.asleep.items()
            if self.asked[worker][0] == kind and since < before
        ]


def writers_have_their_turn(history: History) -> None:
    """A reader that asks while a writer sleeps comes in behind it."""
    door = Door()
    for event in history.of("reader", "writer", "thread"):
        if event.name == "reader enter" and event.worker in door.asked:
            passed = door.sleepers("writer", door.asked[event.worker][1])
            if passed:
                got = f"reader {event.worker} came in before writer {passed[0]}, which slept"
                history.fail("a reader that comes later to wait behind the writer", got, event)
        door.note(event)


def readers_have_their_turn(history: History) -> None:
    """Readers that sleep when a writer leaves come in before the next writer."""
    door = Door()
    left = 0
    for event in history.of("reader", "writer", "thread"):
        if event.name == "writer leave":
            left = event.number
        elif event.name == "writer enter":
            passed = door.sleepers("reader", left)
            if passed:
                got = f"writer {event.worker} came in before reader {passed[0]}, which slept"
                history.fail("who reads to come in between two writers", got, event)
        door.note(event)
