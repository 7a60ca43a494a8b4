/*
 * Controlled schedules: the word seed=N on the kernel's command line makes a run repeatable.
 *
 * At a *scheduling point* the kernel asks which CPU goes on, and whether the thread on this one
 * gives way to another. A strategy (kern/schedule_strategy.c) answers, from the seed alone. Theory
 * in kern/schedule_point.c; the whole in docs/determinism.md.
 *
 * Without seed= a scheduling point is the test of a flag that never changes.
 */
#pragma once

#include "kern/types.h"

struct spinlock;
struct thread;

enum schedule_kind {
    SCHEDULE_LOCK,   /* about to take a spinlock */
    SCHEDULE_UNLOCK, /* released it; interrupts that came meanwhile are taken here */
    SCHEDULE_SPIN,   /* waits for a spinlock until it is released */
    SCHEDULE_RELAX,  /* waits actively for something else */
    SCHEDULE_IDLE,   /* waits for an interrupt */
    SCHEDULE_ATOMIC, /* between two steps of which others may see one */
    SCHEDULE_TRAP,   /* a user program trapped */
    SCHEDULE_USER,   /* it is about to continue */
    SCHEDULE_TAKE,   /* which of the runnable threads is next */
};

/* (i) set by schedule_init() */
extern bool schedule_is_controlled;

/* Debuggers write the number of an event here, or the word until= does: then schedule_arrived()
 * is called. 0: never. */
extern uint64_t schedule_until;

/* schedule_point() when schedules are controlled. */
void schedule_reached(enum schedule_kind kind, const void *object, const char *name);

/*
 * A scheduling point. `object` is what it is about, a lock for instance, or NULL; `name` what
 * people call that. Any context, with and without locks: other CPUs may run before this
 * returns, and, if interrupts are enabled, handlers and other threads on this one.
 */
static inline void schedule_point(enum schedule_kind kind, const void *object, const char *name)
{
    if (__builtin_expect(schedule_is_controlled, false))
        schedule_reached(kind, object, name);
}

/* Where the kernel says which CPU runs, wait until `lock` is released, and return true. */
bool schedule_spin(const struct spinlock *lock, const char *name);

#define SCHEDULE_THREADS_MAX 32

/* Which of `count` threads that could run next does: an index, 0 for whose turn it is. */
unsigned schedule_choose_thread(struct thread *const threads[], unsigned count);

/* A program got further, in a way that must be the same in a run with the same seed. A run that
 * goes on for long without that is a livelock. */
void schedule_note_progress(uint64_t value);

/* A number that depends on the seed, `what` and `number` only. */
uint64_t schedule_random(const char *what, uint64_t number);

/* Read the command line. Called once, when memory can be allocated and nothing else runs. */
void schedule_init(void);

/* Tell the results channel how the run went. */
void schedule_report(void);
