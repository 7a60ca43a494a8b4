/*
 * The kernel heap: slab allocation (Bonwick, "The Slab Allocator", USENIX 1994).
 *
 * Each size class has a cache. A cache owns slabs: blocks of one or a few pages that begin
 * with a header and are cut into equal slots behind it. A free slot holds the link to the next
 * free one of its slab, so allocating and freeing are a few instructions under the cache's
 * lock. The page array leads from an object to its slab (struct page's `owner`), so an
 * object needs no header of its own. What is larger than the largest class is a block of pages.
 *
 *      cache --> partial slabs        slab: | header | slot | slot | slot | ...
 *                  (full ones are                      |
 *                   not listed)               free ----+--> next free --> NULL
 *
 * A slab that becomes empty goes back to the page allocator, but each cache keeps one, so that
 * a program that allocates and frees one object does not make and break a slab each time.
 *
 * In debug builds each slot ends with a trailer, and what was asked for is followed by a red
 * zone that reaches up to it:
 *
 *      | the caller's bytes | red zone, at least 8 bytes | struct trailer |
 *
 * kfree() checks the red zone and the trailer (which also guards the start of the next slot)
 * and fills the slot with poison; kmalloc() checks that the poison is still there. The
 * trailer remembers who allocated and who freed the slot, for the panic message.
 *
 * Locks: one a cache, taken by any context; the page allocator's comes after it.
 */
#include "vm/heap.h"
#include "kern/fail.h"
#include "kern/list.h"
#include "kern/print.h"
#include "kern/sanitizer.h"
#include "kern/spinlock.h"
#include "kern/string.h"
#include "vm/page.h"

/* At the start of each slab; slots follow at SLAB_HEADER_SIZE. */
struct slab {
    struct list_node link; /* cache->partial while it has free slots */
    struct cache *cache;
    void *free; /* the first free slot */
    unsigned used;
};

#define SLAB_HEADER_SIZE 64

_Static_assert(sizeof(struct slab) <= SLAB_HEADER_SIZE, "slots are aligned to 64 bytes");

/* (i) immutable after heap_init(), (l) this->lock */
struct cache {
    struct spinlock lock;
    size_t slot_size;    /* (i) */
    unsigned order;      /* (i) log2 of a slab's pages */
    unsigned capacity;   /* (i) slots in a slab */
    struct list partial; /* (l) of struct slab: those with free slots */
    size_t used;         /* (l) slots handed out */
    size_t slabs;        /* (l) all slabs */
    size_t empty;        /* (l) slabs without a used slot: 0 or 1 */
};

/* From 64 on all are multiples of 64, which makes the alignment that kmalloc() promises. */
static const uint16_t class_sizes[] = {16,  32,  48,  64,   128,  192, 256,
                                       384, 512, 768, 1024, 1344, 2048};

#define CLASS_COUNT array_length(class_sizes)
#define CLASS_MAX   2048
#define CLASS_STEP  16

static struct cache caches[CLASS_COUNT];
static uint8_t class_of[CLASS_MAX / CLASS_STEP + 1]; /* by size / CLASS_STEP, rounded up */
static size_t large_used;                            /* (a) bytes in blocks of pages */

#ifdef DEBUG
#define MAGIC_USED  0x75736564u
#define MAGIC_FREE  0x66726565u
#define POISON_FREE 0x6b
#define POISON_NEW  0xa5
#define RED_ZONE    0xbb

struct trailer {
    uint32_t magic;
    uint32_t size; /* what was asked for */
    union {
        void *next;    /* the link while free: a stale write cannot destroy it unnoticed */
        uint64_t born; /* while used: how many allocations there had been */
    };
    void *allocated_by; /* return addresses */
    void *freed_by;
};

#define OVERHEAD (sizeof(struct trailer) + 8)

static uint64_t births; /* (a) */

static struct trailer *trailer_of(void *slot, size_t slot_size)
{
    return (void *)((char *)slot + slot_size - sizeof(struct trailer));
}

