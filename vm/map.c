/*
 * Address maps.
 *
 * A map says what each part of a user address space shows: a sorted list of regions that do not
 * overlap. The page table (map->pmap) is only a cache of what the map can work out again: a
 * page is entered when the program first touches it (vm/fault.c), and may be taken out at any time.
 *
 *      region [start, end) prot          page i of a region is the first that exists of
 *        |        |                        1. anon:   slot anon_index + i
 *        v        v                        2. object: page at object_offset + i pages, up to
 *      anon     object                                object_end
 *                                          3. zeros
 *
 * References: a slot of an anon and the cache of an object each hold one to their page, and so does
 * every present translation. So a private page whose references are just its slot's and this
 * map's translation's is nobody else's, and may be written; fork needs no other record of who
 * shares what. And a page stays as long as somebody maps it, whatever the cache does.
 *
 * Invariants: a private region's anon is shown by regions of this map only, all with the same
 * distance between address and index, and has no pages outside of them; so regions that were cut
 * apart can be joined again, and a new region can be joined to an old one that has an anon. A
 * shared region without an object has an anon from the start, so that all who inherit it see the
 * same. A translation never permits writing to a page that private memory shares.
 *
 * Locks: map->lock is held for every operation and fault, across I/O. Removed regions are freed
 * after it is dropped where that can be.
 */
#include "vm/map.h"
#include "kern/abi/errno.h"
#include "kern/abi/mman.h"
#include "kern/print.h"
#include "vm/anon.h"
#include "vm/heap.h"
#include "vm/object.h"
#include "vm/region.h"

struct map *map_create(void)
{
    struct map *map;

    object_relieve();
    map = kzalloc(sizeof(*map));
    if (map == NULL)
        return NULL;
    if (pmap_create(&map->pmap) != 0) {
        kfree(map);
        return NULL;
    }
    map->references = 1;
    mutex_init(&map->lock, "map", LOCK_MAP);
    list_init(&map->regions);
    return map;
}

void map_reference(struct map *map)
{
    __atomic_fetch_add(&map->references, 1, __ATOMIC_RELAXED);
}

static void free_regions(struct list *regions)
{
    struct region *region;

    while ((region = list_pop(regions, struct region, link)) != NULL)
        region_free(region);
}

