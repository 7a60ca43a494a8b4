/*
 * The report of a deadlock: who waits for what, who has it, and where that goes round in a circle.
 *
 *      thread 14 'mv' (process 5) waits for mutex 'vnode', which thread 15 'ln' (process 6) holds
 *      cpu 1, thread 9 'cat' (process 7) waits for spinlock 'pipe', which cpu 0 holds
 *      thread 3 'sh' (process 2) sleeps on 'process tree'
 *      a circle: thread 14 -> thread 15 -> thread 14
 *
 * Whoever sleeps on a wait queue waits for an event that anybody could cause, so there is no
 * holder; the backtraces, which the report of a panic has, say which. The CPUs stand still.
 */
#include "kern/deadlock.h"

#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/mutex.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/thread.h"

#define CIRCLE_MAX 64 /* threads in a circle that is found */

static void print_who(const struct thread *thread)
{
    kprintf("thread %u '%s'", thread->number, thread->name);
    if (thread->process != NULL)
        kprintf(" (process %d)", thread->process->pid);
}

static void print_spinning_cpu(unsigned id, const struct spinlock *lock)
{
    kprintf("cpu %u, ", id);
    print_who(cpus[id].current);
    kprintf(" waits for spinlock '%s'", lock->name);
#ifdef DEBUG
    if (lock->holder != NULL)
        kprintf(", which cpu %u holds", lock->holder->id);
#endif
    kprintf("\n");
}

/* Whom it waits for, or NULL. */
static const struct thread *holder_of_wanted(const struct thread *thread)
{
    return thread->wanted_mutex != NULL ? thread->wanted_mutex->holder : NULL;
}

static void print_sleeper(struct thread *thread, void *unused)
{
    const struct thread *holder = holder_of_wanted(thread);

    (void)unused;
    if (thread->waiting_for == NULL)
        return;
    print_who(thread);
    if (thread->wanted_mutex == NULL) {
        kprintf(" sleeps on '%s'\n", thread->waiting_for);
        return;
    }
    kprintf(" waits for mutex '%s'", thread->waiting_for);
    if (holder != NULL) {
        kprintf(", which ");
        print_who(holder);
        kprintf(" holds");
    }
    kprintf("\n");
}

/* Follow who waits for whom; print it where that comes back to `first`, the circle's lowest number.
 */
static void print_circle(struct thread *first, void *unused)
{
    const struct thread *thread = first;
    int steps = 0;

    (void)unused;
    do {
        thread = holder_of_wanted(thread);
    } while (thread != NULL && thread->number > first->number && ++steps < CIRCLE_MAX);
    if (thread != first)
        return;
    kprintf("a circle: thread %u", first->number);
    do {
        thread = holder_of_wanted(thread);
        kprintf(" -> thread %u", thread->number);
    } while (thread != first);
    kprintf("\n");
}

void deadlock_explain(const void *spins_on)
{
    const struct spinlock *const *locks = spins_on;

    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        if (locks[id] != NULL)
            print_spinning_cpu(id, locks[id]);
    }
    thread_for_each(print_sleeper, NULL);
    thread_for_each(print_circle, NULL);
}
