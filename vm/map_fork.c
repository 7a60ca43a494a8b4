/*
 * Copying an address map for fork(2).
 *
 * Nothing but the map itself is copied. Private pages get a second reference, from the child's
 * anon, and become read-only in the parent's page table; the first of the two that writes
 * copies (vm/fault.c). The child starts with an empty page table: most children exec() at once,
 * and for those that do not, one fault maps a neighbourhood of pages.
 */
#include "kern/abi/errno.h"
#include "kern/print.h"
#include "kern/solutions.h"
#include "vm/anon.h"
#include "vm/heap.h"
#include "vm/object.h"
#include "vm/region.h"

/* The anon copied last and its copy: regions that share an anon do so in the child too. */
struct anon_pair {
    struct anon *parent, *child;
};

#if SOL_COW
/* The pages of a private region are about to be shared: whoever writes shall fault. */
static void write_protect(struct map *map, const struct region *region)
{
    if (region->prot & PROT_WRITE)
        pmap_protect(&map->pmap, region->start, region->end, region->prot & ~(prot_t)PROT_WRITE);
}
#else
/*
 * Lab cow, step 2. When the pages of a private region are shared with a child, a write by the
 * parent must fault, too: its page table still says that it may write. vm/pmap.h has what
 * takes that away.
 */
static void write_protect(struct map *map, const struct region *region)
{
    (void)map;
    (void)region;
}
#endif

/* Give `copy` what `region` has in its anon. Returns 0 or -ENOMEM. */
static int share_anon(struct map *map, const struct region *region, struct region *copy,
                      struct anon_pair *last)
{
    if (region->is_shared) {
        anon_reference(region->anon);
        copy->anon = region->anon;
        return 0;
    }
    if (last->parent == region->anon) {
        anon_reference(last->child);
        copy->anon = last->child;
    } else {
        copy->anon = anon_create();
        if (copy->anon == NULL)
            return -ENOMEM;
        *last = (struct anon_pair){.parent = region->anon, .child = copy->anon};
    }
    write_protect(map, region);
    return anon_share(copy->anon, region->anon, region->anon_index,
                      region->anon_index + region_pages(region));
}

static int copy_region(struct map *map, struct map *child, const struct region *region,
                       struct anon_pair *last)
{
    struct region *copy = kmalloc(sizeof(*copy));

    if (copy == NULL)
        return -ENOMEM;
    *copy = *region;
    copy->anon = NULL;
    if (copy->object != NULL)
        object_reference(copy->object);
    list_push_back(&child->regions, &copy->link);
    child->size += copy->end - copy->start;
    return region->anon == NULL ? 0 : share_anon(map, region, copy, last);
}

int map_fork(struct map *map, struct map **child)
{
    struct map *copy = map_create();
    struct anon_pair last = {NULL, NULL};
    int error = 0;

    if (copy == NULL)
        return -ENOMEM;
    mutex_lock(&map->lock);
    copy->brk_start = map->brk_start;
    copy->brk = map->brk;
    copy->stack_limit = map->stack_limit;
    list_for_each (&map->regions, region, struct region, link) {
        error = copy_region(map, copy, region, &last);
        if (error != 0)
            break;
    }
    mutex_unlock(&map->lock);
    if (error != 0)
        map_release(copy);
    else
        *child = copy;
    return error;
}
