/*
 * System calls that open files, read directories and say where the process is: and how paths
 * and descriptors of all file system calls get into the kernel.
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/file.h"
#include "kern/fs/context.h"
#include "kern/fs/namei.h"
#include "kern/fs/path.h"
#include "kern/fs/sys_fs.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"
#include "vm/heap.h"

/* --- Arguments -------------------------------------------------------------------------------- */

int sys_copyin_path(uaddr_t address, char **path)
{
    ssize_t length;

    *path = kmalloc(PATH_MAX);
    if (*path == NULL)
        return -ENOMEM;
    length = copyin_string(*path, address, PATH_MAX);
    if (length >= 0)
        return 0;
    kfree(*path);
    *path = NULL;
    return (int)length;
}

int sys_lookup(int base, uaddr_t address, bool follow, struct vnode **found)
{
    char *path;
    int error = sys_copyin_path(address, &path);

    if (error != 0)
        return error;
    error = namei_lookup(base, path, follow, found);
    kfree(path);
    return error;
}

int sys_descriptor_vnode(int descriptor, struct vnode **found)
{
    struct file *file = file_get(descriptor);
    int error = 0;

    if (file == NULL)
        return -EBADF;
    *found = file->vnode;
    if (file->vnode != NULL)
        vnode_reference(file->vnode);
    else
        error = -EINVAL;
    file_release(file);
    return error;
}

int sys_lookup_at(int base, uaddr_t address, uint32_t flags, struct vnode **found)
{
    char *path;
    int error = sys_copyin_path(address, &path);

    if (error != 0)
        return error;
    if (path[0] != '\0' || (flags & AT_EMPTY_PATH) == 0) {
        error = namei_lookup(base, path, (flags & AT_SYMLINK_NOFOLLOW) == 0, found);
    } else if (base == AT_FDCWD) {
        *found = fs_context_directory();
    } else {
        error = sys_descriptor_vnode(base, found);
    }
    kfree(path);
    return error;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static int64_t open_at(int base, uaddr_t address, uint32_t flags, mode_t mode)
{
    struct file *file;
    char *path;
    int64_t result = sys_copyin_path(address, &path);

    if (result != 0)
        return result;
    result = path_open(base, path, flags, mode, &file);
    kfree(path);
    if (result != 0)
        return result;
    result = file_install(file, 0, (flags & O_CLOEXEC) != 0);
    if (result < 0)
        file_release(file);
    return result;
}

int64_t sys_open(const uint64_t arg[])
{
    return open_at(AT_FDCWD, arg[0], (uint32_t)arg[1], (mode_t)arg[2]);
}

int64_t sys_openat(const uint64_t arg[])
{
    return open_at((int)arg[0], arg[1], (uint32_t)arg[2], (mode_t)arg[3]);
}

int64_t sys_creat(const uint64_t arg[])
{
    return open_at(AT_FDCWD, arg[0], O_CREAT | O_WRONLY | O_TRUNC, (mode_t)arg[1]);
}

/* --- Reading directories ---------------------------------------------------------------------- */

#define ENTRIES_MAX 16384 /* bytes read at once */

struct entry_buffer {
    char *data;
    size_t size, used;
    off_t start; /* of the file, before they were read */
    bool is_full;
};

static bool put_entry(void *argument, const char *name, size_t length, ino_t number, unsigned type,
                      off_t next_offset)
{
    struct entry_buffer *buffer = argument;
    size_t size = align_up(offsetof(struct linux_dirent64, d_name) + length + 1, 8ul);
    struct linux_dirent64 *entry = (void *)(buffer->data + buffer->used);

    if (size > buffer->size - buffer->used) {
        buffer->is_full = true;
        return false;
    }
    memset(entry, 0, size);
    entry->d_ino = number;
    entry->d_off = next_offset;
    entry->d_reclen = (uint16_t)size;
    entry->d_type = (uint8_t)type;
    memcpy(entry->d_name, name, length);
    buffer->used += size;
    return true;
}

static int read_entries(struct file *file, struct entry_buffer *buffer)
{
    struct vnode *dir = file->vnode;
    int error;

    mutex_lock(&file->offset_lock);
    buffer->start = file->offset;
    mutex_lock(&dir->lock);
    error = dir->ops->readdir(dir, &file->offset, put_entry, buffer);
    mutex_unlock(&dir->lock);
    mutex_unlock(&file->offset_lock);
    if (buffer->used > 0)
        return 0;
    return error == 0 && buffer->is_full ? -EINVAL : error;
}

/* Entries that the program did not get are read again the next time. */
static int64_t copyout_entries(struct file *file, const struct entry_buffer *buffer, uaddr_t to)
{
    int error = copyout(to, buffer->data, buffer->used);

    if (error == 0)
        return (int64_t)buffer->used;
    mutex_lock(&file->offset_lock);
    file->offset = buffer->start;
    mutex_unlock(&file->offset_lock);
    return error;
}

int64_t sys_getdents64(const uint64_t arg[])
{
    struct file *file = file_get((int)arg[0]);
    struct entry_buffer buffer = {0};
    int64_t result = -ENOMEM;

    if (file == NULL)
        return -EBADF;
    buffer.size = min((size_t)(uint32_t)arg[2], (size_t)ENTRIES_MAX);
    if (file->vnode == NULL || file->vnode->type != VNODE_DIRECTORY ||
        file->vnode->ops->readdir == NULL)
        result = -ENOTDIR;
    else if ((file->flags & O_PATH) != 0)
        result = -EBADF;
    else if ((buffer.data = kmalloc(max(buffer.size, 1ul))) != NULL)
        result = read_entries(file, &buffer);
    if (result == 0 && buffer.used > 0)
        result = copyout_entries(file, &buffer, arg[1]);
    kfree(buffer.data);
    file_release(file);
    return result;
}

/* --- Where the process is --------------------------------------------------------------------- */

/* Takes over the reference. */
static int64_t change_directory(struct vnode *vnode)
{
    int error = vnode->type == VNODE_DIRECTORY ? vnode_access(vnode, X_OK) : -ENOTDIR;

    if (error != 0)
        vnode_release(vnode);
    else
        fs_context_set_directory(vnode);
    return error;
}

int64_t sys_chdir(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_lookup(AT_FDCWD, arg[0], true, &vnode);

    return error != 0 ? error : change_directory(vnode);
}

int64_t sys_fchdir(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_descriptor_vnode((int)arg[0], &vnode);

    if (error != 0)
        return error == -EINVAL ? -ENOTDIR : error;
    return change_directory(vnode);
}

int64_t sys_getcwd(const uint64_t arg[])
{
    struct vnode *directory = fs_context_directory();
    char *path = kmalloc(PATH_MAX);
    ssize_t size = path != NULL ? namei_path_of(directory, path, PATH_MAX) : -ENOMEM;
    int error;

    vnode_release(directory);
    if (size > 0 && (uint64_t)size > arg[1])
        size = -ERANGE;
    if (size > 0) {
        error = copyout(arg[0], path, (size_t)size);
        size = error != 0 ? error : size;
    }
    kfree(path);
    return size;
}

int64_t sys_umask(const uint64_t arg[])
{
    return __atomic_exchange_n(&process_self()->fs->umask, (mode_t)arg[0] & 0777, __ATOMIC_RELAXED);
}
