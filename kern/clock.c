/*
 * Clocks and timeouts.
 *
 * Each CPU has a list of timeouts by deadline, and one timer. The timer is programmed for the
 * earlier of the first timeout and what the scheduler asked for; when that moves later the timer
 * is left alone, since a timer interrupt that finds nothing due costs less than reprogramming at
 * each change. An idle CPU with no timeouts therefore takes at most one more interrupt.
 *
 * Locks: timeouts->lock protects the list and `running`. `programmed` and the scheduler's
 * deadline belong to the CPU, with interrupts disabled.
 */
#include "kern/clock.h"

#include "kern/abi/errno.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/schedule_point.h"
#include "kern/trace.h"
#include "kern/wait.h"

/* With seed= each run begins at the same moment: 2023-11-14 22:13:20 UTC. */
#define SEEDED_BOOT_TIME (1700000000 * NSEC_PER_SEC)

struct timeouts {
    struct spinlock lock;
    struct list list;        /* (l) of struct timeout, by deadline */
    struct timeout *running; /* (l) whose function is being called */
    nsec_t sched_deadline;   /* the CPU's */
    nsec_t programmed;       /* the CPU's: when its timer will fire */
};

static struct timeouts timeouts[MAX_CPUS];

void clock_init_cpu(struct cpu *cpu)
{
    struct timeouts *t = &timeouts[cpu->id];

    spin_init(&t->lock, "timeouts", LOCK_TIMEOUT);
    list_init(&t->list);
    t->sched_deadline = t->programmed = NSEC_NEVER;
    cpu->timeouts = t;
}

nsec_t clock_monotonic(void)
{
    return machine_clock();
}

nsec_t clock_realtime(void)
{
    nsec_t boot = schedule_is_controlled ? SEEDED_BOOT_TIME : machine_boot_time();

    return boot + machine_clock();
}

/* Have the timer of this CPU fire at `deadline` or before. Interrupts are off. */
static void program(struct timeouts *t, nsec_t deadline)
{
    if (deadline >= t->programmed)
        return;
    t->programmed = deadline;
    machine_timer_set(deadline);
}

void clock_set_sched_deadline(nsec_t deadline)
{
    struct timeouts *t = cpu_self()->timeouts;

    t->sched_deadline = deadline;
    program(t, deadline);
}

void timeout_init(struct timeout *timeout, void (*function)(void *), void *argument)
{
    *timeout = (struct timeout){.function = function, .argument = argument};
    list_node_init(&timeout->link);
}

void timeout_set(struct timeout *timeout, nsec_t deadline)
{
    struct timeouts *t;
    struct list_node *before;

    interrupts_push();
    t = cpu_self()->timeouts;
    spin_lock(&t->lock);
    timeout->cpu = cpu_self();
    timeout->deadline = deadline;
    before = t->list.head.prev;
    while (before != &t->list.head &&
           container_of(before, struct timeout, link)->deadline > deadline)
        before = before->prev;
    list_insert_after(before, &timeout->link);
    program(t, deadline);
    spin_unlock(&t->lock);
    interrupts_pop();
}

bool timeout_cancel(struct timeout *timeout)
{
    struct timeouts *t;
    bool was_set;

    if (timeout->cpu == NULL)
        return false;
    t = timeout->cpu->timeouts;
    spin_lock(&t->lock);
    while (t->running == timeout) {
        spin_unlock(&t->lock);
        cpu_relax();
        spin_lock(&t->lock);
    }
    was_set = list_is_linked(&timeout->link);
    list_remove(&timeout->link);
    spin_unlock(&t->lock);
    return was_set;
}

/* Call what is due, each with the lock released. */
static void run_due(struct timeouts *t)
{
    spin_lock(&t->lock);
    while (!list_is_empty(&t->list)) {
        struct timeout *first = list_first(&t->list, struct timeout, link);

        if (first->deadline > machine_clock()) {
            program(t, first->deadline);
            break;
        }
        list_remove(&first->link);
        t->running = first;
        spin_unlock(&t->lock);
        first->function(first->argument);
        spin_lock(&t->lock);
        t->running = NULL;
    }
    spin_unlock(&t->lock);
}

void timer_interrupt(void)
{
    struct timeouts *t = cpu_self()->timeouts;

    trace_name(TRACE_INTERRUPT, "timer");
    t->programmed = NSEC_NEVER;
    run_due(t);
    if (t->sched_deadline <= machine_clock())
        t->sched_deadline = NSEC_NEVER;
    program(t, t->sched_deadline);
    sched_timer();
}

int clock_sleep_until(nsec_t deadline)
{
    struct spinlock lock = SPINLOCK_INITIALIZER("sleep", LOCK_SLEEP_LOCK);
    struct wait_queue nobody;
    int error = 0;

    wait_queue_init(&nobody);
    spin_lock(&lock);
    while (error == 0 && clock_monotonic() < deadline)
        error = wait_sleep_until(&nobody, &lock, deadline, true);
    spin_unlock(&lock);
    return error == -ETIMEDOUT ? 0 : error;
}
