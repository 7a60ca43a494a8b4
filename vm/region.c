/*
 * Regions: finding, cutting and joining them. Theory in vm/map.c.
 */
#include "vm/region.h"
#include "kern/abi/errno.h"
#include "kern/print.h"
#include "vm/anon.h"
#include "vm/heap.h"
#include "vm/object.h"

struct region *region_next(struct map *map, struct region *region)
{
    if (region->link.next == &map->regions.head)
        return NULL;
    return container_of(region->link.next, struct region, link);
}

struct region *region_previous(struct map *map, struct region *region)
{
    if (region->link.prev == &map->regions.head)
        return NULL;
    return container_of(region->link.prev, struct region, link);
}

struct region *region_find(struct map *map, uaddr_t va)
{
    list_for_each (&map->regions, region, struct region, link) {
        if (va < region->end)
            return region;
    }
    return NULL;
}

void region_link(struct map *map, struct region *region)
{
    struct region *above = region_find(map, region->start);
    struct list_node *next = above == NULL ? &map->regions.head : &above->link;

    assert(above == NULL || region->end <= above->start);
    list_insert_after(next->prev, &region->link);
    map->size += region->end - region->start;
}

int region_split_at(struct map *map, uaddr_t at)
{
    struct region *lower = region_find(map, at);
    struct region *upper;

    if (lower == NULL || lower->start >= at)
        return 0;
    upper = kmalloc(sizeof(*upper));
    if (upper == NULL)
        return -ENOMEM;
    *upper = *lower;
    upper->start = at;
    if (upper->anon != NULL) {
        upper->anon_index = region_anon_index(lower, at);
        anon_reference(upper->anon);
    }
    if (upper->object != NULL) {
        upper->object_offset += (off_t)(at - lower->start);
        object_reference(upper->object);
    }
    lower->end = at;
    list_insert_after(&lower->link, &upper->link);
    return 0;
}

/* Whether the pages of two adjacent regions can be in one anon: the index at lower->start. */
static bool anons_fit(const struct region *lower, const struct region *upper, size_t *index)
{
    size_t pages = region_pages(lower);

    *index = lower->anon_index;
    if (upper->anon == NULL)
        return true;
    if (lower->anon != NULL)
        return lower->anon == upper->anon && lower->anon_index + pages == upper->anon_index;
    *index = upper->anon_index - pages;
    return upper->anon_index >= pages;
}

static bool objects_fit(const struct region *lower, const struct region *upper)
{
    if (lower->object != upper->object)
        return false;
    return lower->object == NULL ||
           (lower->object_end == upper->object_end &&
            lower->object_offset + (off_t)(lower->end - lower->start) == upper->object_offset);
}

/* Join two neighbours if they touch and are alike; `upper` is freed then. */
static bool merge(struct region *lower, struct region *upper)
{
    size_t index;

    if (lower->end != upper->start || lower->prot != upper->prot ||
        lower->is_shared != upper->is_shared || lower->grows_down != upper->grows_down ||
        !objects_fit(lower, upper) || !anons_fit(lower, upper, &index))
        return false;
    lower->end = upper->end;
    if (lower->anon == NULL) {
        lower->anon = upper->anon;
        upper->anon = NULL;
    }
    lower->anon_index = index;
    list_remove(&upper->link);
    region_free(upper);
    return true;
}

void region_merge_range(struct map *map, uaddr_t start, uaddr_t end)
{
    struct region *region = region_find(map, start == 0 ? 0 : start - 1);

    while (region != NULL && region->start <= end) {
        struct region *next = region_next(map, region);

        if (next == NULL || !merge(region, next))
            region = next;
    }
}

int region_need_anon(struct map *map, struct region *region)
{
    if (region->anon != NULL)
        return 0;
    region->anon = anon_create();
    if (region->anon == NULL)
        return -ENOMEM;
    region->anon_index = 0;
    /* Leave indices for what a stack has yet to grow. */
    if (region->grows_down && region->start > map->stack_limit)
        region->anon_index = (region->start - map->stack_limit) >> PAGE_SHIFT;
    return 0;
}

void region_free(struct region *region)
{
    if (region->anon != NULL)
        anon_release(region->anon);
    if (region->object != NULL)
        object_release(region->object);
    kfree(region);
}

void region_release_frame(paddr_t pa, bool dirty, void *argument)
{
    (void)dirty;
    (void)argument;
    page_release(page_from_address(pa));
}
