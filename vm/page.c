/*
 * Physical pages: a buddy allocator (Knowlton 1965; Knuth, vol. 1, section 2.5).
 *
 * Free memory is kept as blocks of 2^order pages that are aligned to their size, one list an
 * order. A block that is too large is halved until it fits; the two halves are buddies:
 * their page numbers differ in one bit. When a block is freed and its buddy is free and
 * whole, the two become one block again, and so on upwards:
 *
 *      order 2   [ 0 . . . ]            page_alloc(0) halves 0..3 into 2..3 and 1
 *      order 1   [ 0 . ][ 2 . ]         and hands out 0;
 *      order 0   [0][1]                 freeing 0 joins 0+1, then 0..1 + 2..3.
 *
 * `page_array` has one struct page for every page from the lowest to the highest of the
 * memory; it lies at the start of the first range that can hold it. Pages in holes, and those
 * of the array itself, are never free, so nothing joins across a hole.
 *
 * Invariants: PAGE_FREE is set in the first page of each free block and nowhere else;
 * references == 0 exactly for pages that are free, in a hole, or not first in their block.
 *
 * Debug builds fill what is freed with a pattern and check it when it is handed out again:
 * a difference is a write through a stale pointer. Memory that was never allocated is not
 * filled at start, so that booting does not touch all of it.
 *
 * Locks: page_lock, the innermost but for the scheduler's. Any context may allocate.
 */
#include "vm/page.h"
#include "kern/fail.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/sanitizer.h"
#include "kern/spinlock.h"
#include "kern/string.h"

#define MEMORY_RANGES_MAX 64
#define USER_RESERVE      64 /* 1/64 of the memory is the kernel's alone */
#define POISON_WORD       0xdead4badf5eef5eeUL

static struct spinlock page_lock = SPINLOCK_INITIALIZER("pages", LOCK_PAGES);
static struct list free_blocks[PAGE_ORDER_MAX + 1]; /* (l) */
static size_t free_count;                           /* (l) read without as a hint */

/* Immutable after page_init(). */
static struct page *page_array;
static pfn_t page_array_base, page_array_end; /* the pages that it describes */
static size_t total_count;

static inline pfn_t page_number(const struct page *page)
{
    return page_array_base + (pfn_t)(page - page_array);
}

paddr_t page_address(const struct page *page)
{
    return page_number(page) << PAGE_SHIFT;
}

struct page *page_from_address(paddr_t pa)
{
    pfn_t number = pa >> PAGE_SHIFT;

    assert(number >= page_array_base && number < page_array_end);
    return &page_array[number - page_array_base];
}

/* The other half of the block of twice the size, or NULL when it is outside of the array. */
static struct page *buddy_of(struct page *page, unsigned order)
{
    pfn_t number = page_number(page) ^ (1UL << order);

    if (number < page_array_base || number >= page_array_end)
        return NULL;
    return &page_array[number - page_array_base];
}

/* Put a block on its free list; page_lock is held. */
static void put_block(struct page *page, unsigned order)
{
    page->order = (uint8_t)order;
    page_set_flags(page, page->flags | PAGE_FREE);
    list_push_front(&free_blocks[order], &page->link);
}

/* Take a block off its free list; page_lock is held. */
static void take_block(struct page *page)
{
    page_set_flags(page, page->flags & (uint8_t)~PAGE_FREE);
    list_remove(&page->link);
}

/* Free a block, joining it with its buddies as far as they are free. */
static void free_block(struct page *page, unsigned order)
{
    spin_lock(&page_lock);
    __atomic_store_n(&free_count, free_count + (1UL << order), __ATOMIC_RELAXED);
    while (order < PAGE_ORDER_MAX) {
        struct page *buddy = buddy_of(page, order);

        if (buddy == NULL || !(__atomic_load_n(&buddy->flags, __ATOMIC_RELAXED) & PAGE_FREE) ||
            buddy->order != order)
            break;
        take_block(buddy);
        page = min(page, buddy);
        order++;
    }
    put_block(page, order);
    spin_unlock(&page_lock);
}

/* Find a block of 2^order pages, halving a larger one if necessary. */
static struct page *find_block(unsigned order)
{
    struct page *page = NULL;
    unsigned found = order;

    spin_lock(&page_lock);
    while (found <= PAGE_ORDER_MAX && list_is_empty(&free_blocks[found]))
        found++;
    if (found <= PAGE_ORDER_MAX) {
        page = list_first(&free_blocks[found], struct page, link);
        take_block(page);
        while (found > order) {
            found--;
            put_block(page + (1UL << found), found);
        }
        __atomic_store_n(&free_count, free_count - (1UL << order), __ATOMIC_RELAXED);
    }
    spin_unlock(&page_lock);
    return page;
}

#ifdef DEBUG
static uint64_t births; /* (a) */

uint64_t page_births(void)
{
    return __atomic_load_n(&births, __ATOMIC_RELAXED);
}

void page_visit(void (*visit)(struct page *page))
{
    for (pfn_t i = 0; i < page_array_end - page_array_base; i++) {
        if (page_references(&page_array[i]) > 0)
            visit(&page_array[i]);
    }
}