void map_release(struct map *map)
{
    if (__atomic_fetch_sub(&map->references, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    list_for_each (&map->regions, region, struct region, link)
        pmap_clear(&map->pmap, region->start, region->end, region_release_frame, NULL);
    pmap_destroy(&map->pmap);
    free_regions(&map->regions);
    kfree(map);
}

/* --- Removing ------------------------------------------------------------------------------- */

/*
 * Take everything out of [start, end), which is page-aligned; the regions go to `removed`, for
 * the caller to free. Returns 0, or -ENOMEM with nothing changed.
 */
static int clear_range(struct map *map, uaddr_t start, uaddr_t end, struct list *removed)
{
    struct region *region, *next;
    int error = region_split_at(map, start);

    if (error == 0)
        error = region_split_at(map, end);
    if (error != 0) {
        region_merge_range(map, start, start);
        return error;
    }
    region = region_find(map, start);
    if (region == NULL || region->start >= end)
        return 0;
    pmap_remove(&map->pmap, start, end, region_release_frame, NULL);
    for (; region != NULL && region->start < end; region = next) {
        next = region_next(map, region);
        if (region->anon != NULL && !region->is_shared)
            anon_clear(region->anon, region->anon_index, region->anon_index + region_pages(region));
        map->size -= region->end - region->start;
        list_remove(&region->link);
        list_push_back(removed, &region->link);
    }
    return 0;
}

int map_remove(struct map *map, uaddr_t start, size_t size)
{
    struct list removed = LIST_INITIALIZER(removed);
    int error;

    if (!is_aligned(start, PAGE_SIZE) || size == 0 || start > USER_MAX || size > USER_MAX - start)
        return -EINVAL;
    mutex_lock(&map->lock);
    error = clear_range(map, start, start + align_up(size, PAGE_SIZE), &removed);
    mutex_unlock(&map->lock);
    free_regions(&removed);
    return error;
}

/* --- Inserting ------------------------------------------------------------------------------ */

/* The lowest address that must stay free below the start of `region`. */
static uaddr_t reserved_below(const struct map *map, const struct region *region)
{
    uaddr_t lowest = region->start;

    if (!region->grows_down)
        return lowest;
    if (map->stack_limit != 0)
        lowest = min(lowest, map->stack_limit);
    return lowest > MAP_STACK_GAP ? lowest - MAP_STACK_GAP : 0;
}

/* The highest place for `size` bytes below MAP_MMAP_TOP, or 0. */
static uaddr_t find_space(struct map *map, size_t size)
{
    uaddr_t top = MAP_MMAP_TOP;
    struct list_node *node;

    for (node = map->regions.head.prev; node != &map->regions.head; node = node->prev) {
        struct region *region = container_of(node, struct region, link);

        if (region->end <= top && top - region->end >= size)
            break;
        top = min(top, reserved_below(map, region));
    }
    return top >= USER_MIN && top - USER_MIN >= size ? top - size : 0;
}

/* Whether a wish of mmap(2) can be granted. */
static bool is_free(struct map *map, uaddr_t start, size_t size)
{
    struct region *above;

    if (start < USER_MIN || start > USER_MAX || size > USER_MAX - start)
        return false;
    above = region_find(map, start);
    return above == NULL || start + size <= reserved_below(map, above);
}

/* Find the place that `request` asks for, and clear it if it is fixed. */
static int make_room(struct map *map, uaddr_t *address, size_t size,
                     const struct map_request *request, struct list *removed)
{
    struct region *above;

    if (!request->fixed) {
        *address = align_up(*address, PAGE_SIZE);
        if (*address == 0 || !is_free(map, *address, size))
            *address = find_space(map, size);
        return *address == 0 ? -ENOMEM : 0;
    }
    above = region_find(map, *address);
    if (above == NULL || above->start >= *address + size)
        return 0;
    return request->no_replace ? -EEXIST : clear_range(map, *address, *address + size, removed);
}

static int check_request(uaddr_t address, const struct map_request *request)
{
    size_t size = request->size;

    if (size == 0 || request->offset < 0 || !is_aligned(request->offset, (off_t)PAGE_SIZE))
        return -EINVAL;
    if (request->fixed && !is_aligned(address, PAGE_SIZE))
        return -EINVAL;
    if (request->object != NULL && request->is_shared && (request->prot & PROT_WRITE))
        return -EINVAL;
    if (size > USER_MAX - USER_MIN)
        return -ENOMEM;
    if (request->offset > INT64_MAX - (off_t)USER_MAX)
        return -EOVERFLOW;
    if (request->fixed && (address < USER_MIN || address > USER_MAX || size > USER_MAX - address))
        return -ENOMEM;
    /* More writable memory than the machine has is a mistake that had better be told at once. */
    if ((request->prot & PROT_WRITE) && size >> PAGE_SHIFT > page_total_count())
        return -ENOMEM;
    return 0;
}

static struct region *create_region(const struct map_request *request)
{
    struct region *region = kzalloc(sizeof(*region));

    if (region == NULL)
        return NULL;
    region->prot = request->prot & PROT_ALL;
    region->is_shared = request->is_shared;
    region->grows_down = request->grows_down;
    region->object = request->object;
    region->object_offset = request->offset;
    region->object_end = request->object_end;
    if (region->object != NULL) {
        object_reference(region->object);
    } else if (region->is_shared) {
        region->anon = anon_create();
        if (region->anon == NULL) {
            region_free(region);
            return NULL;
        }
    }
    return region;
}

/* Link a new region at its place; map->lock is held. */
static void add_region(struct map *map, struct region *region, uaddr_t start, size_t size)
{
    region->start = start;
    region->end = start + size;
    if (region->grows_down && map->stack_limit == 0)
        map->stack_limit = max(region->end, USER_MIN + MAP_STACK_MAX) - MAP_STACK_MAX;
    region_link(map, region);
    region_merge_range(map, region->start, region->end);
}

int map_insert(struct map *map, uaddr_t *address, const struct map_request *request)
{
    struct list removed = LIST_INITIALIZER(removed);
    size_t size = align_up(request->size, PAGE_SIZE);
    struct region *region;
    uaddr_t place = *address;
    int error = check_request(place, request);

    if (error != 0)
        return error;
    region = create_region(request);
    if (region == NULL)
        return -ENOMEM;
    mutex_lock(&map->lock);
    error = make_room(map, &place, size, request, &removed);
    if (error == 0)
        add_region(map, region, place, size);
    mutex_unlock(&map->lock);
    free_regions(&removed);
    if (error != 0)
        region_free(region);
    else
        *address = place;
    return error;
}

/* --- Protecting ----------------------------------------------------------------------------- */

/* Change the part [start, end) of the one region that it lies in. */
static int protect_region(struct map *map, uaddr_t start, uaddr_t end, prot_t prot)
{
    struct region *region = region_find(map, start);
    prot_t lost = region->prot & ~prot;
    int error;

    if (region->prot == prot)
        return 0;
    if (region->object != NULL && region->is_shared && (prot & PROT_WRITE))
        return -EACCES;
    error = region_split_at(map, start);
    if (error == 0)
        error = region_split_at(map, end);
    if (error != 0)
        return error;
    region_find(map, start)->prot = prot;
    if (prot == PROT_NONE)
        pmap_remove(&map->pmap, start, end, region_release_frame, NULL);
    else if (lost != 0)
        pmap_protect(&map->pmap, start, end, prot);
    return 0;
}

int map_protect(struct map *map, uaddr_t start, size_t size, prot_t prot)
{
    uaddr_t at = start, end, next;
    int error = 0;

    if (!is_aligned(start, PAGE_SIZE))
        return -EINVAL;
    if (size == 0)
        return 0;
    if (start > USER_MAX || size > USER_MAX - start)
        return -ENOMEM;
    end = start + align_up(size, PAGE_SIZE);
    mutex_lock(&map->lock);
    for (; at < end && error == 0; at = next) {
        struct region *region = region_find(map, at);

        if (region == NULL || region->start > at) {
            error = -ENOMEM;
            break;
        }
        next = min(end, region->end);
        error = protect_region(map, at, next, prot & PROT_ALL);
    }
    region_merge_range(map, start, end);
    mutex_unlock(&map->lock);
    return error;
}

/* --- The heap ------------------------------------------------------------------------------- */

void map_set_heap(struct map *map, uaddr_t start)
{
    mutex_lock(&map->lock);
    map->brk_start = map->brk = align_up(start, PAGE_SIZE);
    mutex_unlock(&map->lock);
}

/* Map [start, end) as heap if nothing is in the way; map->lock is held. */
static bool extend_heap(struct map *map, uaddr_t start, uaddr_t end)
{
    static const struct map_request heap = {.prot = PROT_READ | PROT_WRITE};
    struct region *region;

    if (end - map->brk_start > page_total_count() * PAGE_SIZE || !is_free(map, start, end - start))
        return false;
    region = create_region(&heap);
    if (region == NULL)
        return false;
    add_region(map, region, start, end - start);
    return true;
}

uaddr_t map_set_break(struct map *map, uaddr_t end)
{
    struct list removed = LIST_INITIALIZER(removed);
    uaddr_t old_top, top, result;
    bool moved = true;

    mutex_lock(&map->lock);
    if (end >= map->brk_start && end <= USER_MAX) {
        old_top = align_up(map->brk, PAGE_SIZE);
        top = align_up(end, PAGE_SIZE);
        if (top > old_top)
            moved = extend_heap(map, old_top, top);
        else if (top < old_top)
            moved = clear_range(map, top, old_top, &removed) == 0;
        if (moved)
            map->brk = end;
    }
    result = map->brk;
    mutex_unlock(&map->lock);
    free_regions(&removed);
    return result;
}
