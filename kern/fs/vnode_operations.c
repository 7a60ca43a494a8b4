/*
 * What the rest of the kernel does with a vnode: operations that take its lock around the file
 * system's, permission checks, and the file as a memory object.
 *
 * Permissions are POSIX's: the owner's, the group's or the others' three bits, of which only the
 * first set that fits counts. Root may do everything, but execute only what somebody may.
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/fs/mount.h"
#include "kern/fs/vnode.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "vm/object.h"
#include <machine/param.h>

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
    if (count == 0)
        return -EIO; /* wholly past the end: SIGBUS, as on Linux */
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
