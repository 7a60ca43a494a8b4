/*
 * Open files that are vnodes: file_ops which move the data between the vnode and the caller's
 * kernel buffer, under the vnode's lock. What a device or a FIFO does instead is decided when it
 * is opened (kern/fs/path.c).
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/file.h"
#include "kern/fs/vnode.h"
#include "kern/print.h"

static ssize_t vnode_file_read(struct file *file, void *buffer, size_t size, off_t *position)
{
    ssize_t count = vnode_read(file->vnode, buffer, size, *position);

    if (count > 0)
        *position += count;
    return count;
}

/* Write at *position, or at the end if O_APPEND says so. The vnode is locked. */
static ssize_t write_locked(struct file *file, const void *buffer, size_t size, off_t *position)
{
    struct vnode *vnode = file->vnode;
    struct stat stat;
    int error;

    if ((__atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_APPEND) != 0) {
        error = vnode->ops->getattr(vnode, &stat);
        if (error != 0)
            return error;
        *position = stat.st_size;
    }
    return vnode->ops->write(vnode, buffer, size, *position);
}

static ssize_t vnode_file_write(struct file *file, const void *buffer, size_t size, off_t *position)
{
    struct vnode *vnode = file->vnode;
    ssize_t count;
    int error = 0;

    if (vnode->ops->write == NULL)
        return -EINVAL;
    mutex_lock(&vnode->lock);
    count = write_locked(file, buffer, size, position);
    if (count > 0 && (file->flags & O_DSYNC) != 0 && vnode->ops->fsync != NULL)
        error = vnode->ops->fsync(vnode);
    mutex_unlock(&vnode->lock);
    if (count > 0) {
        vnode_drop_pages(vnode, *position);
        *position += count;
    }
    return error != 0 ? error : count;
}

static int vnode_file_stat(struct file *file, struct stat *stat)
{
    return vnode_stat(file->vnode, stat);
}

static void vnode_file_release(struct file *file)
{
    struct vnode *vnode = file->vnode;

    if (vnode->type != VNODE_FILE || !file_is_writable(file))
        return;
    mutex_lock(&vnode->lock);
    assert(vnode->writers > 0);
    vnode->writers--;
    mutex_unlock(&vnode->lock);
}

const struct file_ops vnode_file_ops = {
    .read = vnode_file_read,
    .write = vnode_file_write,
    .stat = vnode_file_stat,
    .release = vnode_file_release,
    .is_seekable = true,
};
