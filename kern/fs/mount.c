/*
 * The tree of mounted file systems.
 *
 * A mounted file system covers a directory of another one (only the root file system covers
 * nothing): covered->covered_by points at the mount, mount->covered back. Path lookup goes down
 * with mount_cross_down() when it has found a directory, and up with mount_cross_up() before it
 * takes "..".
 *
 *      /  (ext2 on disk0)                  mount 1: covered NULL
 *      +-- dev   <--- covered --------     mount 2: root vnode of devfs
 *          covered_by ----------------->
 *
 * Unmounting first cuts the link, so that no lookup can enter any more, then looks whether any
 * vnode is in use. Both the cut and every crossing happen under mount_list_lock.
 *
 * Locks: mounts_mutex serialises mounting and unmounting, over their disk I/O; mount_list_lock
 * (a spinlock) protects the list and all covered_by.
 */
#include "kern/fs/mount.h"

#include "kern/abi/errno.h"
#include "kern/dev/block.h"
#include "kern/print.h"
#include "kern/string.h"
#include "vm/heap.h"

static struct list mount_list = LIST_INITIALIZER(mount_list); /* oldest first */
static struct spinlock mount_list_lock = SPINLOCK_INITIALIZER("mount list", LOCK_MOUNT);
static struct mutex mounts_mutex;
static dev_t last_number; /* mounts_mutex */

void mount_init(void)
{
    mutex_init(&mounts_mutex, "mounts", LOCK_MOUNTS);
}

/* --- Mounting --------------------------------------------------------------------------------- */

static void mount_free(struct mount *mount)
{
    kfree(mount->path);
    kfree(mount);
}

static struct mount *mount_allocate(const struct fs_type *type, struct block_device *device,
                                    const char *path)
{
    struct mount *mount = kzalloc(sizeof *mount);

    if (mount == NULL)
        return NULL;
    mount->path = kmalloc(strlen(path) + 1);
    if (mount->path == NULL) {
        kfree(mount);
        return NULL;
    }
    string_copy(mount->path, path, strlen(path) + 1);
    string_copy(mount->source, device != NULL ? device->name : type->name, sizeof mount->source);
    list_node_init(&mount->link);
    mutex_init(&mount->rename_lock, "rename", LOCK_RENAME);
    mount->type = type;
    mount->device = device;
    return mount;
}

/* Whether a file system may be mounted there. mounts_mutex is held. */
static int mount_check(const struct fs_type *type, const struct block_device *device,
                       const struct vnode *covered)
{
    if (type->needs_device && device == NULL)
        return -ENOTBLK;
    if (covered != NULL && covered->type != VNODE_DIRECTORY)
        return -ENOTDIR;
    if (covered != NULL ? covered->covered_by != NULL : !list_is_empty(&mount_list))
        return -EBUSY;
    list_for_each (&mount_list, other, struct mount, link)
        if (device != NULL && other->device == device)
            return -EBUSY;
    return 0;
}

/* mounts_mutex is held. */
static int mount_locked(const struct fs_type *type, struct block_device *device, bool read_only,
                        struct vnode *covered, const char *path)
{
    struct mount *mount;
    int error = mount_check(type, device, covered);

    if (error != 0)
        return error;
    mount = mount_allocate(type, type->needs_device ? device : NULL, path);
    if (mount == NULL)
        return -ENOMEM;
    mount->read_only = read_only || (device != NULL && device->is_read_only);
    mount->number = ++last_number;
    error = type->mount(mount);
    if (error != 0) {
        mount_free(mount);
        return error;
    }
    spin_lock(&mount_list_lock);
    if (covered != NULL) {
        vnode_reference(covered);
        mount->covered = covered;
        covered->covered_by = mount;
    }
    list_push_back(&mount_list, &mount->link);
    spin_unlock(&mount_list_lock);
    return 0;
}

int mount_create(const struct fs_type *type, struct block_device *device, bool read_only,
                 struct vnode *covered, const char *path)
{
    int error;

    mutex_lock(&mounts_mutex);
    error = mount_locked(type, device, read_only, covered, path);
    mutex_unlock(&mounts_mutex);
    return error;
}

