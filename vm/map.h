/*
 * Address maps: which part of a user address space is what. A map is a sorted list of regions;
 * a region shows anonymous memory over an optional object. Theory in vm/map.c.
 */
#pragma once

#include "kern/list.h"
#include "kern/mutex.h"
#include "kern/types.h"
#include "vm/pmap.h"
#include <machine/param.h>

struct anon;
struct object;

/* All protected by map->lock. */
struct region {
    struct list_node link;
    uaddr_t start, end; /* page-aligned; end is exclusive */
    prot_t prot;
    bool is_shared;        /* MAP_SHARED: children of fork see the same memory */
    bool grows_down;       /* the stack */
    struct anon *anon;     /* pages of its own; NULL until the first one */
    size_t anon_index;     /* index in `anon` of the page at `start` */
    struct object *object; /* what lies below; NULL: zeros */
    off_t object_offset;   /* page-aligned offset in `object` of `start` */
    off_t object_end;      /* bytes of the object from here on read as zeros (a segment's tail) */
};

struct map {
    struct mutex lock;
    uint32_t references; /* (a) */
    struct pmap pmap;
    struct list regions;    /* (l) of struct region, by address */
    uaddr_t brk_start, brk; /* (l) the heap that brk(2) moves */
    size_t size;            /* (l) bytes in all regions */
    uaddr_t stack_limit;    /* (l) the lowest address that the stack may grow to; 0: no stack yet */
};

#define MAP_STACK_MAX (8UL << 20) /* how large the stack may grow */
#define MAP_STACK_GAP                                                                              \
    (256 * PAGE_SIZE) /* nothing is put, and it does not grow, that close below it */

/* Where addresses for mmap(2) are chosen, downwards; the stack lies above. */
#define MAP_MMAP_TOP (USER_MAX - 4 * MAP_STACK_MAX)

/* Make an empty map with one reference. NULL when out of memory. */
struct map *map_create(void) must_check;
void map_reference(struct map *map);

/* Drop a reference; the last one frees regions, pages and page tables. */
void map_release(struct map *map);

/* Make a copy-on-write copy of `map` for fork(2). Returns 0 or -ENOMEM. */
int map_fork(struct map *map, struct map **child) must_check;

/*
 * Map memory at *address (in: a wish, or the place itself if `fixed`; out: the place): anonymous
 * if `object` is NULL, else the object's bytes from `offset` to `object_end` and zeros after it.
 * A fixed mapping replaces what was there. Takes a reference to the object when it succeeds.
 *
 * size: bytes, rounded up to pages. prot: what the program may do; a private mapping of an object
 * is copy-on-write, a shared one can only be read. Takes map->lock.
 * Returns 0, -EINVAL (size 0, unaligned fixed address, shared and writable object), -EOVERFLOW
 * (offset too large), -ENOMEM (no room, or outside [USER_MIN, USER_MAX)), -EEXIST (`no_replace`
 * and something is there).
 */
struct map_request {
    size_t size;
    prot_t prot;
    bool fixed, no_replace, is_shared, grows_down;
    struct object *object;
    off_t offset, object_end;
};
int map_insert(struct map *map, uaddr_t *address, const struct map_request *request) must_check;

/*
 * munmap(2): 0, -EINVAL, or -ENOMEM (nothing changed then). mprotect(2): 0, -EINVAL (unaligned),
 * -ENOMEM (also where a hole is found; what lies before it is changed then, as on Linux), -EACCES
 * (a shared object would become writable). Take map->lock.
 */
int map_remove(struct map *map, uaddr_t start, size_t size) must_check;
int map_protect(struct map *map, uaddr_t start, size_t size, prot_t prot) must_check;

/* brk(2): set where the heap starts (exec), move its end. Returns the (new or old) end. */
void map_set_heap(struct map *map, uaddr_t start);
uaddr_t map_set_break(struct map *map, uaddr_t end);

/*
 * Resolve a fault of the map's program at `address`, which wanted the one permission `access`.
 * Takes map->lock; may sleep. vm/fault.c.
 * Returns 0 (try again), -EFAULT (nothing mapped there: SEGV_MAPERR), -EACCES (not permitted:
 * SEGV_ACCERR), -ENOMEM, or the pager's error (SIGBUS).
 */
int map_fault(struct map *map, uaddr_t address, prot_t access) must_check;

/* As map_fault() with map->lock held by the caller. */
int map_fault_locked(struct map *map, uaddr_t address, prot_t access) must_check;
