/*
 * The host's file operations for fake_fs.h, in a directory of their own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char root_path[] = "/tmp/duet-host-XXXXXX";
static int root = -1;

void host_begin(void)
{
    strcpy(root_path + sizeof root_path - 7, "XXXXXX");
    umask(0);
    if (mkdtemp(root_path) == NULL || chmod(root_path, 0755) != 0 ||
        (root = open(root_path, O_PATH | O_DIRECTORY)) < 0)
        abort();
}

void host_end(void)
{
    char command[64];

    close(root);
    root = -1;
    snprintf(command, sizeof command, "rm -rf %s", root_path);
    if (system(command) != 0)
        abort();
}

static int result(int value)
{
    return value < 0 ? -errno : value;
}

int host_open(const char *path, uint32_t flags, mode_t mode)
{
    return result(openat(root, path, (int)flags, mode));
}

void host_close(int descriptor)
{
    close(descriptor);
}

ssize_t host_read(int descriptor, void *buffer, size_t size, off_t offset)
{
    ssize_t count = pread(descriptor, buffer, size, offset);

    return count < 0 ? -errno : count;
}

ssize_t host_write(int descriptor, const void *buffer, size_t size, off_t offset)
{
    ssize_t count = pwrite(descriptor, buffer, size, offset);

    return count < 0 ? -errno : count;
}

int host_truncate(const char *path, off_t size)
{
    int descriptor = host_open(path, O_WRONLY, 0), value;

    if (descriptor < 0)
        return descriptor;
    value = result(ftruncate(descriptor, size));
    close(descriptor);
    return value;
}

/* Whether a path has a ".." that leads out of the directory. */
bool host_leaves(const char *path)
{
    const char *dots = path;
    struct stat top, stat;
    char before[512];

    if (fstat(root, &top) != 0)
        return false;
    while ((dots = strstr(dots, "..")) != NULL) {
        snprintf(before, sizeof before, "%.*s.", (int)(dots - path), path);
        if (fstatat(root, before, &stat, 0) == 0 && stat.st_ino == top.st_ino)
            return true;
        dots += 2;
    }
    return false;
}

int host_mkdir(const char *path, mode_t mode)
{
    return result(mkdirat(root, path, mode));
}

int host_rmdir(const char *path)
{
    return result(unlinkat(root, path, AT_REMOVEDIR));
}

int host_unlink(const char *path)
{
    return result(unlinkat(root, path, 0));
}

int host_link(const char *from, const char *to)
{
    return result(linkat(root, from, root, to, 0));
}

int host_symlink(const char *target, const char *path)
{
    return result(symlinkat(target, root, path));
}

int host_rename(const char *from, const char *to)
{
    return result(renameat(root, from, root, to));
}

int host_chmod(const char *path, mode_t mode)
{
    return result(fchmodat(root, path, mode, 0));
}

ssize_t host_readlink(const char *path, char *buffer, size_t size)
{
    ssize_t count = readlinkat(root, path, buffer, size);

    return count < 0 ? -errno : count;
}

int host_stat(const char *path, bool follow, mode_t *mode, uint64_t *links, off_t *size)
{
    struct stat stat;
    int error = result(fstatat(root, path, &stat, follow ? 0 : AT_SYMLINK_NOFOLLOW));

    if (error == 0) {
        *mode = stat.st_mode;
        *links = stat.st_nlink;
        *size = stat.st_size;
    }
    return error;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int host_list(const char *path, char *buffer, size_t size)
{
    int descriptor = openat(root, path, O_RDONLY | O_DIRECTORY);
    char *names[1024];
    size_t count = 0, used = 0;
    struct dirent *entry;
    DIR *directory;

    if (descriptor < 0)
        return -errno;
    directory = fdopendir(descriptor);
    while ((entry = readdir(directory)) != NULL && count < 1024)
        names[count++] = strdup(entry->d_name);
    closedir(directory);
    qsort(names, count, sizeof names[0], compare);
    buffer[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(buffer + used, used < size ? size - used : 0, "%s\n", names[i]);
        free(names[i]);
    }
    return 0;
}

size_t host_map(const char *path, void **data)
{
    int descriptor = open(path, O_RDWR);
    off_t size = lseek(descriptor, 0, SEEK_END);

    *data = mmap(NULL, (size_t)(size > 0 ? size : 4096), PROT_READ | PROT_WRITE, MAP_SHARED,
                 descriptor, 0);
    close(descriptor);
    if (descriptor < 0 || *data == MAP_FAILED)
        abort();
    return (size_t)size;
}