/* --- Unmounting ------------------------------------------------------------------------------- */

static void mount_set_covering(struct mount *mount, bool covering)
{
    spin_lock(&mount_list_lock);
    mount->covered->covered_by = covering ? mount : NULL;
    spin_unlock(&mount_list_lock);
}

/* mounts_mutex is held. */
static int unmount_locked(struct mount *mount)
{
    int error;

    if (mount->covered == NULL)
        return -EBUSY;
    mount_set_covering(mount, false);
    error = vnode_evict_all(mount);
    if (error != 0) {
        mount_set_covering(mount, true);
        return error;
    }
    spin_lock(&mount_list_lock);
    list_remove(&mount->link);
    spin_unlock(&mount_list_lock);
    if (mount->ops->shutdown != NULL)
        mount->ops->shutdown(mount);
    mount->root->keep = false;
    vnode_release(mount->root);
    if (mount->ops->release != NULL)
        mount->ops->release(mount);
    vnode_release(mount->covered);
    mount_free(mount);
    return 0;
}

int mount_destroy(struct vnode *root)
{
    struct mount *mount = root->mount;
    bool is_root = root == mount->root;
    int error = -EINVAL;

    vnode_release(root);
    if (!is_root)
        return error;
    mutex_lock(&mounts_mutex);
    list_for_each (&mount_list, other, struct mount, link)
        if (other == mount) {
            error = unmount_locked(mount);
            break;
        }
    mutex_unlock(&mounts_mutex);
    return error;
}

/* --- Crossing --------------------------------------------------------------------------------- */

struct vnode *mount_root(void)
{
    struct mount *mount = list_first(&mount_list, struct mount, link);

    vnode_reference(mount->root);
    return mount->root;
}

void mount_cross_down(struct vnode **vnode)
{
    struct vnode *root, *below;

    while (__atomic_load_n(&(*vnode)->covered_by, __ATOMIC_RELAXED) != NULL) {
        below = *vnode;
        spin_lock(&mount_list_lock);
        root = below->covered_by != NULL ? below->covered_by->root : NULL;
        if (root != NULL)
            vnode_reference(root);
        spin_unlock(&mount_list_lock);
        if (root == NULL)
            return;
        *vnode = root;
        vnode_release(below);
    }
}

void mount_cross_up(struct vnode **vnode)
{
    struct vnode *root = *vnode, *below = root->mount->covered;

    while (root == root->mount->root && below != NULL) {
        vnode_reference(below);
        *vnode = below;
        vnode_release(root);
        root = below;
        below = root->mount->covered;
    }
}

/* --- All of them ------------------------------------------------------------------------------ */

void mount_sync_all(void)
{
    mutex_lock(&mounts_mutex);
    list_for_each (&mount_list, mount, struct mount, link)
        if (mount->ops->sync != NULL)
            (void)mount->ops->sync(mount);
    mutex_unlock(&mounts_mutex);
}

void mount_evict_all(void)
{
    mutex_lock(&mounts_mutex);
    list_for_each (&mount_list, mount, struct mount, link)
        (void)!vnode_evict_all(mount);
    mutex_unlock(&mounts_mutex);
}

void mount_shutdown_all(void)
{
    mutex_lock(&mounts_mutex);
    list_for_each (&mount_list, mount, struct mount, link)
        if (mount->ops->shutdown != NULL)
            mount->ops->shutdown(mount);
    mutex_unlock(&mounts_mutex);
}

bool mount_get_info(unsigned index, struct mount_info *info)
{
    bool found = false;

    spin_lock(&mount_list_lock);
    list_for_each (&mount_list, mount, struct mount, link) {
        found = index-- == 0;
        if (found) {
            string_copy(info->source, mount->source, sizeof info->source);
            string_copy(info->type, mount->type->name, sizeof info->type);
            string_copy(info->path, mount->path, sizeof info->path);
            info->read_only = mount->read_only;
            break;
        }
    }
    spin_unlock(&mount_list_lock);
    return found;
}
