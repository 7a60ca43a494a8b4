/*
 * Vnodes and their cache.
 *
 * A vnode stands for one file while the kernel has to do with it; there is at most one for each
 * (mount, number), so that its lock really protects the file. The cache finds it by that pair.
 * References come from open files, current directories, mounts, running programs and path
 * lookups; the vnode cannot go while there is one.
 *
 *                      vnode_get(): load()                     last vnode_release()
 *      (not there) -----> in transit -----> in use, n > 0 <==========> idle, n == 0
 *           ^                                    |        vnode_get()        |
 *           |                                    | last release,             | vnode_reclaim()
 *           +----------- in transit <------------+ not worth keeping         |
 *                       ops->inactive() <------------------------------------+
 *
 * A vnode in transit belongs to the thread that loads it or throws it out; others who want the
 * number wait until that is done. Throwing out an unlinked file is what frees it on disk.
 * An idle vnode keeps its memory object, so that a program which is run again finds its pages.
 *
 * The object points back without a reference. Therefore a vnode whose object someone else refers
 * to (a mapping) is never thrown out: an unlinked one lingers on the idle list until a later
 * release finds the mapping gone. Such a reference cannot come anew, because only vnode_get()
 * leads to the object.
 *
 * Locks: cache_lock for the table and the idle list. vnode->lock orders: directories before other
 * files, a parent before its child, else by address (kern/lock_order.h).
 */
#include "kern/fs/vnode.h"

#include "kern/abi/errno.h"
#include "kern/fs/mount.h"
#include "kern/print.h"
#include "kern/wait.h"
#include "vm/heap.h"
#include "vm/object.h"
#include "vm/page.h"

#define BUCKETS 512

static struct spinlock cache_lock = SPINLOCK_INITIALIZER("vnode cache", LOCK_VNODE_CACHE);
static struct wait_queue transit_queue = WAIT_QUEUE_INITIALIZER(transit_queue);
static struct list buckets[BUCKETS];                        /* (c) every vnode, by cache_link */
static struct list idle_list = LIST_INITIALIZER(idle_list); /* (c) the longest idle first */
static size_t idle_count;                                   /* (c) */
static size_t idle_max;                                     /* (i) */
static size_t lingering_count;                              /* (c) idle and not worth keeping */

void vnode_init(void)
{
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&buckets[i]);
    idle_max = min(max(page_total_count() / 32, (size_t)64), (size_t)8192);
}

static struct list *bucket_of(const struct mount *mount, ino_t number)
{
    return &buckets[(number ^ number >> 9 ^ mount->number * 37) % BUCKETS];
}

/* --- Getting a vnode -------------------------------------------------------------------------- */

static struct vnode *vnode_create(struct mount *mount, ino_t number)
{
    struct vnode *vnode = kzalloc(sizeof *vnode);

    if (vnode == NULL)
        return NULL;
    mutex_init(&vnode->lock, "vnode", LOCK_VNODE);
    vnode->references = 1;
    list_node_init(&vnode->cache_link);
    list_node_init(&vnode->idle_link);
    vnode->is_in_transit = true;
    vnode->mount = mount;
    vnode->number = number;
    return vnode;
}

/* cache_lock is held. */
static struct vnode *cache_find(const struct mount *mount, ino_t number)
{
    list_for_each (bucket_of(mount, number), vnode, struct vnode, cache_link)
        if (vnode->mount == mount && vnode->number == number)
            return vnode;
    return NULL;
}

/* A vnode stops to be idle. cache_lock is held. */
static void idle_remove(struct vnode *vnode)
{
    list_remove(&vnode->idle_link);
    idle_count--;
    if (!vnode->keep)
        __atomic_store_n(&lingering_count, lingering_count - 1, __ATOMIC_RELAXED);
}

/*
 * Find the vnode and take a reference, or put `fresh` (may be NULL) in its place. Returns the
 * vnode that is in the cache now, if any.
 */
