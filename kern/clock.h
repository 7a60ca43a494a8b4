/*
 * Time: the clocks, sleeping, and timeouts. Tickless: a CPU's timer is programmed for the next
 * event only (a timeout, or the end of a time slice while others wait), and an idle machine
 * takes no timer interrupts.
 */
#pragma once

#include "kern/list.h"
#include "kern/types.h"

struct cpu;

/* CLOCK_MONOTONIC and CLOCK_REALTIME, in nanoseconds. */
nsec_t clock_monotonic(void);
nsec_t clock_realtime(void);

/* The sum of two times, NSEC_NEVER when it is too long to count. */
static inline nsec_t clock_add(nsec_t a, nsec_t b)
{
    return a > NSEC_NEVER - b ? NSEC_NEVER : a + b;
}

/*
 * The struct timespec at `address`, one too long to count as NSEC_NEVER. kern/sys_time.c.
 * Returns 0, -EFAULT, -ENOMEM, or -EINVAL.
 */
int clock_copyin(uaddr_t address, nsec_t *time) must_check;

/*
 * A function to be called at a time. The owner keeps the structure until the call has been made
 * or timeout_cancel() returned.
 */
struct timeout {
    struct list_node link; /* the lock of `cpu`'s timeouts */
    nsec_t deadline;       /* of clock_monotonic() */
    void (*function)(void *argument);
    void *argument;
    struct cpu *cpu; /* whose timer it waits for; NULL: not set */
};

void timeout_init(struct timeout *timeout, void (*function)(void *), void *argument);

/*
 * Call the function at `deadline`, in an interrupt handler on this CPU, with no locks held. The
 * timeout is not set yet. Any context.
 */
void timeout_set(struct timeout *timeout, nsec_t deadline);

/*
 * Make sure that the function will not be called any more; waits for a call in progress on
 * another CPU. The caller holds no lock that the function takes. Returns whether it was still set.
 */
bool timeout_cancel(struct timeout *timeout);

/*
 * Sleep until `deadline` of clock_monotonic(). Returns 0 or -EINTR when a signal came first.
 */
int clock_sleep_until(nsec_t deadline) must_check;

/* Prepare the timeouts of a CPU. For kern/main.c. */
void clock_init_cpu(struct cpu *cpu);

/*
 * For kern/sched.c, on this CPU with interrupts disabled: call sched_timer() at `deadline` at the
 * latest; it may also be called earlier. NSEC_NEVER: not needed.
 */
void clock_set_sched_deadline(nsec_t deadline);
