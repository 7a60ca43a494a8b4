/*
 * Reader-writer locks. Who leaves decides who comes in, and says so in the counters before it wakes
 * them: a sleeper that is woken is in already and tests nothing. This is right because
 * wait_sleep() returns only after a wake-up, and each wake-up is meant for the longest sleeper.
 *
 * Invariants, whenever rwlock->lock is free: `is_written` or `readers` is 0; a reader waits only
 * while a writer is in or waits; a writer waits only while somebody is in.
 */
#include "kern/rwlock.h"

#include "kern/solutions.h"

void rwlock_init(struct rwlock *rwlock, const char *name)
{
    *rwlock = (struct rwlock){0};
    spin_init(&rwlock->lock, name, LOCK_SLEEP_LOCK);
    wait_queue_init(&rwlock->reader_queue);
    wait_queue_init(&rwlock->writer_queue);
}

#if SOL_SYNC
/* The next writer comes in, if one waits. rwlock->lock is held, and nobody is in. */
static void admit_writer(struct rwlock *rwlock)
{
    if (rwlock->waiting_writers == 0)
        return;
    rwlock->waiting_writers--;
    rwlock->is_written = true;
    wait_wake_one(&rwlock->writer_queue);
}

void rwlock_read_lock(struct rwlock *rwlock)
{
    assert_may_sleep();
    spin_lock(&rwlock->lock);
    if (rwlock->is_written || rwlock->waiting_writers > 0) {
        rwlock->waiting_readers++;
        wait_sleep(&rwlock->reader_queue, &rwlock->lock);
    } else {
        rwlock->readers++;
    }
    spin_unlock(&rwlock->lock);
}

void rwlock_read_unlock(struct rwlock *rwlock)
{
    spin_lock(&rwlock->lock);
    if (--rwlock->readers == 0)
        admit_writer(rwlock);
    spin_unlock(&rwlock->lock);
}

void rwlock_write_lock(struct rwlock *rwlock)
{
    assert_may_sleep();
    spin_lock(&rwlock->lock);
    if (rwlock->is_written || rwlock->readers > 0) {
        rwlock->waiting_writers++;
        wait_sleep(&rwlock->writer_queue, &rwlock->lock);
    } else {
        rwlock->is_written = true;
    }
    spin_unlock(&rwlock->lock);
}

void rwlock_write_unlock(struct rwlock *rwlock)
{
    spin_lock(&rwlock->lock);
    rwlock->is_written = false;
    rwlock->readers = rwlock->waiting_readers;
    rwlock->waiting_readers = 0;
    if (rwlock->readers > 0)
        wait_wake_all(&rwlock->reader_queue);
    else
        admit_writer(rwlock);
    spin_unlock(&rwlock->lock);
}
#else
/* Lab sync, step 5. The door stands open, for readers and writers alike. */
void rwlock_read_lock(struct rwlock *rwlock)
{
    (void)rwlock;
}

void rwlock_read_unlock(struct rwlock *rwlock)
{
    (void)rwlock;
}

void rwlock_write_lock(struct rwlock *rwlock)
{
    (void)rwlock;
}

void rwlock_write_unlock(struct rwlock *rwlock)
{
    (void)rwlock;
}
#endif
