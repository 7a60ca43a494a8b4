/*
 * Page tables: a radix tree over <machine/pte.h>, the same code on every machine. What the
 * processor caches of it is invalidated through machine_tlb_invalidate(). Theory in vm/pmap.c.
 */
#pragma once

#include "kern/list.h"
#include "kern/spinlock.h"
#include "kern/types.h"
#include <machine/pmap.h>
#include <machine/pte.h>

struct page;

struct pmap {
    struct spinlock lock;
    paddr_t root;                /* (i) the top-level table */
    struct list tables;          /* (l) the pages of all tables, the root's too, by link */
    size_t resident;             /* (l) user pages mapped */
    struct machine_pmap machine; /* the machine's */
};

/* What becomes of a frame that is no longer mapped; see pmap_remove(). */
typedef void pmap_release_fn(paddr_t pa, bool dirty, void *argument);

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

/* As pmap_enter(), and mark the page as just accessed by `access` (the fault that asked). */
int pmap_enter_accessed(struct pmap *pmap, vaddr_t va, paddr_t pa, prot_t prot,
                        prot_t access) must_check;

/*
 * Map pages[i] at va + i * PAGE_SIZE wherever pages[i] is not NULL, nothing is mapped there and
 * the table for it exists; the pages that were taken become NULL in the array. All lie in one
 * leaf table. The map's lock is held. For what is likely to be wanted soon: the entries are marked
 * accessed, which spares the processor that, and machines that take such along when they cache
 * a neighbour a fault.
 */
void pmap_enter_absent(struct pmap *pmap, vaddr_t va, struct page *pages[], size_t count,
                       prot_t prot);

/*
 * Remove the translations of [start, end), invalidate them everywhere, and only then call
 * release(pa, dirty, argument) for each frame that was mapped; NULL: no calls. The map's lock
 * is held.
 */
void pmap_remove(struct pmap *pmap, vaddr_t start, vaddr_t end, pmap_release_fn *release,
                 void *argument);

/*
 * As pmap_remove() of a page table that no CPU will use again: without invalidation, and
 * without keeping `resident`.
 */
void pmap_clear(struct pmap *pmap, vaddr_t start, vaddr_t end, pmap_release_fn *release,
                void *argument);

/*
 * Take away from the pages of [start, end) every permission that is not in `prot`, which is not
 * PROT_NONE: that is pmap_remove(). The map's lock is held.
 */
void pmap_protect(struct pmap *pmap, vaddr_t start, vaddr_t end, prot_t prot);

/* The entry that translates `va`, 0 when there is none. A snapshot: the caller holds the map's
 * lock if it must stay true. */
pte_t pmap_lookup(struct pmap *pmap, vaddr_t va);

/* Set the accessed and, if `write`, the dirty bit of `va`'s entry, as an access would. */
void pmap_mark_accessed(struct pmap *pmap, vaddr_t va, bool write);
