/*
 * Who changed which page table entry (debug builds): vm/pmap.c notes each change that takes
 * something away, so that a missing invalidation can be traced to its author.
 */
#pragma once

#include "kern/types.h"
#include <machine/pte.h>

#define PMAP_CALLS 8

/* The last change of an entry that vm/pmap.c made. */
struct pmap_change {
    pte_t old, new;
    vaddr_t calls[PMAP_CALLS]; /* return addresses, the innermost first; 0 ends them */
};

#ifdef DEBUG

/* The caller has changed an entry. Nothing is noted of accessed and dirty bits that were set. */
void pmap_note_change(const pte_t *entry, pte_t old, pte_t new);

/* The last change noted of an entry; false when none is remembered. Any context. */
bool pmap_last_change(const pte_t *entry, struct pmap_change *change) must_check;

#else

static inline void pmap_note_change(const pte_t *entry, pte_t old, pte_t new)
{
    (void)entry;
    (void)old;
    (void)new;
}

#endif
