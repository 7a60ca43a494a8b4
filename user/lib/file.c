/*
 * System calls on open files and on names. Each function is the call of the same name in
 * section 2 of the manual; syscall() sets errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

/* --- Open files ----------------------------------------------------------------------------- */

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return (int)syscall(SYS_open, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

int ioctl(int fd, unsigned long command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return (int)syscall(SYS_ioctl, fd, command, argument);
}

ssize_t read(int fd, void *buffer, size_t size)
{
    return syscall(SYS_read, fd, buffer, size);
}

ssize_t write(int fd, const void *buffer, size_t size)
{
    return syscall(SYS_write, fd, buffer, size);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    return syscall(SYS_pread64, fd, buffer, size, offset);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    return syscall(SYS_pwrite64, fd, buffer, size, offset);
}

ssize_t readv(int fd, const struct iovec *vector, int count)
{
    return syscall(SYS_readv, fd, vector, count);
}

ssize_t writev(int fd, const struct iovec *vector, int count)
{
    return syscall(SYS_writev, fd, vector, count);
}

off_t lseek(int fd, off_t offset, int whence)
{
    return syscall(SYS_lseek, fd, offset, whence);
}

int close(int fd)
{
    return (int)syscall(SYS_close, fd);
}

int dup(int fd)
{
    return (int)syscall(SYS_dup, fd);
}

int dup2(int from, int to)
{
    return (int)syscall(SYS_dup2, from, to);
}

int dup3(int from, int to, int flags)
{
    return (int)syscall(SYS_dup3, from, to, flags);
}

int pipe(int ends[2])
{
    return (int)syscall(SYS_pipe, ends);
}

int pipe2(int ends[2], int flags)
{
    return (int)syscall(SYS_pipe2, ends, flags);
}

int poll(struct pollfd *files, nfds_t count, int timeout)
{
    return (int)syscall(SYS_poll, files, count, timeout);
}

int fsync(int fd)
{
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t size)
{
    return (int)syscall(SYS_ftruncate, fd, size);
}

ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    return syscall(SYS_getrandom, buffer, size, flags);
}

/* --- Terminals ------------------------------------------------------------------------------ */

int tcgetattr(int fd, struct termios *settings)
{
    return ioctl(fd, TCGETS, settings);
}

int tcsetattr(int fd, int when, const struct termios *settings)
{
    return ioctl(fd, TCSETS + (unsigned long)when, settings);
}

int isatty(int fd)
{
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0;
}

pid_t tcgetpgrp(int fd)
{
    pid_t group;
    return ioctl(fd, TIOCGPGRP, &group) < 0 ? -1 : group;
}

int tcsetpgrp(int fd, pid_t group)
{
    return ioctl(fd, TIOCSPGRP, &group);
}

/* --- Names ---------------------------------------------------------------------------------- */

int access(const char *path, int mode)
{
    return (int)syscall(SYS_access, path, mode);
}

/* The system call has no flags (faccessat(2), "C library/kernel differences"). */
int faccessat(int dirfd, const char *path, int mode, int flags)
{
    if (flags & ~AT_EACCESS) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_faccessat, dirfd, path, mode);
}

int chdir(const char *path)
{
    return (int)syscall(SYS_chdir, path);
}

int fchdir(int fd)
{
    return (int)syscall(SYS_fchdir, fd);
}

/* Without a buffer the caller gets an allocated one. */
char *getcwd(char *buffer, size_t size)
{
    char *path = buffer;
    if (!path) {
        if (size == 0)
            size = PATH_MAX;
        path = malloc(size);
        if (!path)
            return NULL;
    }
    if (syscall(SYS_getcwd, path, size) < 0) {
        if (!buffer)
            free(path);
        return NULL;
    }
    return path;
}

