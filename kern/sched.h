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
    nsec_t slice_end;    /* (l) when the current thread has run long enough, if others wait */
    nsec_t balance_at;   /* (l) when an idle CPU is to be offered the waiting threads */
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

/* The timer's call, at the deadline asked for or earlier. In an interrupt handler. */
void sched_timer(void);

/* The first thing on the stack of a new thread: ends the switch to it. */
void sched_finish_switch(void);

/* If `thread` sleeps interruptibly, wake it. Any context. */
void sched_interrupt(struct thread *thread);

/* The loop of the idle threads. */
void sched_idle(void) noreturn_fn;
