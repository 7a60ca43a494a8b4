/*
 * Wait queues: where a thread sleeps until a condition holds.
 *
 * The condition belongs to the caller and is protected by the caller's spinlock; the
 * queue only remembers who sleeps. wait_sleep() releases that lock and blocks in one
 * step, so a wake-up between the test and the sleep cannot be lost:
 *
 *      spin_lock(&pipe->lock);
 *      while (pipe_is_empty(pipe))
 *              wait_sleep(&pipe->readers, &pipe->lock);
 *
 * Locks: queue->lock is taken under the caller's lock and before any run queue's.
 */
#pragma once

#include "kern/list.h"
#include "kern/spinlock.h"
#include "kern/types.h"

struct wait_queue {
    struct spinlock lock;
    struct list waiters; /* (l) of struct waiter, the longest sleeper first */
};

#define WAIT_QUEUE_INITIALIZER(queue)                                                              \
    {                                                                                              \
        .lock = SPINLOCK_INITIALIZER("wait queue", LOCK_WAIT_QUEUE),                               \
        .waiters = LIST_INITIALIZER((queue).waiters),                                              \
    }

void wait_queue_init(struct wait_queue *queue);

/*
 * Sleep until woken. `lock` is held by the caller, released while asleep and held again on
 * return; no other spinlock is held. The caller tests its condition again: a wake-up says only
 * that it may have changed.
 */
void wait_sleep(struct wait_queue *queue, struct spinlock *lock);

/*
 * As wait_sleep(), but a signal that the thread would act on ends the sleep too.
 * Returns 0, or -EINTR when such a signal is pending (also without having slept).
 */
int wait_sleep_interruptible(struct wait_queue *queue, struct spinlock *lock) must_check;

/*
 * As wait_sleep_interruptible(), until `deadline` of machine_clock() at the latest.
 * Returns 0 when woken, -ETIMEDOUT or -EINTR. NSEC_NEVER is no deadline.
 */
int wait_sleep_until(struct wait_queue *queue, struct spinlock *lock, nsec_t deadline,
                     bool interruptible) must_check;

/* Wake the longest sleeper, or all. The caller's lock should be held. Any context. */
void wait_wake_one(struct wait_queue *queue);
void wait_wake_all(struct wait_queue *queue);