static void noreturn_fn report(const char *what, void *slot, size_t slot_size, void *caller)
{
    const struct trailer *trailer = trailer_of(slot, slot_size);

    panic("heap: %s: %p of cache %zu, %u bytes allocated by %p, freed by %p; found by %p", what,
          slot, slot_size, trailer->size, trailer->allocated_by, trailer->freed_by, caller);
}

/* Whether `size` bytes all have the value `byte`; by words, as there may be many. */
static bool is_filled(const void *from, uint8_t byte, size_t size)
{
    const uint8_t *p = from;
    uint64_t word, pattern = byte * 0x0101010101010101UL;

    for (; size >= sizeof(word); size -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        if (word != pattern)
            return false;
    }
    for (; size > 0; size--, p++) {
        if (*p != byte)
            return false;
    }
    return true;
}

static void mark_used(void *slot, size_t slot_size, size_t size, void *caller)
{
    struct trailer *trailer = trailer_of(slot, slot_size);

    trailer->magic = MAGIC_USED;
    trailer->size = (uint32_t)size;
    trailer->allocated_by = caller;
    trailer->freed_by = NULL;
    trailer->born = __atomic_add_fetch(&births, 1, __ATOMIC_RELAXED);
    memset(slot, POISON_NEW, size);
    memset((char *)slot + size, RED_ZONE, slot_size - sizeof(*trailer) - size);
    sanitizer_poison((char *)slot + size, slot_size - sizeof(*trailer) - size);
}

static void mark_free(void *slot, size_t slot_size, void *caller)
{
    struct trailer *trailer = trailer_of(slot, slot_size);

    trailer->magic = MAGIC_FREE;
    trailer->freed_by = caller;
    memset(slot, POISON_FREE, slot_size - sizeof(*trailer));
    sanitizer_poison(slot, slot_size - sizeof(*trailer));
}

/* Check an object that is about to be freed. */
static void check_used(void *slot, size_t slot_size, void *caller)
{
    const struct trailer *trailer = trailer_of(slot, slot_size);

    if (trailer->magic == MAGIC_FREE)
        report("freed twice", slot, slot_size, caller);
    if (trailer->magic != MAGIC_USED || trailer->size > slot_size - OVERHEAD)
        report("overrun into the trailer, or never allocated", slot, slot_size, caller);
    sanitizer_unpoison(slot, slot_size - sizeof(*trailer));
    if (!is_filled((char *)slot + trailer->size, RED_ZONE,
                   slot_size - sizeof(*trailer) - trailer->size))
        report("overrun", slot, slot_size, caller);
}

/* Check a free slot that is about to be handed out. */
static void check_free(void *slot, size_t slot_size, void *caller)
{
    const struct trailer *trailer = trailer_of(slot, slot_size);

    if (trailer->magic != MAGIC_FREE)
        report("trailer of a free slot overwritten", slot, slot_size, caller);
    sanitizer_unpoison(slot, slot_size - sizeof(*trailer));
    if (!is_filled(slot, POISON_FREE, slot_size - sizeof(*trailer)))
        report("written after it was freed", slot, slot_size, caller);
}

static void check_slot_address(const struct slab *slab, void *p)
{
    size_t offset = (size_t)((char *)p - (char *)slab);

    if (offset < SLAB_HEADER_SIZE || (offset - SLAB_HEADER_SIZE) % slab->cache->slot_size != 0)
        panic("heap: kfree(%p): not the start of an object of cache %zu", p,
              slab->cache->slot_size);
}

static inline void **link_of(void *slot, size_t slot_size)
{
    return &trailer_of(slot, slot_size)->next;
}
#else
#define OVERHEAD 0

static inline void **link_of(void *slot, size_t slot_size)
{
    (void)slot_size;
    return slot;
}
#endif

/* Choose the shortest slab of which less than an eighth is lost at the end. */
static void cache_init(struct cache *cache, size_t slot_size)
{
    size_t room = PAGE_SIZE - SLAB_HEADER_SIZE;

    spin_init(&cache->lock, "heap", LOCK_HEAP);
    cache->slot_size = slot_size;
    while (room % slot_size * 8 > room) {
        cache->order++;
        room = (PAGE_SIZE << cache->order) - SLAB_HEADER_SIZE;
    }
    cache->capacity = (unsigned)(room / slot_size);
    list_init(&cache->partial);
}

