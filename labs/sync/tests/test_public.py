"""Lab sync: workers in the kernel use the locks in many schedules; their history is judged."""

from __future__ import annotations

from grader.labtest import Duet
from labs.sync.public import history as judge

STEP_TICKET = (
    "Step 1: kern/ticket_lock.c. Draw a ticket by one atomic addition, and wait until the lock "
    "serves it."
)
STEP_MUTEX = (
    "Step 2: acquire() and release() in kern/mutex.c. Who cannot have the mutex sleeps in "
    "mutex->waiters; who releases it wakes one."
)
STEP_CONDVAR = (
    "Step 3: condition variables in kern/mutex.c. Releasing the mutex and falling asleep must be "
    "one step for whoever signals: what does condvar->lock protect?"
)
STEP_SEMAPHORE = (
    "Step 4: kern/semaphore.c. The number of units is never negative: who finds none sleeps, and "
    "looks again when it is woken."
)
STEP_RWLOCK = (
    "Step 5: kern/rwlock.c. Readers together or one writer alone; when somebody leaves, who comes "
    "in next?"
)


def test_ticket_excludes(duet: Duet) -> None:
    rules = [judge.draws, judge.excludes("ticket"), judge.counts, judge.nobody_is_stuck]
    programs = ["lcL", "lcLlcL", "lhL", "lcL"]
    judge.search(duet, programs, rules, STEP_TICKET, times=duet.random.randrange(4, 8))


def test_ticket_interrupts(duet: Duet) -> None:
    rules = [judge.interrupts_are_off, judge.nobody_is_stuck]
    judge.search(duet, ["lhL", "lLo", "oh"], rules, STEP_TICKET, times=3, runs=3, cpus=1)


def test_ticket_order(duet: Duet) -> None:
    rules = [judge.excludes("ticket"), judge.is_first_come_first_served, judge.nobody_is_stuck]
    programs = ["lhL", "lL", "lhhL", "lhL"]
    judge.search(duet, programs, rules, STEP_TICKET, times=6, cpus=3)


def test_sleep_lock(duet: Duet) -> None:
    rules = [
        judge.nobody_is_stuck,
        judge.excludes("mutex"),
        judge.counts,
        judge.sleeps("mutex"),
        judge.wakes_one("mutex"),
    ]
    programs = ["mcM", "mzcM", "mZMz", "mcMmcM"]
    judge.search(duet, programs, rules, STEP_MUTEX, times=duet.random.randrange(3, 6))


def test_condvar_wait(duet: Duet) -> None:
    rules = [judge.nobody_is_stuck, judge.passes_values_on, judge.sleeps("buffer")]
    key = duet.random.randrange(1, 1 << 40)
    programs = ["ppp", "ppp", "pp", "qq", "qqqq", "qq"]
    judge.search(duet, programs, rules, STEP_CONDVAR, times=12, runs=40, key=key)


def test_condvar_signal(duet: Duet) -> None:
    programs = ["k", "kzk", "k", "Zs" + duet.random.choice(["s", "zs"]), "zsZs"]
    judge.search(duet, programs, [judge.wakes_who_waits], STEP_CONDVAR, runs=3)
    programs = ["k", "hk", "k", "hs", "shhs"]
    judge.search(duet, programs, [judge.wakes_who_waits], STEP_CONDVAR, times=20, runs=16)


def test_semaphore(duet: Duet) -> None:
    units = duet.random.randrange(2, 4)
    rules = [judge.unit_counts(units), judge.nobody_is_stuck, judge.sleeps("semaphore")]
    programs = ["dhD", "dzD", "dZDz", "dDdhD", "dzhD"]
    judge.search(duet, programs, rules, STEP_SEMAPHORE, times=4, units=units)
    one = ["dcD", "dhD"] * 2
    rules = [judge.unit_counts(1), judge.nobody_is_stuck, judge.counts]
    judge.search(duet, one, rules, STEP_SEMAPHORE, times=4, units=1)
    # Two units come at once, for two who sleep, and then nobody comes any more.
    last = ["dZD", "dZD", "zdD", "zdD"]
    judge.search(duet, last, [judge.unit_counts(2), judge.nobody_is_stuck], STEP_SEMAPHORE, units=2)


def test_rwlock_excludes(duet: Duet) -> None:
    rules = [judge.readers_and_writers, judge.counts, judge.nobody_is_stuck]
    programs = ["rghR", "rhgR", "wcW", "whcW", "rgzR"]
    judge.search(duet, programs, rules, STEP_RWLOCK, times=4)


def test_readers_together(duet: Duet) -> None:
    count = duet.random.randrange(3, 6)
    rules = [judge.readers_and_writers, judge.readers_meet(count), judge.nobody_is_stuck]
    judge.search(duet, ["rZZZZgR"] * count + ["ZZwcW"], rules, STEP_RWLOCK, runs=3)


def test_the_system_works(duet: Duet) -> None:
    """Pipelines and the file system: the kernel's own locks are of this kind."""
    count, digit = duet.random.randrange(400, 800), duet.random.randrange(1, 9)
    # All of them want the folder at the same time, and have to wait for each other.
    command = "for n in 1 2 3 4 5 6; do (mkdir /root/d$n; rmdir /root/d$n) & done; wait; "
    command += f"seq {count} | grep {digit} | sort -r > /root/out; wc -l < /root/out; sync"
    words = ("strategy=random:40",)
    run = duet.run(command, cpus=2, keep_image=True, seed=11, kernel_arguments=words)
    lines = sorted((str(n) for n in range(1, count + 1) if str(digit) in str(n)), reverse=True)
    duet.check(str(len(lines)), run.output.strip(), STEP_MUTEX)
    duet.check("\n".join(lines) + "\n", run.read("/root/out"), STEP_MUTEX)
    duet.check("no damage", "\n".join(run.damage()) or "no damage", STEP_MUTEX)
