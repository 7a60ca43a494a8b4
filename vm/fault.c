/*
 * Page faults: entering into the page table what the map says, when the program wants it.
 *
 *      what is there for the page        the program reads          the program writes
 *      ----------------------------      ---------------------      --------------------------
 *      a page in the region's anon       map it                     map it writable if it is
 *                                                                   only ours, else copy it
 *      a page of the region's object     map the object's page,     copy it to the anon
 *                                        never writable
 *      nothing                           put zeros into the anon    the same
 *
 * "Only ours" is decided by counting references (vm/map.c): the last process that is left with
 * a page after fork writes to it without a copy.
 *
 * A fault costs far more than a page table entry, so reads also map those of the neighbouring
 * FAULT_AROUND pages that are in memory already: not writable, so that a write is still seen.
 *
 * A fault may find that nothing is missing: another thread was first, or the processor had an
 * old translation with fewer permissions. Then there is nothing to do but to try again.
 *
 * When memory runs out, pages of files that nobody maps are freed and the fault is tried again.
 */
#include "kern/abi/errno.h"
#include "kern/abi/mman.h"
#include "kern/print.h"
#include "kern/solutions.h"
#include "kern/string.h"
#include "kern/trace.h"
#include "vm/anon.h"
#include "vm/object.h"
#include "vm/region.h"

#define FAULT_AROUND 16 /* pages; a power of two */

/* How often to try again after pages were freed: not for ever, because what a fault reads from a
 * file may be all that there is to free. */
#define RECLAIM_TRIES 4

struct fault {
    struct map *map;
    struct region *region;
    uaddr_t va; /* of the page */
    prot_t access;
    pte_t old; /* what is in the page table now */
};

/*
 * Enter `page` for the faulting address; the translation takes a reference. The translation that
 * it replaces gives its reference back.
 */
static int enter(const struct fault *fault, struct page *page, prot_t prot)
{
    int error;

    page_reference(page);
    error =
        pmap_enter_accessed(&fault->map->pmap, fault->va, page_address(page), prot, fault->access);
    if (error != 0)
        page_release(page);
    else if (pte_is_present(fault->old))
        page_release(page_from_address(pte_address(fault->old)));
    return error;
}

/* Where the page at `va` lies in the region's object, and how many bytes of it are the object's. */
static off_t object_offset(const struct region *region, uaddr_t va)
{
    return region->object_offset + (off_t)(va - region->start);
}

static size_t object_bytes(const struct region *region, uaddr_t va)
{
    off_t rest = region->object_end - object_offset(region, va);

    if (region->object == NULL)
        return 0;
    if (region->is_shared)
        return PAGE_SIZE;
    return rest <= 0 ? 0 : (size_t)min(rest, (off_t)PAGE_SIZE);
}

/* Map what else is in memory around the faulting page, for reading. */
static void enter_neighbours(const struct fault *fault)
{
    const struct region *region = fault->region;
    uaddr_t start = align_down(fault->va, FAULT_AROUND * PAGE_SIZE);
    uaddr_t end = min(start + FAULT_AROUND * PAGE_SIZE, region->end);
    struct page *pages[FAULT_AROUND] = {NULL};
    size_t count, whole = 0;

    start = max(start, region->start);
    count = (end - start) >> PAGE_SHIFT;
    if (region->anon != NULL)
        anon_gather(region->anon, region_anon_index(region, start), pages, count);
    while (whole < count && object_bytes(region, start + whole * PAGE_SIZE) == PAGE_SIZE)
        whole++;
    if (whole > 0)
        object_gather(region->object, (size_t)object_offset(region, start) >> PAGE_SHIFT, pages,
                      whole);
    pmap_enter_absent(&fault->map->pmap, start, pages, count, region->prot & ~(prot_t)PROT_WRITE);
    for (size_t i = 0; i < count; i++) {
        if (pages[i] != NULL)
            page_release(pages[i]);
    }
}

#if SOL_COW
/* Whether nobody but the slot and our own translation refers to a private page. */
static bool is_only_ours(const struct fault *fault, const struct page *page)
{
    bool is_mapped = pte_is_present(fault->old) && pte_address(fault->old) == page_address(page);

    return page_references(page) == 1u + is_mapped;
}

/* Put a copy of the page into its slot, and map that. */
static int copy_page(const struct fault *fault, struct page **slot)
{
    struct page *page = *slot, *copy = page_alloc_user();
    int error;

    if (copy == NULL)
        return -ENOMEM;
    memcpy(page_data(copy), page_data(page), PAGE_SIZE);
    error = enter(fault, copy, fault->region->prot);
    if (error != 0) {
        page_release(copy);
        return error;
    }
    *slot = copy;
    page_release(page);
    return 0;
}

