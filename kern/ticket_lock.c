/*
 * Ticket locks. Two counters and no list: `next` is a dispenser, from which an atomic addition
 * takes one ticket, whoever else does the same; `serving` is the display, which only the holder
 * changes.
 *
 * What orders the memory: the holder's last step is a store with release semantics, a waiter's
 * last step the load that sees it, with acquire semantics. So all that the one did
 * happened before all that the other will do.
 */
#include "kern/ticket_lock.h"

#include "kern/cpu.h"
#include "kern/print.h"
#include "kern/solutions.h"
#include "kern/spinlock.h"

void ticket_init(struct ticket_lock *lock)
{
    *lock = (struct ticket_lock){0};
}

#if SOL_SYNC
void ticket_lock(struct ticket_lock *lock)
{
    uint32_t ticket;

    interrupts_push();
    ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket) {
        panic_check();
        cpu_relax();
    }
}

void ticket_unlock(struct ticket_lock *lock)
{
    uint32_t ticket = __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);

    __atomic_store_n(&lock->serving, ticket + 1, __ATOMIC_RELEASE);
    interrupts_pop();
}

bool ticket_trylock(struct ticket_lock *lock)
{
    uint32_t ticket;

    interrupts_push();
    ticket = __atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE);
    if (__atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        return true;
    interrupts_pop();
    return false;
}
#else
/*
 * Lab sync, step 1. This keeps interrupt handlers and the other threads of this CPU away, but no
 * other CPU: that is what the tickets are for. Use the compiler's atomic operations
 * (__atomic_fetch_add() and its like), with the memory order that each needs.
 */
void ticket_lock(struct ticket_lock *lock)
{
    (void)lock;
    interrupts_push();
}

void ticket_unlock(struct ticket_lock *lock)
{
    (void)lock;
    interrupts_pop();
}

bool ticket_trylock(struct ticket_lock *lock)
{
    (void)lock;
    interrupts_push();
    return true;
}
#endif
