/*
 * The history of page table entries: a hash table by the entry's address, in which a change of
 * another entry may overwrite an older one. It is asked about what happened just now.
 *
 * kern/gdb/memory.py reads it, too.
 *
 * A slot is written by whoever takes it, without waiting: a change that finds its slot taken by
 * another CPU is not noted. So what is remembered is never a mixture of two changes.
 */
#include "vm/pmap_history.h"

#ifdef DEBUG

#include "kern/symbols.h"
#include "kern/thread.h"
#include <machine/param.h>

#define SLOT_BITS 10

static struct slot {
    uint32_t taken;     /* (a) */
    const pte_t *entry; /* NULL: empty */
    struct pmap_change change;
} pmap_history[1UL << SLOT_BITS];

static struct slot *take_slot(const pte_t *entry)
{
    uint64_t hash = (vaddr_t)entry / sizeof(pte_t) * 0x9e3779b97f4a7c15UL;
    struct slot *slot = &pmap_history[hash >> (64 - SLOT_BITS)];

    return __atomic_exchange_n(&slot->taken, 1, __ATOMIC_ACQUIRE) == 0 ? slot : NULL;
}

static void leave_slot(struct slot *slot)
{
    __atomic_store_n(&slot->taken, 0, __ATOMIC_RELEASE);
}

void pmap_note_change(const pte_t *entry, pte_t old, pte_t new)
{
    vaddr_t fp = (vaddr_t)__builtin_frame_address(0), stack = (vaddr_t)thread_self()->stack;
    struct slot *slot = NULL;

    if (((old ^ new) & ~(new &(PTE_ACCESSED | PTE_DIRTY))) != 0)
        slot = take_slot(entry);
    if (slot == NULL)
        return;
    slot->entry = entry;
    slot->change = (struct pmap_change){.old = old, .new = new};
    backtrace_collect(fp, stack, stack + KERNEL_STACK_SIZE, slot->change.calls, PMAP_CALLS);
    leave_slot(slot);
}

bool pmap_last_change(const pte_t *entry, struct pmap_change *change)
{
    struct slot *slot = take_slot(entry);
    bool is_known;

    if (slot == NULL)
        return false;
    is_known = slot->entry == entry;
    if (is_known)
        *change = slot->change;
    leave_slot(slot);
    return is_known;
}

#endif
