/*
 * The system calls on descriptors that move no data: close, dup, dup2, dup3, fcntl, ioctl,
 * lseek, pipe, pipe2. What they change is in kern/file.c; here are the arguments' rules.
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/abi/stat.h"
#include "kern/abi/termios.h"
#include "kern/file.h"
#include "kern/fs/vnode.h"
#include "kern/pipe.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"

int64_t sys_close(const uint64_t arg[])
{
    struct file *file = file_remove((int)arg[0]);

    if (file == NULL)
        return -EBADF;
    file_release(file);
    return 0;
}

/* --- Duplicates ------------------------------------------------------------------------------ */

/* A second descriptor, at least `lowest`, for the open file of `descriptor`. */
static int64_t duplicate(int descriptor, int lowest, bool close_on_exec)
{
    struct file *file = file_get(descriptor);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = file_install(file, lowest, close_on_exec);
    if (result < 0)
        file_release(file);
    return result;
}

static int64_t duplicate_to(int from, int to, bool close_on_exec)
{
    struct file *file;
    int64_t result;

    if (to < 0 || to >= FILE_DESCRIPTORS_MAX)
        return -EBADF;
    file = file_get(from);
    if (file == NULL)
        return -EBADF;
    result = file_install_at(file, to, close_on_exec);
    if (result < 0)
        file_release(file);
    return result;
}

int64_t sys_dup(const uint64_t arg[])
{
    return duplicate((int)arg[0], 0, false);
}

int64_t sys_dup2(const uint64_t arg[])
{
    int from = (int)arg[0];
    int to = (int)arg[1];

    if (from == to)
        return file_get_close_on_exec(from) < 0 ? -EBADF : to;
    return duplicate_to(from, to, false);
}

int64_t sys_dup3(const uint64_t arg[])
{
    int from = (int)arg[0];
    int to = (int)arg[1];
    uint32_t flags = (uint32_t)arg[2];

    if ((flags & ~(uint32_t)O_CLOEXEC) != 0 || from == to)
        return -EINVAL;
    return duplicate_to(from, to, flags != 0);
}

/* --- Control --------------------------------------------------------------------------------- */

/* The flags that F_SETFL may change. */
#define FLAGS_SETTABLE (O_APPEND | O_NONBLOCK)

static int64_t set_flags(struct file *file, uint32_t flags)
{
    uint32_t kept = file->flags & ~(uint32_t)FLAGS_SETTABLE;

    __atomic_store_n(&file->flags, kept | (flags & FLAGS_SETTABLE), __ATOMIC_RELAXED);
    return 0;
}

static int64_t duplicate_above(int descriptor, uint64_t lowest, bool close_on_exec)
{
    if (lowest >= FILE_DESCRIPTORS_MAX)
        return -EINVAL;
    return duplicate(descriptor, (int)lowest, close_on_exec);
}

int64_t sys_fcntl(const uint64_t arg[])
{
    int descriptor = (int)arg[0];
    uint32_t command = (uint32_t)arg[1];
    struct file *file = file_get(descriptor);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        result = duplicate_above(descriptor, arg[2], command == F_DUPFD_CLOEXEC);
        break;
    case F_GETFD:
        result = file_get_close_on_exec(descriptor);
        break;
    case F_SETFD:
        result = file_set_close_on_exec(descriptor, (arg[2] & FD_CLOEXEC) != 0);
        break;
    case F_GETFL:
        result = file->flags;
        break;
    case F_SETFL:
        result = set_flags(file, (uint32_t)arg[2]);
        break;
    default:
        result = -EINVAL;
    }
    file_release(file);
    return result;
}

static int file_stat(struct file *file, struct stat *stat)
{
    if (file->ops->stat != NULL)
        return file->ops->stat(file, stat);
    return file->vnode != NULL ? vnode_stat(file->vnode, stat) : -EINVAL;
}

static int64_t set_nonblocking(struct file *file, uaddr_t argument)
{
    int32_t on;
    int error = copyin(&on, argument, sizeof(on));

    if (error != 0)
        return error;
    return set_flags(file,
                     on != 0 ? file->flags | O_NONBLOCK : file->flags & ~(uint32_t)O_NONBLOCK);
}

/* FIONREAD on a regular file: what lies between the offset and the end. */
static int64_t count_unread(struct file *file, uaddr_t argument)
{
    struct stat stat;
    int32_t count;
    int error = file_stat(file, &stat);

    if (error != 0)
        return error;
    count = (int32_t)(stat.st_size - file->offset);
    return copyout(argument, &count, sizeof(count));
}

