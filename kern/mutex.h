/*
 * Sleep locks (mutexes) and condition variables: for what is held across disk I/O, page
 * faults or long work. A thread that cannot have one sleeps; the holder may be preempted.
 * Not for interrupt handlers. Debug builds check holder, recursion and lock order.
 */
#pragma once

#include "kern/lock_order.h"
#include "kern/spinlock.h"
#include "kern/wait.h"

struct thread;

struct mutex {
    struct spinlock lock;
    struct thread *holder; /* (l) NULL: free */
    struct wait_queue waiters;
    enum lock_rank rank;
    const char *name;
#ifdef DEBUG
    vaddr_t taken_at;       /* where it was taken */
    struct mutex *previous; /* the next older mutex that the holder holds */
#endif
};

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank);

/* Take or release the mutex. May sleep: no spinlock is held. */
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

/* As mutex_lock(), while holding another of the same rank; see lock_order.h for the order. */
void mutex_lock_nested(struct mutex *mutex);

/* Take it if it is free; returns whether it was taken. Does not sleep. */
bool mutex_trylock(struct mutex *mutex) must_check;

/* Whether the current thread holds it. */
bool mutex_is_held(struct mutex *mutex);

/* Whether anybody holds it; true only for the moment, unless the caller knows more. Any context. */
bool mutex_is_taken(const struct mutex *mutex);

/* A condition variable (Hoare 1974, with Mesa's semantics): used with one mutex. */
struct condvar {
    struct spinlock lock;
    struct wait_queue waiters;
};

void condvar_init(struct condvar *condvar);

/*
 * Release `mutex` and sleep, in one step: whoever signals with the mutex held wakes this thread,
 * too. Takes the mutex again before it returns, which it does after a signal only; the caller
 * tests its condition again, since another thread may have come first.
 */
void condvar_wait(struct condvar *condvar, struct mutex *mutex);

/* Wake the longest sleeper, or all. When nobody sleeps, nothing happens, now or later. */
void condvar_signal(struct condvar *condvar);
void condvar_broadcast(struct condvar *condvar);