static struct vnode *cache_find_or_insert(struct mount *mount, ino_t number, struct vnode *fresh)
{
    struct vnode *vnode;

    spin_lock(&cache_lock);
    while ((vnode = cache_find(mount, number)) != NULL && vnode->is_in_transit)
        wait_sleep(&transit_queue, &cache_lock);
    if (vnode != NULL) {
        if (__atomic_fetch_add(&vnode->references, 1, __ATOMIC_RELAXED) == 0)
            idle_remove(vnode);
    } else if (fresh != NULL) {
        list_push_front(bucket_of(mount, number), &fresh->cache_link);
        vnode = fresh;
    }
    spin_unlock(&cache_lock);
    return vnode;
}

/* End the transit: `vnode` is usable, or leaves the cache and is freed. */
static void transit_end(struct vnode *vnode, bool usable)
{
    spin_lock(&cache_lock);
    vnode->is_in_transit = false;
    if (!usable)
        list_remove(&vnode->cache_link);
    wait_wake_all(&transit_queue);
    spin_unlock(&cache_lock);
    if (!usable)
        kfree(vnode);
}

int vnode_get(struct mount *mount, ino_t number, int (*load)(struct vnode *vnode, void *argument),
              void *argument, struct vnode **found)
{
    struct vnode *fresh, *vnode = cache_find_or_insert(mount, number, NULL);
    int error;

    if (vnode == NULL) {
        fresh = vnode_create(mount, number);
        if (fresh == NULL)
            return -ENOMEM;
        vnode = cache_find_or_insert(mount, number, fresh);
        if (vnode == fresh) {
            error = load(vnode, argument);
            transit_end(vnode, error == 0);
            if (error != 0)
                return error;
        } else {
            kfree(fresh);
        }
    }
    *found = vnode;
    return 0;
}

struct vnode *vnode_find(struct mount *mount, ino_t number)
{
    return cache_find_or_insert(mount, number, NULL);
}

bool vnode_is_cached(const struct mount *mount, ino_t number)
{
    const struct vnode *vnode;
    bool found;

    spin_lock(&cache_lock);
    vnode = cache_find(mount, number);
    found = vnode != NULL && !vnode->is_in_transit;
    spin_unlock(&cache_lock);
    return found;
}

struct pseudo_vnode {
    enum vnode_type type;
    const struct vnode_ops *ops;
    void *data;
};

static int pseudo_load(struct vnode *vnode, void *argument)
{
    const struct pseudo_vnode *values = argument;

    vnode->type = values->type;
    vnode->ops = values->ops;
    vnode->data = values->data;
    return 0;
}

int vnode_get_pseudo(struct mount *mount, ino_t number, enum vnode_type type,
                     const struct vnode_ops *ops, void *data, struct vnode **found)
{
    struct pseudo_vnode values = {type, ops, data};

    return vnode_get(mount, number, pseudo_load, &values, found);
}

/* --- Letting go ------------------------------------------------------------------------------- */

static bool is_mapped(const struct vnode *vnode)
{
    return vnode->object != NULL &&
           __atomic_load_n(&vnode->object->references, __ATOMIC_ACQUIRE) > 1;
}

/* Throw out a vnode without references that is not on the idle list. Releases cache_lock. */
static void throw_out_and_unlock(struct vnode *vnode)
{
    vnode->is_in_transit = true;
    spin_unlock(&cache_lock);
    if (vnode->object != NULL)
        object_release(vnode->object);
    if (vnode->ops->inactive != NULL)
        vnode->ops->inactive(vnode);
    transit_end(vnode, false);
}

/*
 * Throw out the first idle vnode that is worth keeping (`keep`) or not, of `mount` or of any
 * (NULL), and that is not mapped. False when there is none.
 */
