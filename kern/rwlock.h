/*
 * Reader-writer locks: many may look at the same time, one alone may change.
 *
 * Readers and writers take turns, so that neither waits for ever:
 *
 *   - a reader that comes while a writer waits, waits behind it;
 *   - when a writer leaves, all readers that wait then come in, before the next writer.
 *
 * They sleep while they wait. A thread does not take a lock again that it has, not even as a
 * reader: with a writer in between that waits it would wait for itself.
 */
#pragma once

#include "kern/spinlock.h"
#include "kern/types.h"
#include "kern/wait.h"

struct rwlock {
    struct spinlock lock;
    bool is_written;          /* (l) a writer is in */
    unsigned readers;         /* (l) that are in */
    unsigned waiting_readers; /* (l) */
    unsigned waiting_writers; /* (l) */
    struct wait_queue reader_queue, writer_queue;
};

void rwlock_init(struct rwlock *rwlock, const char *name);

/* Come in as one of any number of readers, and leave. No spinlock is held. */
void rwlock_read_lock(struct rwlock *rwlock);
void rwlock_read_unlock(struct rwlock *rwlock);

/* Come in as the only one, and leave. No spinlock is held. */
void rwlock_write_lock(struct rwlock *rwlock);
void rwlock_write_unlock(struct rwlock *rwlock);
