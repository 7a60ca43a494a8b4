/*
 * Anonymous memory.
 *
 * An anon is an array of slots, one a page, each NULL or a counted reference to a page (the
 * "amaps" of Cranor's UVM, without a structure between slot and page: the page counts). A
 * private page is shared after fork by a slot in each of the two anons; whoever writes to it
 * finds more than one reference and copies (vm/fault.c).
 *
 * Regions may be huge and sparse, so the array is a radix tree of nodes with NODE_SLOTS entries,
 * as high as the largest index needs:
 *
 *      height 1:  root [p| |p|..]                         indices 0..63
 *      height 2:  root [*| |*|..] --> [p|p| |..]          indices 0..4095
 *
 * It grows by a new root above the old one, so nodes and slots never move, and a pointer to a
 * slot stays good while the anon lives.
 *
 * Locks: anon->lock protects the tree. The slots of an anon that one map shows (all but those of
 * MAP_SHARED memory) belong to who holds that map's lock.
 */
#include "vm/anon.h"
#include "kern/abi/errno.h"
#include "kern/print.h"
#include "kern/solutions.h"
#include "kern/string.h"
#include "vm/heap.h"
#include "vm/page.h"

#define NODE_SHIFT 6
#define NODE_SLOTS (1UL << NODE_SHIFT)

struct node {
    void *entries[NODE_SLOTS]; /* nodes; in the lowest level, pages */
};

struct anon *anon_create(void)
{
    struct anon *anon = kzalloc(sizeof(*anon));

    if (anon == NULL)
        return NULL;
    anon->references = 1;
    spin_init(&anon->lock, "anon", LOCK_OBJECT);
    return anon;
}

void anon_reference(struct anon *anon)
{
    __atomic_fetch_add(&anon->references, 1, __ATOMIC_RELAXED);
}

/* How many indices a node of `level` (1 = lowest) covers, as a power of two. */
static inline unsigned level_shift(unsigned level)
{
    return NODE_SHIFT * level;
}

static void free_node(struct node *node, unsigned level)
{
    for (size_t i = 0; i < NODE_SLOTS; i++) {
        if (node->entries[i] == NULL)
            continue;
        if (level > 1)
            free_node(node->entries[i], level - 1);
        else
            page_release(node->entries[i]);
    }
    kfree(node);
}

void anon_release(struct anon *anon)
{
    if (__atomic_fetch_sub(&anon->references, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    if (anon->root != NULL)
        free_node(anon->root, anon->height);
    kfree(anon);
}

/*
 * The slot of `index`, which is followed by those up to *next; or NULL, and there are none before
 * *next.
 */
static struct page **find_slots(const struct anon *anon, size_t index, size_t *next)
{
    void *const *entry = &anon->root;
    unsigned level = anon->height;

    *next = SIZE_MAX;
    if (level == 0 || index >> level_shift(level) != 0)
        return NULL;
    for (; level > 0; level--) {
        struct node *node = *entry;

        *next = ((index >> level_shift(level)) + 1) << level_shift(level);
        if (node == NULL)
            return NULL;
        entry = &node->entries[(index >> level_shift(level - 1)) & (NODE_SLOTS - 1)];
    }
    return (struct page **)entry;
}

/* Make the tree high enough for `index`; false when out of memory. */
static bool grow(struct anon *anon, size_t index)
{
    while (anon->height == 0 || index >> level_shift(anon->height) != 0) {
        struct node *root = kzalloc(sizeof(*root));

        if (root == NULL)
            return false;
        root->entries[0] = anon->root;
        anon->root = root;
        anon->height++;
    }
    return true;
}

static struct page **make_slot(struct anon *anon, size_t index)
{
    void **entry = &anon->root;

    if (!grow(anon, index))
        return NULL;
    for (unsigned level = anon->height; level > 0; level--) {
        if (*entry == NULL)
            *entry = kzalloc(sizeof(struct node));
        if (*entry == NULL)
            return NULL;
        entry =
            &((struct node *)*entry)->entries[(index >> level_shift(level - 1)) & (NODE_SLOTS - 1)];
    }
    return (struct page **)entry;
}

struct page **anon_find(struct anon *anon, size_t index)
{
    struct page **slot;
    size_t next;

    spin_lock(&anon->lock);
    slot = find_slots(anon, index, &next);
    spin_unlock(&anon->lock);
    return slot;
}

struct page **anon_make(struct anon *anon, size_t index)
{
    struct page **slot;

    spin_lock(&anon->lock);
    slot = make_slot(anon, index);
    spin_unlock(&anon->lock);
    return slot;
}

void anon_gather(struct anon *anon, size_t first, struct page *pages[], size_t count)
{
    size_t end = first + count, next;

    spin_lock(&anon->lock);
    for (size_t index = first; index < end; index = next) {
        struct page **slot = find_slots(anon, index, &next);

        for (size_t i = index; slot != NULL && i < min(next, end); i++, slot++) {
            if (pages[i - first] == NULL && *slot != NULL) {
                pages[i - first] = *slot;
                page_reference(*slot);
            }
        }
    }
    spin_unlock(&anon->lock);
}

void anon_clear(struct anon *anon, size_t first, size_t end)
{
    size_t next;

    /* One node at a time, so that interrupts are not off for long. */
    for (size_t index = first; index < end; index = next) {
        struct page **slot;

        spin_lock(&anon->lock);
        slot = find_slots(anon, index, &next);
        for (size_t i = index; slot != NULL && i < min(next, end); i++, slot++) {
            if (*slot != NULL)
                page_release(*slot);
            *slot = NULL;
        }
        spin_unlock(&anon->lock);
    }
}

#if SOL_COW
/* What a child's slot gets for the page in its parent's: the same. */
static struct page *share_page(struct page *page)
{
    page_reference(page);
    return page;
}
#else
/*
 * Lab cow, step 1. What a child's slot gets for the `page` in its parent's: here a copy of its own,
 * or NULL when there is no memory. Let both slots have the same page; each holds a reference.
 */
static struct page *share_page(struct page *page)
{
    struct page *copy = page_alloc_user();

    if (copy != NULL)
        memcpy(page_data(copy), page_data(page), PAGE_SIZE);
    return copy;
}
#endif

/* Share the slots of one node, [first, end). */
static int share_slots(struct anon *to, struct page *const *slot, size_t first, size_t end)
{
    struct page **copy = make_slot(to, first);

    if (copy == NULL)
        return -ENOMEM;
    for (; first < end; first++, slot++, copy++) {
        if (*slot == NULL)
            continue;
        *copy = share_page(*slot);
        if (*copy == NULL)
            return -ENOMEM;
    }
    return 0;
}

int anon_share(struct anon *to, struct anon *from, size_t first, size_t end)
{
    int error = 0;
    size_t next;

    /* No lock: `to` is new, and the map that owns both is locked. */
    for (size_t index = first; index < end && error == 0; index = next) {
        struct page **slot = find_slots(from, index, &next);

        if (slot != NULL)
            error = share_slots(to, slot, index, min(next, end));
    }
    return error;
}