/* The region's anon has the page, in `slot`, and the region is private. */
static int fault_private(const struct fault *fault, struct page **slot)
{
    prot_t prot = fault->region->prot;
    int error;

    if (is_only_ours(fault, *slot))
        return enter(fault, *slot, prot);
    if (fault->access == PROT_WRITE)
        return copy_page(fault, slot);
    error = enter(fault, *slot, prot & ~(prot_t)PROT_WRITE);
    if (error == 0)
        enter_neighbours(fault);
    return error;
}
#else
/*
 * Lab cow, steps 3 and 4. The region is private, and its anon has the page, in `slot`. Here the
 * program gets it, writable if the region is. A page that others have, too, must be mapped
 * read-only when the program reads; when it writes, it gets a copy, in the slot and in the page
 * table. The last one that is left with a page needs no copy.
 */
static int fault_private(const struct fault *fault, struct page **slot)
{
    return enter(fault, *slot, fault->region->prot);
}
#endif

/* Put a new page with the first `size` bytes of `source`, and zeros, into the anon. */
static int fault_new_page(const struct fault *fault, const struct page *source, size_t size)
{
    struct page *page, *expected = NULL, **slot;
    int error = region_need_anon(fault->map, fault->region);

    if (error != 0)
        return error;
    slot = anon_make(fault->region->anon, region_anon_index(fault->region, fault->va));
    page = page_alloc_user();
    if (slot == NULL || page == NULL) {
        if (page != NULL)
            page_release(page);
        return -ENOMEM;
    }
    if (size > 0)
        memcpy(page_data(page), page_data(source), size);
    memset((char *)page_data(page) + size, 0, PAGE_SIZE - size);
    /* Of shared memory another map may have made the page meanwhile. */
    if (!__atomic_compare_exchange_n(slot, &expected, page, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        page_release(page);
        page = expected;
    }
    return enter(fault, page, fault->region->prot);
}

/* The first `size` bytes of the page are the object's. */
static int fault_object(const struct fault *fault, size_t size)
{
    const struct region *region = fault->region;
    size_t index = (size_t)object_offset(region, fault->va) >> PAGE_SHIFT;
    struct page *page;
    int error = object_get_page(region->object, index, &page);

    if (error != 0)
        return error;
    if (fault->access == PROT_WRITE || size < PAGE_SIZE) {
        error = fault_new_page(fault, page, size);
    } else {
        error = enter(fault, page, region->prot & ~(prot_t)PROT_WRITE);
        if (error == 0)
            enter_neighbours(fault);
    }
    page_release(page);
    return error;
}

static int resolve(struct fault *fault)
{
    struct region *region = fault->region;
    struct page **slot = NULL, *page;
    size_t size = object_bytes(region, fault->va);

    fault->old = pmap_lookup(&fault->map->pmap, fault->va);
    if (pte_prot(fault->old) & fault->access)
        return 0;
    if (region->anon != NULL)
        slot = anon_find(region->anon, region_anon_index(region, fault->va));
    page = slot != NULL ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : NULL;
    if (page != NULL)
        return region->is_shared ? enter(fault, page, region->prot) : fault_private(fault, slot);
    return size > 0 ? fault_object(fault, size) : fault_new_page(fault, NULL, 0);
}

/* The stack whose growth would cover `va`, grown; `above` is the region above `va`. */
static struct region *grow_stack(struct map *map, struct region *above, uaddr_t va)
{
    struct region *below;
    size_t pages;

    if (!above->grows_down || va < map->stack_limit)
        return NULL;
    below = region_previous(map, above);
    if (below != NULL && below->prot != PROT_NONE && va - below->end < MAP_STACK_GAP)
        return NULL;
    pages = (above->start - va) >> PAGE_SHIFT;
    if (above->anon != NULL) {
        if (above->anon_index < pages)
            return NULL;
        above->anon_index -= pages;
    }
    map->size += above->start - va;
    above->start = va;
    return above;
}

/* Whether a region's permissions, each of which implies reading, allow the access. */
static bool is_allowed(prot_t prot, prot_t access)
{
    return prot != PROT_NONE && ((prot | PROT_READ) & access) == access;
}

static int find_and_resolve(struct map *map, uaddr_t address, prot_t access)
{
    struct fault fault = {.map = map, .va = align_down(address, PAGE_SIZE), .access = access};
    int error;

    fault.region = region_find(map, fault.va);
    if (fault.region != NULL && fault.va < fault.region->start)
        fault.region = grow_stack(map, fault.region, fault.va);
    if (fault.region == NULL)
        return -EFAULT;
    if (!is_allowed(fault.region->prot, access))
        return -EACCES;
    error = resolve(&fault);
    for (int i = 0; i < RECLAIM_TRIES && error == -ENOMEM && object_reclaim() > 0; i++)
        error = resolve(&fault);
    return error;
}

int map_fault_locked(struct map *map, uaddr_t address, prot_t access)
{
    nsec_t began = trace_clock();
    int error;

    assert(mutex_is_held(&map->lock));
    error = find_and_resolve(map, address, access);
    trace(TRACE_FAULT, access, (uint64_t)began, address, (uint64_t)error);
    return error;
}

int map_fault(struct map *map, uaddr_t address, prot_t access)
{
    int error;

    mutex_lock(&map->lock);
    error = map_fault_locked(map, address, access);
    mutex_unlock(&map->lock);
    return error;
}
