/*
 * Physical pages: a buddy allocator over all free memory, and a reference count for each page.
 * Theory in vm/page.c.
 */
#pragma once

#include "kern/list.h"
#include "kern/types.h"
#include <machine/param.h>

/* (a) atomic, (f) the allocator's lock while free, the owner's while not */
struct page {
    uint32_t references;   /* (a) 0: free */
    uint8_t order;         /* (f) log2 of the block's length, in its first page */
    uint8_t flags;         /* (f) PAGE_ flags */
    struct list_node link; /* (f) the free list; the owner's use while allocated */
    void *owner;           /* (f) what the owner wants to find from the page */
#ifdef DEBUG
    uint64_t born;        /* (f) how many allocations there had been */
    vaddr_t allocated_by; /* (f) return address */
#endif
};

#define PAGE_FREE     1u /* first page of a free block */
#define PAGE_POISONED 2u /* filled with poison when it was freed (debug builds) */
#define PAGE_SLAB     4u /* the heap's: in a slab, which is `owner` */
#define PAGE_LARGE    8u /* the heap's: first page of a large allocation */

#define PAGE_ORDER_MAX 10 /* blocks of up to 4 MiB */

/* The owner sets the flags. Meanwhile the allocator may look whether the page is free. */
static inline void page_set_flags(struct page *page, uint8_t flags)
{
    __atomic_store_n(&page->flags, flags, __ATOMIC_RELAXED);
}

/* Take over all memory that the machine reports. Called once, before anything allocates. */
void page_init(void);

/*
 * Allocate 2^order contiguous pages, aligned to their size, with one reference. The contents
 * are undefined (poisoned in debug builds); page_alloc_zero() clears them.
 * Returns NULL when there are none. Any context.
 */
struct page *page_alloc(unsigned order) must_check;
struct page *page_alloc_zero(unsigned order) must_check;

/*
 * Allocate one page for a program or the page cache: as page_alloc(0), but the last part of the
 * memory is kept for the kernel, so that programs which take all they can get do not starve it.
 */
struct page *page_alloc_user(void) must_check;

/* Take or drop a reference to a block by its first page; the last one frees it. Any context. */
void page_reference(struct page *page);
void page_release(struct page *page);

/* How many references there are: stable only when the caller excludes others. */
uint32_t page_references(const struct page *page);

paddr_t page_address(const struct page *page);
struct page *page_from_address(paddr_t pa);

/* The page's bytes in the kernel's direct map. */
static inline void *direct_map(paddr_t pa)
{
    return (void *)(DIRECT_MAP_BASE + pa);
}

static inline paddr_t direct_map_address(const void *p)
{
    return (paddr_t)(vaddr_t)p - DIRECT_MAP_BASE;
}

static inline void *page_data(const struct page *page)
{
    return direct_map(page_address(page));
}

/* In pages. */
size_t page_total_count(void);
size_t page_free_count(void);

#ifdef DEBUG
/* Visit the first page of each block that is allocated; the page array and holes are none.
 * Nobody allocates meanwhile. */
void page_visit(void (*visit)(struct page *page));

/* How many allocations there have been. */
uint64_t page_births(void);
#endif
