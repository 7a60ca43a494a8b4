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
#include "kern/abi/fcntl.h"
#include "kern/fs/mount.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
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
        lingering_count--;
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
        lingering_count++;
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

/* --- Operations ------------------------------------------------------------------------------- */

int vnode_parent(struct vnode *dir, struct vnode **parent)
{
    struct vnode *root = dir->mount->root;
    int error;

    if (dir == root || dir->ops->parent == NULL) {
        vnode_reference(root);
        *parent = root;
        return 0;
    }
    mutex_lock(&dir->lock);
    error = dir->ops->parent(dir, parent);
    mutex_unlock(&dir->lock);
    return error;
}

ssize_t vnode_read(struct vnode *vnode, void *buffer, size_t size, off_t offset)
{
    ssize_t count;

    if (vnode->type == VNODE_DIRECTORY)
        return -EISDIR;
    if (vnode->ops->read == NULL)
        return -EINVAL;
    mutex_lock(&vnode->lock);
    count = vnode->ops->read(vnode, buffer, size, offset);
    mutex_unlock(&vnode->lock);
    return count;
}

int vnode_stat(struct vnode *vnode, struct stat *stat)
{
    int error;

    mutex_lock(&vnode->lock);
    error = vnode->ops->getattr(vnode, stat);
    mutex_unlock(&vnode->lock);
    return error;
}

int vnode_setattr(struct vnode *vnode, const struct vnode_attributes *attributes)
{
    int error;

    if (vnode->mount->read_only)
        return -EROFS;
    if (vnode->ops->setattr == NULL)
        return -EPERM;
    mutex_lock(&vnode->lock);
    error = vnode->ops->setattr(vnode, attributes);
    mutex_unlock(&vnode->lock);
    if (error == 0 && (attributes->valid & ATTR_SIZE) != 0)
        vnode_drop_pages(vnode, attributes->size);
    return error;
}

/* Whether `uid` and `gid` may do it; vnode->lock is held. */
static int access_locked(struct vnode *vnode, int access, uid_t uid, gid_t gid)
{
    mode_t mode, wanted = (mode_t)access & (R_OK | W_OK | X_OK);
    struct stat stat;
    int error;

    if (uid == 0 && (vnode->type == VNODE_DIRECTORY || (wanted & X_OK) == 0))
        return 0;
    error = vnode->ops->getattr(vnode, &stat);
    if (error != 0)
        return error;
    if (uid == 0)
        return (stat.st_mode & 0111) != 0 ? 0 : -EACCES;
    mode = stat.st_mode;
    if (uid == stat.st_uid)
        mode >>= 6;
    else if (gid == stat.st_gid)
        mode >>= 3;
    return (wanted & ~mode) == 0 ? 0 : -EACCES;
}

int vnode_access_locked(struct vnode *vnode, int access)
{
    const struct process *process = process_self();

    if (process == NULL)
        return access_locked(vnode, access, 0, 0);
    return access_locked(vnode, access, process->euid, process->egid);
}

int vnode_access(struct vnode *vnode, int access)
{
    int error;

    mutex_lock(&vnode->lock);
    error = vnode_access_locked(vnode, access);
    mutex_unlock(&vnode->lock);
    return error;
}

int vnode_access_real(struct vnode *vnode, int access)
{
    const struct process *process = process_self();
    int error;

    mutex_lock(&vnode->lock);
    error = access_locked(vnode, access, process->uid, process->gid);
    mutex_unlock(&vnode->lock);
    return error;
}

ssize_t vnode_readlink(struct vnode *link, char *buffer, size_t size)
{
    ssize_t length;

    if (link->type != VNODE_SYMLINK)
        return -EINVAL;
    mutex_lock(&link->lock);
    length = link->ops->readlink(link, buffer, size);
    mutex_unlock(&link->lock);
    return length;
}

int vnode_deny_write(struct vnode *vnode)
{
    int error = 0;

    mutex_lock(&vnode->lock);
    if (vnode->writers > 0)
        error = -ETXTBSY;
    else
        vnode->deny_write++;
    mutex_unlock(&vnode->lock);
    return error;
}

void vnode_allow_write(struct vnode *vnode)
{
    mutex_lock(&vnode->lock);
    assert(vnode->deny_write > 0);
    vnode->deny_write--;
    mutex_unlock(&vnode->lock);
}

/* --- The file as a memory object -------------------------------------------------------------- */

static int vnode_page_read(struct object *object, off_t offset, void *page)
{
    ssize_t count = vnode_read(object->pager_data, page, PAGE_SIZE, offset);

    if (count < 0)
        return (int)count;
    memset((char *)page + count, 0, PAGE_SIZE - (size_t)count);
    return 0;
}

static const struct pager vnode_pager = {.read = vnode_page_read};

int vnode_get_object(struct vnode *vnode, struct object **object)
{
    int error = 0;

    if (vnode->type != VNODE_FILE || vnode->ops->read == NULL)
        return -ENODEV;
    mutex_lock(&vnode->lock);
    if (vnode->object == NULL)
        vnode->object = object_create(&vnode_pager, vnode);
    if (vnode->object == NULL) {
        error = -ENOMEM;
    } else {
        object_reference(vnode->object);
        *object = vnode->object;
    }
    mutex_unlock(&vnode->lock);
    return error;
}

void vnode_drop_pages(struct vnode *vnode, off_t offset)
{
    struct object *object = __atomic_load_n(&vnode->object, __ATOMIC_ACQUIRE);

    if (object != NULL)
        object_drop_pages(object, (size_t)offset / PAGE_SIZE);
}
