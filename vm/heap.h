/*
 * The kernel heap: slab-style caches of equal objects (Bonwick 1994) over physical pages. Debug
 * builds poison what is free, put red zones around what is not, and panic at overruns and
 * double frees, naming the cache and who allocated and freed last. Theory in vm/heap.c.
 */
#pragma once

#include "kern/types.h"

/* Prepare the heap; after page_init(). */
void heap_init(void);

/*
 * Allocate `size` bytes, aligned to 16 (to 64 from 64 bytes on). NULL when out of memory.
 * kzalloc() clears them. Any context.
 */
void *kmalloc(size_t size) must_check;
void *kzalloc(size_t size) must_check;

/* Free what kmalloc() or kzalloc() returned; NULL is fine. Any context. */
void kfree(void *p);

#ifdef DEBUG
/* An object of the heap or what is left of it, for reports of bugs. */
struct heap_object {
    vaddr_t start;
    size_t size; /* what was asked for */
    bool is_free;
    uint64_t born;                  /* how many allocations there had been; 0 while free */
    vaddr_t allocated_by, freed_by; /* return addresses; 0: never */
};

/* Find the object whose slot this address of the direct map lies in, if it is in one. */
bool heap_find(vaddr_t address, struct heap_object *object);

/* Visit what is allocated in a slab, by its first page, or in a large block. Nobody allocates. */
struct page;
void heap_visit(struct page *page, void (*visit)(const struct heap_object *object));

/* How many allocations there have been. */
uint64_t heap_births(void);
#endif

/* Bytes handed out and not freed, for leak checks. */
size_t heap_used(void);