static void poison_block(struct page *page, unsigned order)
{
    uint64_t *word = page_data(page);

    for (size_t i = 0; i < (PAGE_SIZE << order) / sizeof(*word); i++)
        word[i] = POISON_WORD;
    for (size_t i = 0; i < 1UL << order; i++)
        page_set_flags(&page[i], PAGE_POISONED);
}

static void check_poison(struct page *page)
{
    const uint64_t *word = page_data(page);

    for (size_t i = 0; i < PAGE_SIZE / sizeof(*word); i++) {
        if (word[i] != POISON_WORD)
            panic("page %#lx was written after it was freed: %#lx at offset %#zx",
                  page_address(page), word[i], i * sizeof(*word));
    }
}
#endif

/* As page_alloc(), with what debug builds add; `clear`: the caller wants zeros. */
static struct page *alloc_block(unsigned order, bool clear, void *caller)
{
    struct page *page;

    if (order > PAGE_ORDER_MAX || fail_now(FAIL_PAGE))
        return NULL;
    page = find_block(order);
    if (page == NULL)
        return NULL;
    sanitizer_unpoison(page_data(page), PAGE_SIZE << order);
#ifdef DEBUG
    for (size_t i = 0; i < 1UL << order; i++) {
        if (page[i].flags & PAGE_POISONED)
            check_poison(&page[i]);
        else if (!clear)
            poison_block(&page[i], 0);
        page_set_flags(&page[i], 0);
    }
    page->born = __atomic_add_fetch(&births, 1, __ATOMIC_RELAXED);
    page->allocated_by = (vaddr_t)caller;
#else
    (void)caller;
#endif
    if (clear)
        memset(page_data(page), 0, PAGE_SIZE << order);
    page->order = (uint8_t)order;
    page->owner = NULL;
    __atomic_store_n(&page->references, 1, __ATOMIC_RELEASE);
    return page;
}

struct page *page_alloc(unsigned order)
{
    return alloc_block(order, false, __builtin_return_address(0));
}

struct page *page_alloc_zero(unsigned order)
{
    return alloc_block(order, true, __builtin_return_address(0));
}

struct page *page_alloc_user(void)
{
    if (page_free_count() <= total_count / USER_RESERVE)
        return NULL;
    return alloc_block(0, false, __builtin_return_address(0));
}

void page_reference(struct page *page)
{
    uint32_t before = __atomic_fetch_add(&page->references, 1, __ATOMIC_RELAXED);

    if (before == 0 || before == UINT32_MAX)
        panic("page %#lx: reference to a page with %u", page_address(page), before);
}

void page_release(struct page *page)
{
    uint32_t before = __atomic_fetch_sub(&page->references, 1, __ATOMIC_ACQ_REL);

    if (before > 1)
        return;
    if (before == 0)
        panic("page %#lx was freed twice, or never allocated", page_address(page));
    page_set_flags(page, 0);
    sanitizer_unpoison(page_data(page), PAGE_SIZE << page->order); /* what the heap poisoned */
#ifdef DEBUG
    poison_block(page, page->order);
#endif
    sanitizer_poison(page_data(page), PAGE_SIZE << page->order);
    free_block(page, page->order);
}

uint32_t page_references(const struct page *page)
{
    return __atomic_load_n(&page->references, __ATOMIC_ACQUIRE);
}

size_t page_total_count(void)
{
    return total_count;
}

size_t page_free_count(void)
{
    return __atomic_load_n(&free_count, __ATOMIC_RELAXED);
}

/* Give the pages of a range to the allocator, in the largest blocks that alignment allows. */
static void add_range(const struct memory_range *range)
{
    pfn_t number = range->start >> PAGE_SHIFT;
    pfn_t end = range->end >> PAGE_SHIFT;

    while (number < end) {
        unsigned order = PAGE_ORDER_MAX;

        while (!is_aligned(number, 1UL << order) || number + (1UL << order) > end)
            order--;
        sanitizer_poison(direct_map(number << PAGE_SHIFT), PAGE_SIZE << order);
        free_block(&page_array[number - page_array_base], order);
        number += 1UL << order;
    }
    total_count += end - (range->start >> PAGE_SHIFT);
}

/* Find room for the page array in the ranges and take it away from them. */
static void carve_page_array(struct memory_range *ranges, size_t count)
{
    size_t size;

    page_array_base = ranges[0].start >> PAGE_SHIFT;
    page_array_end = ranges[count - 1].end >> PAGE_SHIFT;
    size = align_up((page_array_end - page_array_base) * sizeof(struct page), PAGE_SIZE);
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].end - ranges[i].start >= size) {
            page_array = direct_map(ranges[i].start);
            ranges[i].start += size;
            memset(page_array, 0, size);
            return;
        }
    }
    panic("no room for the page array: %zu bytes", size);
}

void page_init(void)
{
    struct memory_range ranges[MEMORY_RANGES_MAX];
    size_t count = machine_memory(ranges, MEMORY_RANGES_MAX);

    if (count == 0)
        panic("the machine has no memory");
    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
        list_init(&free_blocks[order]);
    carve_page_array(ranges, count);
    for (size_t i = 0; i < count; i++)
        add_range(&ranges[i]);
}
