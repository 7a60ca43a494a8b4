/*
 * Spinlocks: for what is short and may be touched by interrupt handlers.
 *
 * A CPU that holds one has interrupts disabled, so the holder is neither preempted nor
 * deadlocked by a handler that wants the same lock; nothing may sleep meanwhile. Debug builds
 * check holder, recursion and lock order (kern/lock_order.h).
 *
 *      spin_lock(&pipe->lock);
 *      ...
 *      spin_unlock(&pipe->lock);
 */
#pragma once

#include "kern/lock_order.h"
#include "kern/types.h"

struct cpu;

struct spinlock {
    uint32_t locked; /* (a) */
    enum lock_rank rank;
    const char *name;
#ifdef DEBUG
    struct cpu *holder;        /* written by the holder */
    vaddr_t taken_at;          /* where it was taken */
    struct spinlock *previous; /* the next older spinlock that this CPU holds */
#endif
};

#define SPINLOCK_INITIALIZER(lock_name, lock_rank)                                                 \
    {                                                                                              \
        .rank = (lock_rank), .name = (lock_name)                                                   \
    }

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank);

/* Take or release the lock. Interrupts are disabled between. */
void spin_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);

/* As spin_lock(), while holding another lock of the same rank; see lock_order.h for the order. */
void spin_lock_nested(struct spinlock *lock);

/* Take the lock if it is free; returns whether it was taken. Not subject to the lock order. */
bool spin_trylock(struct spinlock *lock) must_check;

/* Whether this CPU holds the lock; always true in release builds. For assertions. */
bool spin_is_held(const struct spinlock *lock);

/*
 * Disable interrupts, counted: the outermost pop restores what the outermost push found.
 * Spinlocks use these; so may code that must stay on its CPU for a moment.
 */
void interrupts_push(void);
void interrupts_pop(void);

/* panic() if the caller holds a spinlock or has interrupts disabled: "may sleep here". */
void assert_may_sleep(void);
