/*
 * Reading directories: a buffer of the kernel's records (getdents64(2)) handed out one by one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct directory_stream {
    int fd;
    size_t next, end; /* the records buffer[next..end) have not been read */
    struct dirent entry;
    char buffer[4096] __attribute__((aligned(8)));
};

ssize_t getdents64(int fd, void *buffer, size_t size)
{
    return syscall(SYS_getdents64, fd, buffer, size);
}

DIR *opendir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *directory = fdopendir(fd);
    if (!directory)
        close(fd);
    return directory;
}

DIR *fdopendir(int fd)
{
    DIR *directory = calloc(1, sizeof(*directory));
    if (directory)
        directory->fd = fd;
    return directory;
}

/* NULL at the end, or with errno set after an error. */
struct dirent *readdir(DIR *directory)
{
    if (directory->next == directory->end) {
        ssize_t size = getdents64(directory->fd, directory->buffer, sizeof(directory->buffer));
        if (size <= 0)
            return NULL;
        directory->next = 0;
        directory->end = (size_t)size;
    }
    const struct linux_dirent64 *record =
        (const struct linux_dirent64 *)(directory->buffer + directory->next);
    directory->next += record->d_reclen;

    struct dirent *entry = &directory->entry;
    entry->d_ino = record->d_ino;
    entry->d_off = record->d_off;
    entry->d_reclen = record->d_reclen;
    entry->d_type = record->d_type;
    strlcpy(entry->d_name, record->d_name, sizeof(entry->d_name));
    return entry;
}

void rewinddir(DIR *directory)
{
    lseek(directory->fd, 0, SEEK_SET);
    directory->next = directory->end = 0;
}

int dirfd(DIR *directory)
{
    return directory->fd;
}

int closedir(DIR *directory)
{
    int fd = directory->fd;
    free(directory);
    return close(fd);
}
