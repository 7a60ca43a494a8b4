/*
 * System calls on whole file systems: mount, umount2, statfs, sync; and fsync.
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/abi/mount.h"
#include "kern/dev/block.h"
#include "kern/dev/device.h"
#include "kern/file.h"
#include "kern/fs/mount.h"
#include "kern/fs/sys_fs.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"
#include "vm/heap.h"

/* --- Mounting --------------------------------------------------------------------------------- */

/* The disk that a device file stands for: its name is the disk's. */
static int find_disk(uaddr_t address, struct block_device **device)
{
    struct vnode *vnode;
    char *path;
    int error = sys_copyin_path(address, &path);

    if (error != 0)
        return error;
    error = vnode_lookup(path, true, &vnode);
    if (error == 0) {
        *device = strrchr(path, '/') != NULL ? block_find(strrchr(path, '/') + 1) : NULL;
        if (vnode->type != VNODE_BLOCK)
            error = -ENOTBLK;
        else if (*device == NULL)
            error = -ENXIO;
        vnode_release(vnode);
    }
    kfree(path);
    return error;
}

static int mount_path(const struct fs_type *type, struct block_device *device, bool read_only,
                      const char *path)
{
    struct vnode *covered;
    int error = vnode_lookup(path, true, &covered);

    if (error != 0)
        return error;
    error = mount_create(type, device, read_only, covered, path);
    vnode_release(covered);
    return error;
}

int64_t sys_mount(const uint64_t arg[])
{
    uint64_t flags = arg[3];
    struct block_device *device = NULL;
    const struct fs_type *type;
    char name[16], *path;
    int64_t result;

    if (process_self()->euid != 0)
        return -EPERM;
    if ((flags & MS_MGC_MASK) == MS_MGC_VALUE)
        flags &= ~(uint64_t)MS_MGC_MASK;
    if ((flags & ~(uint64_t)(MS_RDONLY | MS_SILENT | MS_RELATIME)) != 0)
        return -EINVAL;
    result = copyin_string(name, arg[2], sizeof name);
    if (result < 0)
        return result == -ENAMETOOLONG ? -ENODEV : result;
    type = fs_type_find(name);
    if (type == NULL)
        return -ENODEV;
    if (type->needs_device)
        result = find_disk(arg[0], &device);
    if (result < 0)
        return result;
    result = sys_copyin_path(arg[1], &path);
    if (result != 0)
        return result;
    result = mount_path(type, device, (flags & MS_RDONLY) != 0, path);
    kfree(path);
    return result;
}

int64_t sys_umount2(const uint64_t arg[])
{
    struct vnode *root;
    int error;

    if (process_self()->euid != 0)
        return -EPERM;
    if (((uint32_t)arg[1] & ~(uint32_t)UMOUNT_NOFOLLOW) != 0)
        return -EINVAL;
    error = sys_lookup(AT_FDCWD, arg[0], (arg[1] & UMOUNT_NOFOLLOW) == 0, &root);
    return error != 0 ? error : mount_destroy(root);
}

/* --- Status ----------------------------------------------------------------------------------- */

/* Takes over the reference. */
static int64_t statfs_vnode(struct vnode *vnode, uaddr_t to)
{
    struct mount *mount = vnode->mount;
    struct statfs statfs = {.f_bsize = 4096, .f_namelen = NAME_MAX};
    int error = 0;

    if (mount->ops->statfs != NULL)
        error = mount->ops->statfs(mount, &statfs);
    statfs.f_frsize = statfs.f_bsize;
    statfs.f_fsid[0] = (int32_t)mount->number;
    statfs.f_flags = ST_VALID | ST_RELATIME | (mount->read_only ? ST_RDONLY : 0);
    vnode_release(vnode);
    return error != 0 ? error : copyout(to, &statfs, sizeof statfs);
}

int64_t sys_statfs(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_lookup(AT_FDCWD, arg[0], true, &vnode);

    return error != 0 ? error : statfs_vnode(vnode, arg[1]);
}

int64_t sys_fstatfs(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_descriptor_vnode((int)arg[0], &vnode);

    return error != 0 ? error : statfs_vnode(vnode, arg[1]);
}

/* --- Writing back ----------------------------------------------------------------------------- */

int64_t sys_sync(const uint64_t arg[])
{
    (void)arg;
    mount_sync_all();
    return 0;
}

int64_t sys_fsync(const uint64_t arg[])
{
    struct vnode *vnode;
    struct stat stat;
    int error = sys_descriptor_vnode((int)arg[0], &vnode);

    if (error != 0)
        return error;
    if (vnode->type == VNODE_BLOCK) {
        error = vnode_stat(vnode, &stat);
        if (error == 0)
            error = device_flush(stat.st_rdev);
    } else if (vnode->ops->fsync == NULL) {
        error = -EINVAL;
    } else {
        mutex_lock(&vnode->lock);
        error = vnode->ops->fsync(vnode);
        mutex_unlock(&vnode->lock);
    }
    vnode_release(vnode);
    return error;
}

int64_t sys_fdatasync(const uint64_t arg[])
{
    return sys_fsync(arg);
}
