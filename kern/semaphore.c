/*
 * Counting semaphores. The unit that semaphore_give() adds is not reserved for the sleeper that it
 * wakes: a thread that comes by may take it first, and the sleeper looks again.
 */
#include "kern/semaphore.h"

#include "kern/solutions.h"

void semaphore_init(struct semaphore *semaphore, const char *name, unsigned units)
{
    spin_init(&semaphore->lock, name, LOCK_SLEEP_LOCK);
    semaphore->units = units;
    wait_queue_init(&semaphore->waiters);
}

#if SOL_SYNC
void semaphore_take(struct semaphore *semaphore)
{
    assert_may_sleep();
    spin_lock(&semaphore->lock);
    while (semaphore->units == 0)
        wait_sleep(&semaphore->waiters, &semaphore->lock);
    semaphore->units--;
    spin_unlock(&semaphore->lock);
}

bool semaphore_try(struct semaphore *semaphore)
{
    bool is_there;

    spin_lock(&semaphore->lock);
    is_there = semaphore->units > 0;
    if (is_there)
        semaphore->units--;
    spin_unlock(&semaphore->lock);
    return is_there;
}

void semaphore_give(struct semaphore *semaphore)
{
    spin_lock(&semaphore->lock);
    semaphore->units++;
    wait_wake_one(&semaphore->waiters);
    spin_unlock(&semaphore->lock);
}
#else
/* Lab sync, step 4. Everybody gets a unit, whether there is one or not. */
void semaphore_take(struct semaphore *semaphore)
{
    (void)semaphore;
}

bool semaphore_try(struct semaphore *semaphore)
{
    (void)semaphore;
    return true;
}

void semaphore_give(struct semaphore *semaphore)
{
    (void)semaphore;
}
#endif
