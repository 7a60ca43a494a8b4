/*
 * Page tables: a radix tree over <machine/pte.h>, the same code on every machine. What the
 * processor caches of it is invalidated through machine_tlb_invalidate(). Theory in vm/pmap.c.
 */
#pragma once

#include "kern/spinlock.h"
#include "kern/types.h"
#include <machine/pmap.h>
#include <machine/pte.h>

struct pmap {
    struct spinlock lock;
    paddr_t root;                /* (i) the top-level table */
    size_t resident;             /* (l) user pages mapped */
    struct machine_pmap machine; /* the machine's */
};

/* Make an empty page table. Returns 0 or -ENOMEM. */
int pmap_create(struct pmap *pmap) must_check;

/* Free the tables; no CPU has it active. The pages mapped are the caller's business. */
void pmap_destroy(struct pmap *pmap);

/*
 * Map the page frame `pa` at user address `va` with `prot`; replaces what was there.
 *
 * va, pa: page-aligned, in bytes. The map's lock is held. The old translation is
 * invalidated on every CPU before this returns.
 * Returns 0, or -ENOMEM if a table page cannot be had (nothing changed then).
 */
int pmap_enter(struct pmap *pmap, vaddr_t va, paddr_t pa, prot_t prot) must_check;

/*
 * Remove the translations of [start, end), invalidate them everywhere, and only then call
 * release(pa, dirty, argument) for each frame that was mapped; NULL: no calls.
 */
void pmap_remove(struct pmap *pmap, vaddr_t start, vaddr_t end,
                 void (*release)(paddr_t pa, bool dirty, void *argument), void *argument);

/* Take away from the pages of [start, end) every permission that is not in `prot`. */
void pmap_protect(struct pmap *pmap, vaddr_t start, vaddr_t end, prot_t prot);

/* The entry that translates `va`, 0 when there is none. A snapshot: the caller holds the map's
 * lock if it must stay true. */
pte_t pmap_lookup(struct pmap *pmap, vaddr_t va);

/* Set the accessed and, if `write`, the dirty bit of `va`'s entry, as an access would. */
void pmap_mark_accessed(struct pmap *pmap, vaddr_t va, bool write);
