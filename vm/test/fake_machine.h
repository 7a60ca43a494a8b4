/*
 * A machine for unit tests: memory, locks that check themselves, and a processor that obeys the
 * page tables and caches translations as a TLB may, so that a forgotten invalidation shows.
 */
#pragma once

#include "kern/machine.h"
#include "kern/types.h"

/* Count a check; when it fails, say where and end the test. */
#define CHECK(condition) fake_check((condition), #condition, __FILE__, __LINE__)
void fake_check(bool ok, const char *text, const char *file, int line);

/* Print "ok N checks"; the result of main(). */
int fake_done(void);

/* Make memory in the direct map, and start the page allocator and the heap with it. */
void fake_start(const struct memory_range *ranges, size_t count);

/* Call fn() in a child process: does it panic with a message that contains `text`? */
bool fake_panics(void (*fn)(void), const char *text);

/* A reproducible random number below `limit`. */
uint32_t fake_random(uint32_t limit);

/* Take all free pages but `left`, or give them back. */
void fake_hoard_pages(size_t left);
void fake_return_pages(void);

/*
 * What the processor does for an access of the program: use a cached translation or walk the
 * page table, set accessed and dirty bits, cache. Returns where the byte is, NULL on a page fault.
 */
uint8_t *fake_access(struct pmap *pmap, vaddr_t va, prot_t access);

/* How often machine_tlb_invalidate() was called. */
extern size_t fake_invalidations;