int link(const char *from, const char *to)
{
    return (int)syscall(SYS_link, from, to);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int symlink(const char *target, const char *path)
{
    return (int)syscall(SYS_symlink, target, path);
}

int symlinkat(const char *target, int dirfd, const char *path)
{
    return (int)syscall(SYS_symlinkat, target, dirfd, path);
}

ssize_t readlink(const char *path, char *buffer, size_t size)
{
    return syscall(SYS_readlink, path, buffer, size);
}

ssize_t readlinkat(int dirfd, const char *path, char *buffer, size_t size)
{
    return syscall(SYS_readlinkat, dirfd, path, buffer, size);
}

int unlink(const char *path)
{
    return (int)syscall(SYS_unlink, path);
}

int unlinkat(int dirfd, const char *path, int flags)
{
    return (int)syscall(SYS_unlinkat, dirfd, path, flags);
}

int rmdir(const char *path)
{
    return (int)syscall(SYS_rmdir, path);
}

int remove(const char *path)
{
    if (unlink(path) == 0)
        return 0;
    return errno == EISDIR ? rmdir(path) : -1;
}

int rename(const char *from, const char *to)
{
    return (int)syscall(SYS_rename, from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
}

int truncate(const char *path, off_t size)
{
    return (int)syscall(SYS_truncate, path, size);
}

int chown(const char *path, uid_t owner, gid_t group)
{
    return (int)syscall(SYS_chown, path, owner, group);
}

int lchown(const char *path, uid_t owner, gid_t group)
{
    return (int)syscall(SYS_lchown, path, owner, group);
}

int fchown(int fd, uid_t owner, gid_t group)
{
    return (int)syscall(SYS_fchown, fd, owner, group);
}

/* --- File status ---------------------------------------------------------------------------- */

int stat(const char *path, struct stat *status)
{
    return (int)syscall(SYS_stat, path, status);
}

int lstat(const char *path, struct stat *status)
{
    return (int)syscall(SYS_lstat, path, status);
}

int fstat(int fd, struct stat *status)
{
    return (int)syscall(SYS_fstat, fd, status);
}

int fstatat(int dirfd, const char *path, struct stat *status, int flags)
{
    return (int)syscall(SYS_newfstatat, dirfd, path, status, flags);
}

int chmod(const char *path, mode_t mode)
{
    return (int)syscall(SYS_chmod, path, mode);
}

int fchmod(int fd, mode_t mode)
{
    return (int)syscall(SYS_fchmod, fd, mode);
}

int mkdir(const char *path, mode_t mode)
{
    return (int)syscall(SYS_mkdir, path, mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
    return (int)syscall(SYS_mkdirat, dirfd, path, mode);
}

int mkfifo(const char *path, mode_t mode)
{
    return mknod(path, (mode & ~(mode_t)S_IFMT) | S_IFIFO, 0);
}

int mknod(const char *path, mode_t mode, dev_t device)
{
    return (int)syscall(SYS_mknod, path, mode, device);
}

mode_t umask(mode_t mask)
{
    return (mode_t)syscall(SYS_umask, mask);
}

int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
{
    return (int)syscall(SYS_utimensat, dirfd, path, times, flags);
}

int futimens(int fd, const struct timespec times[2])
{
    return (int)syscall(SYS_utimensat, fd, NULL, times, 0);
}

/* --- File systems --------------------------------------------------------------------------- */

int statfs(const char *path, struct statfs *status)
{
    return (int)syscall(SYS_statfs, path, status);
}

int fstatfs(int fd, struct statfs *status)
{
    return (int)syscall(SYS_fstatfs, fd, status);
}

void sync(void)
{
    syscall(SYS_sync);
}

int mount(const char *source, const char *target, const char *type, unsigned long flags,
          const void *data)
{
    return (int)syscall(SYS_mount, source, target, type, flags, data);
}

int umount(const char *target)
{
    return umount2(target, 0);
}

int umount2(const char *target, int flags)
{
    return (int)syscall(SYS_umount2, target, flags);
}
