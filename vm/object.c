/*
 * Memory objects: the page cache.
 *
 * An object is a growing array of page pointers and a pager that can fill a page. The cache
 * holds one reference to each page in it, whoever maps or reads the page another; so a page
 * may leave the cache at any time (because the file changed, or memory is short), and who uses
 * it keeps what was there.
 *
 * Reading a page takes object->fill_lock, so that of several threads that miss one reads and
 * the others find the page. object_drop_pages() does not wait for a read in progress; it
 * counts `generation`, and a reader that finds that changed reads again, lest it cache what the
 * file was before.
 *
 * All pages in the cache are clean: object_reclaim() may free any page that has no reference but
 * the cache's. It goes around the list of all objects, so that each call starts where the last
 * one ended. The cache does not take the last CACHE_RESERVE part of the memory.
 *
 * Locks: fill_lock is held across the pager; then object_list_lock, then object->lock.
 */
#include "vm/object.h"
#include "kern/abi/errno.h"
#include "kern/print.h"
#include "kern/string.h"
#include "vm/heap.h"
#include "vm/page.h"

#define CACHE_RESERVE  32  /* the cache leaves 1/32 of the memory free */
#define RECLAIM_TARGET 128 /* pages that one object_reclaim() is content with */

static struct spinlock object_list_lock = SPINLOCK_INITIALIZER("object list", LOCK_OBJECT_LIST);
static struct list object_list = LIST_INITIALIZER(object_list); /* object_list_lock */

struct object *object_create(const struct pager *pager, void *pager_data)
{
    struct object *object = kzalloc(sizeof(*object));

    if (object == NULL)
        return NULL;
    object->references = 1;
    object->pager = pager;
    object->pager_data = pager_data;
    mutex_init(&object->fill_lock, "object", LOCK_PAGER);
    spin_init(&object->lock, "object", LOCK_OBJECT);
    spin_lock(&object_list_lock);
    list_push_back(&object_list, &object->list_link);
    spin_unlock(&object_list_lock);
    return object;
}

void object_reference(struct object *object)
{
    __atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);
}

void object_release(struct object *object)
{
    if (__atomic_fetch_sub(&object->references, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    spin_lock(&object_list_lock);
    list_remove(&object->list_link);
    spin_unlock(&object_list_lock);
    object_drop_pages(object, 0);
    if (object->pager->release != NULL)
        object->pager->release(object);
    kfree(object->pages);
    kfree(object);
}

/* The cached page at `index` with a reference, or NULL. object->lock is held. */
static struct page *find_cached(struct object *object, size_t index)
{
    if (index >= object->capacity || object->pages[index] == NULL)
        return NULL;
    page_reference(object->pages[index]);
    return object->pages[index];
}

/* Make the array long enough for `index`. fill_lock is held, so that nobody else does. */
static int grow(struct object *object, size_t index)
{
    size_t capacity = max(object->capacity, 8UL);
    struct page **pages, **old;

    if (index < object->capacity)
        return 0;
    if (index >= (PAGE_SIZE << PAGE_ORDER_MAX) / sizeof(*pages))
        return -ENOMEM;
    while (capacity <= index)
        capacity *= 2;
    pages = kzalloc(capacity * sizeof(*pages));
    if (pages == NULL)
        return -ENOMEM;
    spin_lock(&object->lock);
    old = object->pages;
    if (old != NULL)
        memcpy(pages, old, object->capacity * sizeof(*pages));
    object->pages = pages;
    object->capacity = capacity;
    spin_unlock(&object->lock);
    kfree(old);
    return 0;
}

/*
 * Read the page at `index` into `page` and cache it; fill_lock is held. Returns 0, -ENOMEM, the
 * pager's error, or -EAGAIN when the object changed meanwhile.
 */
static int fill_page(struct object *object, size_t index, struct page *page)
{
    unsigned generation = __atomic_load_n(&object->generation, __ATOMIC_ACQUIRE);
    int error = object->pager->read(object, (off_t)(index * PAGE_SIZE), page_data(page));

    /* After the pager, who may know that there is no such page. */
    if (error == 0)
        error = grow(object, index);
    if (error != 0)
        return error;
    spin_lock(&object->lock);
    if (object->generation == generation) {
        page_reference(page);
        object->pages[index] = page;
        object->cached++;
    } else {
        error = -EAGAIN;
    }
    spin_unlock(&object->lock);
    return error;
}

/* Allocate and fill the page at `index`; fill_lock is held. */
static int read_page(struct object *object, size_t index, struct page **found)
{
    struct page *page;
    int error;

    object_relieve();
    page = page_alloc_user();
    if (page == NULL)
        return -ENOMEM;
    do
        error = fill_page(object, index, page);
    while (error == -EAGAIN);
    if (error != 0) {
        page_release(page);
        return error;
    }
    *found = page;
    return 0;
}

static struct page *get_cached(struct object *object, size_t index)
{
    struct page *page;

    spin_lock(&object->lock);
    page = find_cached(object, index);
    spin_unlock(&object->lock);
    return page;
}

int object_get_page(struct object *object, size_t index, struct page **page)
{
    int error = 0;

    *page = get_cached(object, index);
    if (*page != NULL)
        return 0;
    mutex_lock(&object->fill_lock);
    *page = get_cached(object, index);
    if (*page == NULL)
        error = read_page(object, index, page);
    mutex_unlock(&object->fill_lock);
    return error;
}

void object_gather(struct object *object, size_t first, struct page *pages[], size_t count)
{
    spin_lock(&object->lock);
    for (size_t i = 0; i < count; i++) {
        if (pages[i] == NULL)
            pages[i] = find_cached(object, first + i);
    }
    spin_unlock(&object->lock);
}

void object_drop_pages(struct object *object, size_t index)
{
    spin_lock(&object->lock);
    __atomic_fetch_add(&object->generation, 1, __ATOMIC_RELEASE);
    for (; index < object->capacity && object->cached > 0; index++) {
        if (object->pages[index] != NULL) {
            page_release(object->pages[index]);
            object->pages[index] = NULL;
            object->cached--;
        }
    }
    spin_unlock(&object->lock);
}

/* Free the pages of one object that only the cache refers to. */
static size_t reclaim_from(struct object *object)
{
    size_t freed = 0;

    spin_lock(&object->lock);
    for (size_t i = 0; i < object->capacity && object->cached > 0; i++) {
        struct page *page = object->pages[i];

        /* References are taken from the cache under object->lock: 1 cannot become 2 here. */
        if (page != NULL && page_references(page) == 1) {
            page_release(page);
            object->pages[i] = NULL;
            object->cached--;
            freed++;
        }
    }
    spin_unlock(&object->lock);
    return freed;
}

size_t object_reclaim(void)
{
    struct object *last = NULL;
    size_t freed = 0;

    spin_lock(&object_list_lock);
    if (!list_is_empty(&object_list))
        last = container_of(object_list.head.prev, struct object, list_link);
    while (last != NULL && freed < RECLAIM_TARGET) {
        struct object *object = list_first(&object_list, struct object, list_link);

        list_remove(&object->list_link);
        list_push_back(&object_list, &object->list_link);
        freed += reclaim_from(object);
        if (object == last)
            break;
    }
    spin_unlock(&object_list_lock);
    return freed;
}

void object_relieve(void)
{
    if (page_free_count() < page_total_count() / CACHE_RESERVE)
        object_reclaim();
}