static bool throw_out_idle(bool keep, const struct mount *mount)
{
    spin_lock(&cache_lock);
    list_for_each (&idle_list, vnode, struct vnode, idle_link) {
        if (vnode->keep != keep || is_mapped(vnode) || (mount != NULL && vnode->mount != mount))
            continue;
        idle_remove(vnode);
        throw_out_and_unlock(vnode);
        return true;
    }
    spin_unlock(&cache_lock);
    return false;
}

void vnode_reference(struct vnode *vnode)
{
    uint32_t before = __atomic_fetch_add(&vnode->references, 1, __ATOMIC_RELAXED);

    assert(before > 0);
    (void)before;
}

/* Drop a reference that is not the last one; false when it is. */
static bool release_fast(struct vnode *vnode)
{
    uint32_t count = __atomic_load_n(&vnode->references, __ATOMIC_RELAXED);

    while (count > 1)
        if (__atomic_compare_exchange_n(&vnode->references, &count, count - 1, true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return true;
    assert(count == 1);
    return false;
}

void vnode_release(struct vnode *vnode)
{
    bool too_many;

    if (release_fast(vnode))
        return;
    spin_lock(&cache_lock);
    if (__atomic_fetch_sub(&vnode->references, 1, __ATOMIC_ACQ_REL) > 1) {
        spin_unlock(&cache_lock);
        return;
    }
    if (!vnode->keep && !is_mapped(vnode)) {
        throw_out_and_unlock(vnode);
        return;
    }
    list_push_back(&idle_list, &vnode->idle_link);
    idle_count++;
    if (!vnode->keep)
        __atomic_store_n(&lingering_count, lingering_count + 1, __ATOMIC_RELAXED);
    too_many = idle_count > idle_max;
    spin_unlock(&cache_lock);
    if (too_many)
        (void)throw_out_idle(true, NULL);
    while (__atomic_load_n(&lingering_count, __ATOMIC_RELAXED) > 0 && throw_out_idle(false, NULL))
        continue;
}

void vnode_reclaim(size_t count)
{
    while (count-- > 0 && throw_out_idle(true, NULL))
        continue;
}

int vnode_evict_all(struct mount *mount)
{
    bool is_busy = false;

    while (throw_out_idle(true, mount) || throw_out_idle(false, mount))
        continue;
    spin_lock(&cache_lock);
    for (size_t i = 0; i < BUCKETS; i++)
        list_for_each (&buckets[i], vnode, struct vnode, cache_link)
            is_busy |= vnode->mount == mount && vnode != mount->root;
    is_busy |= __atomic_load_n(&mount->root->references, __ATOMIC_RELAXED) > 1;
    spin_unlock(&cache_lock);
    return is_busy ? -EBUSY : 0;
}

/* --- Types ------------------------------------------------------------------------------------ */

static const mode_t type_modes[] = {
    [VNODE_FILE] = S_IFREG,    [VNODE_DIRECTORY] = S_IFDIR, [VNODE_SYMLINK] = S_IFLNK,
    [VNODE_CHAR] = S_IFCHR,    [VNODE_BLOCK] = S_IFBLK,     [VNODE_FIFO] = S_IFIFO,
    [VNODE_SOCKET] = S_IFSOCK,
};

mode_t vnode_type_mode(enum vnode_type type)
{
    return type_modes[type];
}

bool vnode_type_from_mode(mode_t mode, enum vnode_type *type)
{
    for (size_t i = 0; i < array_length(type_modes); i++)
        if ((mode & S_IFMT) == type_modes[i]) {
            *type = (enum vnode_type)i;
            return true;
        }
    return false;
}

bool vnode_list_dots(struct vnode *dir, ino_t parent, off_t *offset, vnode_entry_fn *entry,
                     void *argument)
{
    if (*offset == 0) {
        if (!entry(argument, ".", 1, dir->number, DT_DIR, 1))
            return false;
        *offset = 1;
    }
    if (*offset == 1) {
        if (!entry(argument, "..", 2, parent, DT_DIR, 2))
            return false;
        *offset = 2;
    }
    return true;
}
