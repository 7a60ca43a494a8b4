/*
 * Ticket locks: spinlocks that are taken in the order of arrival.
 *
 * Who wants the lock draws a ticket, as in a shop, and waits until its number is called. So no CPU
 * can be passed by for ever, as with the plain kern/spinlock.h, and each waits for at most as many
 * others as there are CPUs. Like there, interrupts are disabled while one is held, and the
 * holder does not sleep. (Mellor-Crummey, Scott: *Algorithms for scalable synchronization on
 * shared-memory multiprocessors*, 1991, section 2.2.)
 */
#pragma once

#include "kern/types.h"

/* Free when both numbers are the same. They wrap around, together. */
struct ticket_lock {
    uint32_t next;    /* (a) the ticket that the next one draws */
    uint32_t serving; /* (a) whose turn it is; written by the holder only */
};

/* A free lock. Or let it be zeroed. */
void ticket_init(struct ticket_lock *lock);

/*
 * Take or release the lock. Interrupts are disabled between, and after that as they were before:
 * locks nest (interrupts_push()). Nothing that one holder wrote is hidden from the next.
 */
void ticket_lock(struct ticket_lock *lock);
void ticket_unlock(struct ticket_lock *lock);

/* Take the lock if it is free; returns whether it was taken. Does not wait. */
bool ticket_trylock(struct ticket_lock *lock) must_check;