void heap_init(void)
{
    unsigned index = 0;

    for (unsigned i = 0; i < CLASS_COUNT; i++)
        cache_init(&caches[i], class_sizes[i]);
    for (size_t size = 0; size <= CLASS_MAX; size += CLASS_STEP) {
        if (size > class_sizes[index])
            index++;
        class_of[size / CLASS_STEP] = (uint8_t)index;
    }
}

/* Make a slab of free slots and put it on the cache's list; the cache's lock is held. */
static struct slab *slab_create(struct cache *cache)
{
    struct page *page = page_alloc(cache->order);
    struct slab *slab;
    char *slot;

    if (page == NULL)
        return NULL;
    slab = page_data(page);
    slab->cache = cache;
    slab->free = NULL;
    slab->used = 0;
    for (size_t i = 0; i < 1UL << cache->order; i++) {
        page_set_flags(&page[i], PAGE_SLAB);
        page[i].owner = slab;
    }
    slot = (char *)slab + SLAB_HEADER_SIZE + cache->capacity * cache->slot_size;
    for (unsigned i = 0; i < cache->capacity; i++) {
        slot -= cache->slot_size;
#ifdef DEBUG
        mark_free(slot, cache->slot_size, NULL);
        trailer_of(slot, cache->slot_size)->allocated_by = NULL;
        trailer_of(slot, cache->slot_size)->size = 0;
#endif
        *link_of(slot, cache->slot_size) = slab->free;
        slab->free = slot;
    }
    list_push_front(&cache->partial, &slab->link);
    cache->slabs++;
    cache->empty++;
    return slab;
}

/* Give an empty slab back; the cache's lock is held. */
static void slab_destroy(struct cache *cache, struct slab *slab)
{
    struct page *page = page_from_address(direct_map_address(slab));

    list_remove(&slab->link);
    cache->slabs--;
    cache->empty--;
    for (size_t i = 0; i < 1UL << cache->order; i++)
        page_set_flags(&page[i], 0);
    page_release(page);
}

static void *cache_alloc(struct cache *cache)
{
    struct slab *slab;
    void *slot = NULL;

    spin_lock(&cache->lock);
    slab = list_first(&cache->partial, struct slab, link);
    if (slab == NULL)
        slab = slab_create(cache);
    if (slab != NULL) {
        slot = slab->free;
        slab->free = *link_of(slot, cache->slot_size);
        if (slab->used++ == 0)
            cache->empty--;
        if (slab->free == NULL)
            list_remove(&slab->link);
        cache->used++;
    }
    spin_unlock(&cache->lock);
    return slot;
}

static void cache_free(struct cache *cache, struct slab *slab, void *slot)
{
    spin_lock(&cache->lock);
    if (slab->free == NULL)
        list_push_front(&cache->partial, &slab->link);
    *link_of(slot, cache->slot_size) = slab->free;
    slab->free = slot;
    cache->used--;
    if (--slab->used == 0 && ++cache->empty > 1)
        slab_destroy(cache, slab);
    spin_unlock(&cache->lock);
}

static void *large_alloc(size_t size)
{
    struct page *page;
    unsigned order = 0;

    while (order <= PAGE_ORDER_MAX && size > PAGE_SIZE << order)
        order++;
    page = page_alloc(order);
    if (page == NULL)
        return NULL;
    page_set_flags(page, PAGE_LARGE);
    __atomic_fetch_add(&large_used, PAGE_SIZE << order, __ATOMIC_RELAXED);
    return page_data(page);
}

static void large_free(struct page *page)
{
    __atomic_fetch_sub(&large_used, PAGE_SIZE << page->order, __ATOMIC_RELAXED);
    page_release(page);
}

