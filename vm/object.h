/*
 * Memory objects: pages that come from somewhere, cached by their index. A vnode has one, whose
 * pager reads the file; address maps map them. Theory in vm/object.c.
 */
#pragma once

#include "kern/list.h"
#include "kern/mutex.h"
#include "kern/spinlock.h"
#include "kern/types.h"

struct object;
struct page;

/* Where an object's pages come from; the owner of the object provides it. */
struct pager {
    /*
     * Fill `page` (PAGE_SIZE bytes) with the object's bytes from `offset` on, zeros past the end.
     * May sleep. Returns 0 or a negative errno: -EIO for a page wholly past the end.
     */
    int (*read)(struct object *object, off_t offset, void *page);
    /* The last reference is gone; the pages are freed already. May be NULL. The
     * object itself is freed on return. */
    void (*release)(struct object *object);
};

struct object {
    uint32_t references;        /* (a) */
    const struct pager *pager;  /* (i) */
    void *pager_data;           /* (i) the pager's */
    struct list_node list_link; /* the lock of the list of all objects */
    struct mutex fill_lock;     /* held while the pager reads: one reader a page */
    struct spinlock lock;
    struct page **pages; /* (l) by index; NULL where not cached */
    size_t capacity;     /* (l) length of `pages` */
    size_t cached;       /* (l) how many are not NULL */
    unsigned generation; /* (l) counts object_drop_pages() */
};

/* Make an object of no pages, with one reference. NULL when out of memory. */
struct object *object_create(const struct pager *pager, void *pager_data) must_check;
void object_reference(struct object *object);
void object_release(struct object *object);

/*
 * The page at `index` (offset / PAGE_SIZE), read by the pager if it is not cached, with a
 * reference for the caller. May sleep. Returns 0, -ENOMEM or the pager's error.
 */
int object_get_page(struct object *object, size_t index, struct page **page) must_check;

/* Fill those of pages[count] that are NULL with the cached pages from `first` on, referenced. */
void object_gather(struct object *object, size_t first, struct page *pages[], size_t count);

/* Drop the cached pages from `index` on (the file was written or cut). Mappings keep theirs. */
void object_drop_pages(struct object *object, size_t index);

/*
 * Free cached pages that nobody maps, since memory is short. Returns how many. Not in interrupt
 * handlers, and with no lock held from LOCK_OBJECT_LIST on.
 */
size_t object_reclaim(void);

/* object_reclaim() if little memory is free: where much of it is about to be taken. */
void object_relieve(void);
