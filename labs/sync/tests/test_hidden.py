"""Lab sync: memory order, trying, many waiters, signals from elsewhere, turns."""

from __future__ import annotations

from grader.labtest import Duet
from labs.sync.public import history as judge
from labs.sync.tests.test_public import (
    STEP_CONDVAR,
    STEP_MUTEX,
    STEP_RWLOCK,
    STEP_SEMAPHORE,
    STEP_TICKET,
)


def test_ticket_memory_order(duet: Duet) -> None:
    """What one holder wrote is ordered before what the next one does."""
    rules = [judge.draws, judge.has_no_race]
    judge.search(duet, ["lcL", "lcL", "tlcL"], rules, STEP_TICKET, times=4)


def test_ticket_try(duet: Duet) -> None:
    """Trying neither waits nor fails for nothing, and leaves no trace when it fails."""
    rules = [judge.excludes("ticket"), judge.interrupts_are_off, judge.nobody_is_stuck]
    judge.search(duet, ["tt", "lhL", "tlL", "thhtt"], rules, STEP_TICKET, times=5)
    for strategy in ("random:3", "pct:2:200"):
        history = judge.run(duet, ["tlLtt"], STEP_TICKET, strategy, cpus=1, times=3)
        for event in history.named("ticket failed"):
            history.fail("a free lock to be taken", "ticket_trylock() failed", event)


def test_sleep_lock_with_many(duet: Duet) -> None:
    """Eight workers on three CPUs, a trylock among them."""
    rules = [
        judge.nobody_is_stuck,
        judge.excludes("mutex"),
        judge.counts,
        judge.sleeps("mutex"),
        judge.wakes_one("mutex"),
    ]
    programs = ["mcM"] * 3 + ["mM", "mzM", "mhMy", "mcMzmM", "zmcM"]
    judge.search(duet, programs, rules, STEP_MUTEX, times=3, cpus=3)


def test_condvar_broadcast(duet: Duet) -> None:
    """All who wait return, who comes later does not, and nothing is remembered."""
    programs = ["k", "kk", "hk", "zb", "sZb" + duet.random.choice(["zb", "s"]), "k"]
    judge.search(duet, programs, [judge.wakes_who_waits], STEP_CONDVAR)
    judge.search(duet, ["sbzk"], [judge.wakes_who_waits], STEP_CONDVAR, runs=1, cpus=1)


def test_semaphore_given_by_others(duet: Duet) -> None:
    """Units that come from elsewhere: some find nobody, some find several sleepers."""
    takes = duet.random.randrange(2, 4)
    programs = ["dd", "d" * takes, "zUU", "U" * takes, "d"]
    rules = [judge.unit_counts(0), judge.sleeps("semaphore")]
    judge.search(duet, programs, rules, STEP_SEMAPHORE, units=0, cpus=3)


def test_writers_have_their_turn(duet: Duet) -> None:
    rules = [judge.readers_and_writers, judge.writers_have_their_turn, judge.nobody_is_stuck]
    programs = ["rzhR", "rzR", "rhzR", "rzhR", "zwW"]
    judge.search(duet, programs, rules, STEP_RWLOCK, times=5)


def test_readers_have_their_turn(duet: Duet) -> None:
    rules = [judge.readers_and_writers, judge.readers_have_their_turn, judge.nobody_is_stuck]
    programs = ["wzW", "whzW", "wzhW", "zrR", "zrgR"]
    judge.search(duet, programs, rules, STEP_RWLOCK, times=5)