static void *heap_alloc(size_t size, void *caller)
{
    size_t slot_size;
    void *slot;

    if (size > PAGE_SIZE << PAGE_ORDER_MAX || fail_now(FAIL_ALLOC))
        return NULL;
    if (size + OVERHEAD <= CLASS_MAX) {
        struct cache *cache = &caches[class_of[(size + OVERHEAD + CLASS_STEP - 1) / CLASS_STEP]];

        slot = cache_alloc(cache);
        slot_size = cache->slot_size;
#ifdef DEBUG
        if (slot != NULL)
            check_free(slot, slot_size, caller);
#endif
    } else {
        slot = large_alloc(size + OVERHEAD);
        if (slot != NULL)
            slot_size = PAGE_SIZE << page_from_address(direct_map_address(slot))->order;
    }
#ifdef DEBUG
    if (slot != NULL)
        mark_used(slot, slot_size, size, caller);
#else
    (void)caller;
    (void)slot_size;
#endif
    return slot;
}

void *kmalloc(size_t size)
{
    return heap_alloc(size, __builtin_return_address(0));
}

void *kzalloc(size_t size)
{
    void *p = heap_alloc(size, __builtin_return_address(0));

    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void kfree(void *p)
{
    struct page *page;

    if (p == NULL)
        return;
    page = page_from_address(direct_map_address(p));
    if (page->flags & PAGE_SLAB) {
        struct slab *slab = page->owner;
#ifdef DEBUG
        check_slot_address(slab, p);
        check_used(p, slab->cache->slot_size, __builtin_return_address(0));
        mark_free(p, slab->cache->slot_size, __builtin_return_address(0));
#endif
        cache_free(slab->cache, slab, p);
        return;
    }
#ifdef DEBUG
    if (!(page->flags & PAGE_LARGE) || !is_aligned((vaddr_t)p, PAGE_SIZE))
        panic("heap: kfree(%p) by %p: freed already, or not of the heap", p,
              __builtin_return_address(0));
    check_used(p, PAGE_SIZE << page->order, __builtin_return_address(0));
#endif
    large_free(page);
}

#ifdef DEBUG
static void describe(const void *slot, size_t slot_size, struct heap_object *object)
{
    const struct trailer *trailer = trailer_of((void *)(uintptr_t)slot, slot_size);

    object->start = (vaddr_t)slot;
    object->size = trailer->size;
    object->is_free = trailer->magic == MAGIC_FREE;
    object->born = object->is_free ? 0 : trailer->born;
    object->allocated_by = (vaddr_t)trailer->allocated_by;
    object->freed_by = (vaddr_t)trailer->freed_by;
}

uint64_t heap_births(void)
{
    return __atomic_load_n(&births, __ATOMIC_RELAXED);
}

void heap_visit(struct page *page, void (*visit)(const struct heap_object *object))
{
    const struct slab *slab = page->owner;
    const char *slot = (const char *)slab + SLAB_HEADER_SIZE;
    struct heap_object object;

    if (page->flags & PAGE_LARGE) {
        describe(page_data(page), PAGE_SIZE << page->order, &object);
        visit(&object);
        return;
    }
    for (unsigned i = 0; i < slab->cache->capacity; i++, slot += slab->cache->slot_size) {
        describe(slot, slab->cache->slot_size, &object);
        if (!object.is_free)
            visit(&object);
    }
}

bool heap_find(vaddr_t address, struct heap_object *object)
{
    const struct page *page = page_from_address(direct_map_address((const void *)address));
    const struct slab *slab = page->owner;
    size_t offset, slot_size;

    if (!(page->flags & PAGE_SLAB) || address < (vaddr_t)slab + SLAB_HEADER_SIZE)
        return false;
    offset = address - (vaddr_t)slab - SLAB_HEADER_SIZE;
    slot_size = slab->cache->slot_size;
    if (offset >= slab->cache->capacity * slot_size)
        return false;
    describe((const void *)(address - offset % slot_size), slot_size, object);
    return true;
}
#endif

size_t heap_used(void)
{
    size_t used = __atomic_load_n(&large_used, __ATOMIC_RELAXED);

    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        spin_lock(&caches[i].lock);
        used += caches[i].used * caches[i].slot_size;
        spin_unlock(&caches[i].lock);
    }
    return used;
}
