/*
 * Regions: the pieces of an address map. For vm/ only; map->lock is held throughout.
 */
#pragma once

#include "vm/map.h"
#include "vm/page.h"

/* Permissions that a program can have. Each implies reading, as on Linux x86-64. */
#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

static inline size_t region_pages(const struct region *region)
{
    return (region->end - region->start) >> PAGE_SHIFT;
}

/* The index in region->anon of the page at `va`. */
static inline size_t region_anon_index(const struct region *region, uaddr_t va)
{
    return region->anon_index + ((va - region->start) >> PAGE_SHIFT);
}

/* The region's neighbours in the map, or NULL. */
struct region *region_next(struct map *map, struct region *region);
struct region *region_previous(struct map *map, struct region *region);

/* The first region that ends above `va`: it holds `va`, or is the next one above. Or NULL. */
struct region *region_find(struct map *map, uaddr_t va);

/* Put a region into the map's list; the place is free. */
void region_link(struct map *map, struct region *region);

/*
 * Cut the region that `at` lies inside of (if any) into two there. Returns 0 or -ENOMEM.
 */
int region_split_at(struct map *map, uaddr_t at) must_check;

/* Join the regions that touch [start, end], or each other inside of it, where they are alike. */
void region_merge_range(struct map *map, uaddr_t start, uaddr_t end);

/* Give the region an anon if it has none. Returns 0 or -ENOMEM. */
int region_need_anon(struct map *map, struct region *region) must_check;

/* Free a region that is in no map, and its references. */
void region_free(struct region *region);

/* Drop the reference that a translation held: the pmap_release_fn of vm/. */
void region_release_frame(paddr_t pa, bool dirty, void *argument);
