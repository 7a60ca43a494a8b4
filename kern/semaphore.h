/*
 * Counting semaphores (Dijkstra 1965): for what there are only so many of.
 *
 * A semaphore is a number that is never negative. Who takes a unit sleeps until there is one; who
 * gives one back wakes a sleeper. Unlike a mutex it has no holder: another thread, or an interrupt
 * handler, may give what this one waits for.
 */
#pragma once

#include "kern/spinlock.h"
#include "kern/types.h"
#include "kern/wait.h"

struct semaphore {
    struct spinlock lock;
    unsigned units;            /* (l) that are there */
    struct wait_queue waiters; /* for a unit */
};

void semaphore_init(struct semaphore *semaphore, const char *name, unsigned units);

/* Take a unit; sleeps until there is one. No spinlock is held. */
void semaphore_take(struct semaphore *semaphore);

/* Take a unit if there is one; returns whether it was taken. Any context. */
bool semaphore_try(struct semaphore *semaphore) must_check;

/* Give a unit, and wake one sleeper, if any. Any context. */
void semaphore_give(struct semaphore *semaphore);
