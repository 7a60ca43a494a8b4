/*
 * The scheduler: which thread runs on which CPU. Theory in kern/sched.c.
 */
#pragma once

#include "kern/list.h"
#include "kern/spinlock.h"
#include "kern/types.h"

struct cpu;
struct thread;

/* One CPU's runnable threads, first come first served. */
struct run_queue {
    struct spinlock lock;
    struct list threads; /* (l) of struct thread, by run_link */
    unsigned length;     /* (l) read without the lock as a hint */
};

/* Prepare the run queue of `cpu`. */
void sched_init_cpu(struct cpu *cpu);

/* Make a sleeping or new thread runnable. Any context; takes a run queue's lock. */
void sched_make_runnable(struct thread *thread);

/* Let others run; returns when it is this thread's turn again. No spinlock is held. */
void sched_give_way(void);

/*
 * Switch away from the current thread, whose state is no longer THREAD_RUNNING. Called with
 * interrupts disabled by one interrupts_push() and no spinlock held.
 */
void sched_switch(void);

/* If the current CPU was asked to, let another thread run. Interrupts enabled, no locks. */
void sched_check(void);

/* The loop of the idle threads. */
void sched_idle(void) noreturn_fn;