static int64_t control(struct file *file, int descriptor, uint32_t command, uaddr_t argument)
{
    bool is_regular = file->vnode != NULL && file->vnode->type == VNODE_FILE;

    if (command == FIOCLEX || command == FIONCLEX)
        return file_set_close_on_exec(descriptor, command == FIOCLEX);
    if (command == FIONBIO)
        return set_nonblocking(file, argument);
    if (command == FIONREAD && is_regular)
        return count_unread(file, argument);
    return file->ops->ioctl != NULL ? file->ops->ioctl(file, command, argument) : -ENOTTY;
}

int64_t sys_ioctl(const uint64_t arg[])
{
    struct file *file = file_get((int)arg[0]);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = control(file, (int)arg[0], (uint32_t)arg[1], arg[2]);
    file_release(file);
    return result;
}

/* --- Offsets --------------------------------------------------------------------------------- */

#define OFFSET_MAX (1L << 44) /* more than any file can have */

static off_t file_end(struct file *file)
{
    struct stat stat;
    int error;

    if (file->ops->size != NULL)
        return file->ops->size(file);
    error = file_stat(file, &stat);
    return error != 0 ? error : stat.st_size;
}

/* Where `offset` and `whence` point to; file->offset_lock is held. */
static off_t seek_target(struct file *file, off_t offset, uint32_t whence)
{
    off_t base = 0;

    if (whence == SEEK_CUR)
        base = file->offset;
    else if (whence != SEEK_SET)
        base = file_end(file);
    if (base < 0)
        return base;
    if (whence == SEEK_DATA || whence == SEEK_HOLE) {
        /* No file system tells of its holes: all is data, and the one hole is at the end. */
        if (offset < 0 || offset >= base)
            return -ENXIO;
        return whence == SEEK_DATA ? offset : base;
    }
    if (__builtin_add_overflow(base, offset, &base))
        return -EOVERFLOW;
    return base < 0 || base > OFFSET_MAX ? -EINVAL : base;
}

int64_t sys_lseek(const uint64_t arg[])
{
    off_t offset = (off_t)arg[1];
    uint32_t whence = (uint32_t)arg[2];
    struct file *file = file_get((int)arg[0]);
    off_t target = -ESPIPE;

    if (file == NULL)
        return -EBADF;
    if (whence > SEEK_HOLE) {
        target = -EINVAL;
    } else if (file->ops->is_seekable) {
        mutex_lock(&file->offset_lock);
        target = seek_target(file, offset, whence);
        if (target >= 0)
            file->offset = target;
        mutex_unlock(&file->offset_lock);
    }
    file_release(file);
    return target;
}

/* --- Pipes ----------------------------------------------------------------------------------- */

/* Close what was just opened, unless another user of the table was faster. */
static void take_back(int descriptor)
{
    struct file *file = file_remove(descriptor);

    if (file != NULL)
        file_release(file);
}

static int install_pair(struct file *ends[2], int32_t descriptors[2], bool close_on_exec)
{
    descriptors[0] = file_install(ends[0], 0, close_on_exec);
    if (descriptors[0] < 0) {
        file_release(ends[0]);
        file_release(ends[1]);
        return descriptors[0];
    }
    descriptors[1] = file_install(ends[1], 0, close_on_exec);
    if (descriptors[1] < 0) {
        take_back(descriptors[0]);
        file_release(ends[1]);
        return descriptors[1];
    }
    return 0;
}

static int64_t make_pipe(uaddr_t address, uint32_t flags)
{
    struct file *ends[2];
    int32_t descriptors[2];
    int error;

    if ((flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK)) != 0)
        return -EINVAL;
    error = pipe_create(flags & O_NONBLOCK, &ends[0], &ends[1]);
    if (error != 0)
        return error;
    error = install_pair(ends, descriptors, (flags & O_CLOEXEC) != 0);
    if (error != 0)
        return error;
    error = copyout(address, descriptors, sizeof(descriptors));
    if (error != 0) {
        take_back(descriptors[0]);
        take_back(descriptors[1]);
    }
    return error;
}

int64_t sys_pipe(const uint64_t arg[])
{
    return make_pipe(arg[0], 0);
}

int64_t sys_pipe2(const uint64_t arg[])
{
    return make_pipe(arg[0], (uint32_t)arg[1]);
}
