/*
 * Anonymous memory: pages that belong to address maps and come from nowhere: zeros, and private
 * copies of an object's pages. Theory in vm/anon.c.
 */
#pragma once

#include "kern/spinlock.h"
#include "kern/types.h"

struct page;

struct anon {
    uint32_t references; /* (a) regions that show it */
    unsigned height;     /* (l) levels of nodes; 0: no slots yet */
    void *root;          /* (l) the top node */
    struct spinlock lock;
};

/* Make one without pages, with one reference. NULL when out of memory. */
struct anon *anon_create(void) must_check;
void anon_reference(struct anon *anon);

/* Drop a reference; the last one releases all pages. */
void anon_release(struct anon *anon);

/*
 * The slot of page `index`: it holds the page and a reference to it, or NULL. anon_find() returns
 * NULL where no slot was made; anon_make() makes it, NULL when out of memory. Slots do not
 * move. The caller excludes others by the map's lock; if several maps show the anon, it sets a
 * slot by a compare-exchange from NULL, and never changes it again.
 */
struct page **anon_find(struct anon *anon, size_t index) must_check;
struct page **anon_make(struct anon *anon, size_t index) must_check;

/* Fill those of pages[count] that are NULL with the pages from `first` on, referenced. */
void anon_gather(struct anon *anon, size_t first, struct page *pages[], size_t count);

/* Release the pages [first, end) and empty their slots. */
void anon_clear(struct anon *anon, size_t first, size_t end);

/* Let `to` share the pages [first, end) of `from` at the same indices. Returns 0 or -ENOMEM. */
int anon_share(struct anon *to, struct anon *from, size_t first, size_t end) must_check;
