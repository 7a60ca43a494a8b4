/*
 * System calls on names: each copies its paths in and calls kern/fs/path.c. The plain ones are the
 * *at ones with AT_FDCWD.
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/fs/namei.h"
#include "kern/fs/path.h"
#include "kern/fs/sys_fs.h"
#include "kern/process.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"
#include "vm/heap.h"

/* --- Creating --------------------------------------------------------------------------------- */

static int64_t create_at(int base, uaddr_t address, mode_t mode, dev_t device)
{
    char *path;
    int error = sys_copyin_path(address, &path);

    if (error != 0)
        return error;
    error = path_create(base, path, mode, device);
    kfree(path);
    return error;
}

static int64_t mkdir_at(int base, uaddr_t path, mode_t mode)
{
    return create_at(base, path, S_IFDIR | (mode & (S_ISVTX | 0777)), 0);
}

static int64_t mknod_at(int base, uaddr_t path, mode_t mode, dev_t device)
{
    mode_t type = mode & S_IFMT;

    if (type == 0)
        type = S_IFREG;
    if (type == S_IFDIR)
        return -EPERM;
    if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR &&
        type != S_IFBLK)
        return -EINVAL;
    if ((type == S_IFCHR || type == S_IFBLK) && process_self()->euid != 0)
        return -EPERM;
    return create_at(base, path, type | (mode & 07777), device);
}

int64_t sys_mkdir(const uint64_t arg[])
{
    return mkdir_at(AT_FDCWD, arg[0], (mode_t)arg[1]);
}

int64_t sys_mkdirat(const uint64_t arg[])
{
    return mkdir_at((int)arg[0], arg[1], (mode_t)arg[2]);
}

int64_t sys_mknod(const uint64_t arg[])
{
    return mknod_at(AT_FDCWD, arg[0], (mode_t)arg[1], (uint32_t)arg[2]);
}

int64_t sys_mknodat(const uint64_t arg[])
{
    return mknod_at((int)arg[0], arg[1], (mode_t)arg[2], (uint32_t)arg[3]);
}

/* --- Links ------------------------------------------------------------------------------------ */

static int64_t symlink_at(uaddr_t target_address, int base, uaddr_t address)
{
    char *target, *path = NULL;
    int error = sys_copyin_path(target_address, &target);

    if (error == 0)
        error = sys_copyin_path(address, &path);
    if (error == 0)
        error = path_symlink(target, base, path);
    kfree(path);
    kfree(target);
    return error;
}

static int64_t link_at(int old_base, uaddr_t old_address, int new_base, uaddr_t new_address,
                       uint32_t flags)
{
    char *old, *new = NULL;
    int error;

    if ((flags & ~(uint32_t)AT_SYMLINK_FOLLOW) != 0)
        return -EINVAL;
    error = sys_copyin_path(old_address, &old);
    if (error == 0)
        error = sys_copyin_path(new_address, &new);
    if (error == 0)
        error = path_link(old_base, old, new_base, new, flags != 0);
    kfree(new);
    kfree(old);
    return error;
}

static int64_t readlink_at(int base, uaddr_t path, uaddr_t to, int size)
{
    struct vnode *link;
    ssize_t length;
    char *target;
    int error;

    if (size <= 0)
        return -EINVAL;
    error = sys_lookup_at(base, path, AT_SYMLINK_NOFOLLOW | (base >= 0 ? AT_EMPTY_PATH : 0), &link);
    if (error != 0)
        return error;
    target = kmalloc(PATH_MAX);
    length = -ENOMEM;
    if (target != NULL)
        length = vnode_readlink(link, target, min((size_t)size, (size_t)PATH_MAX));
    vnode_release(link);
    error = length > 0 ? copyout(to, target, (size_t)length) : 0;
    kfree(target);
    return error != 0 ? error : length;
}

int64_t sys_symlink(const uint64_t arg[])
{
    return symlink_at(arg[0], AT_FDCWD, arg[1]);
}

int64_t sys_symlinkat(const uint64_t arg[])
{
    return symlink_at(arg[0], (int)arg[1], arg[2]);
}

int64_t sys_link(const uint64_t arg[])
{
    return link_at(AT_FDCWD, arg[0], AT_FDCWD, arg[1], 0);
}

int64_t sys_linkat(const uint64_t arg[])
{
    return link_at((int)arg[0], arg[1], (int)arg[2], arg[3], (uint32_t)arg[4]);
}

int64_t sys_readlink(const uint64_t arg[])
{
    return readlink_at(AT_FDCWD, arg[0], arg[1], (int)arg[2]);
}

int64_t sys_readlinkat(const uint64_t arg[])
{
    return readlink_at((int)arg[0], arg[1], arg[2], (int)arg[3]);
}

/* --- Removing and renaming -------------------------------------------------------------------- */

static int64_t remove_at(int base, uaddr_t address, bool is_directory)
{
    char *path;
    int error = sys_copyin_path(address, &path);

    if (error != 0)
        return error;
    error = path_remove(base, path, is_directory);
    kfree(path);
    return error;
}

static int64_t rename_at(int from_base, uaddr_t from_address, int to_base, uaddr_t to_address)
{
    char *from, *to = NULL;
    int error = sys_copyin_path(from_address, &from);

    if (error == 0)
        error = sys_copyin_path(to_address, &to);
    if (error == 0)
        error = path_rename(from_base, from, to_base, to);
    kfree(to);
    kfree(from);
    return error;
}

int64_t sys_unlink(const uint64_t arg[])
{
    return remove_at(AT_FDCWD, arg[0], false);
}

int64_t sys_rmdir(const uint64_t arg[])
{
    return remove_at(AT_FDCWD, arg[0], true);
}

int64_t sys_unlinkat(const uint64_t arg[])
{
    if (((uint32_t)arg[2] & ~(uint32_t)AT_REMOVEDIR) != 0)
        return -EINVAL;
    return remove_at((int)arg[0], arg[1], (arg[2] & AT_REMOVEDIR) != 0);
}

int64_t sys_rename(const uint64_t arg[])
{
    return rename_at(AT_FDCWD, arg[0], AT_FDCWD, arg[1]);
}

int64_t sys_renameat(const uint64_t arg[])
{
    return rename_at((int)arg[0], arg[1], (int)arg[2], arg[3]);
}
