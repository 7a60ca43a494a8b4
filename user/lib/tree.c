/*
 * Copying and removing files and whole trees of them: the work of cp, mv and rm.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

#define COPY_BUFFER_SIZE 65536

/* --- Copying -------------------------------------------------------------------------------- */

/* The directory that tree_copy made first: it must not be copied into itself. */
struct tree_root {
    dev_t device;
    ino_t number;
    bool is_known;
};

static bool copy_node(const char *source, const char *target, const struct tree_options *options,
                      struct tree_root *root);

static bool copy_bytes(int from, int to, const char *source, const char *target)
{
    static char buffer[COPY_BUFFER_SIZE];

    for (;;) {
        ssize_t size = read(from, buffer, sizeof(buffer));
        if (size == 0)
            return true;
        if (size < 0) {
            if (errno == EINTR)
                continue;
            warn("%s", source);
            return false;
        }
        if (!tool_write(to, buffer, (size_t)size)) {
            warn("%s", target);
            return false;
        }
    }
}

static bool copy_file(const char *source, const char *target, const struct stat *status,
                      const struct tree_options *options)
{
    int from = open(source, O_RDONLY);
    if (from < 0) {
        warn("%s", source);
        return false;
    }
    mode_t mode = status->st_mode & 0777;
    int to = open(target, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (to < 0 && options->force && unlink(target) == 0)
        to = open(target, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (to < 0) {
        warn("%s", target);
        close(from);
        return false;
    }
    bool is_good = copy_bytes(from, to, source, target);
    close(from);
    if (close(to) < 0) {
        warn("%s", target);
        is_good = false;
    }
    return is_good;
}

static bool copy_symlink(const char *source, const char *target)
{
    char text[PATH_MAX];
    ssize_t length = readlink(source, text, sizeof(text) - 1);
    if (length < 0) {
        warn("%s", source);
        return false;
    }
    text[length] = '\0';
    if (symlink(text, target) < 0 &&
        (errno != EEXIST || unlink(target) < 0 || symlink(text, target) < 0)) {
        warn("%s", target);
        return false;
    }
    return true;
}

/* The directory is writable for us until all is in it. */
static bool copy_directory(const char *source, const char *target, const struct stat *status,
                           const struct tree_options *options, struct tree_root *root)
{
    struct stat target_status;
    bool is_new = mkdir(target, (status->st_mode & 0777) | S_IRWXU) == 0;
    if (!is_new && errno != EEXIST) {
        warn("%s", target);
        return false;
    }
    if (stat(target, &target_status) < 0 || !S_ISDIR(target_status.st_mode)) {
        warnx("%s: Not a directory", target);
        return false;
    }
    if (!root->is_known)
        *root = (struct tree_root){target_status.st_dev, target_status.st_ino, true};

    DIR *directory = opendir(source);
    if (!directory) {
        warn("%s", source);
        return false;
    }
    bool is_good = true;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (tool_is_dot(entry->d_name))
            continue;
        char *from = tool_join(source, entry->d_name), *to = tool_join(target, entry->d_name);
        is_good &= copy_node(from, to, options, root);
        free(from);
        free(to);
    }
    closedir(directory);
    if (is_new && !options->preserve) {
        mode_t mask = umask(0);
        umask(mask);
        chmod(target, status->st_mode & 07777 & ~mask);
    }
    return is_good;
}

static bool preserve(const char *target, const struct stat *status)
{
    struct timespec times[2] = {status->st_atim, status->st_mtim};

    if (utimensat(AT_FDCWD, target, times, AT_SYMLINK_NOFOLLOW) < 0 ||
        (lchown(target, status->st_uid, status->st_gid) < 0 && errno != EPERM) ||
        (!S_ISLNK(status->st_mode) && chmod(target, status->st_mode & 07777) < 0)) {
        warn("%s", target);
        return false;
    }
    return true;
}

static bool copy_node(const char *source, const char *target, const struct tree_options *options,
                      struct tree_root *root)
{
    struct stat status, target_status;
    bool is_good;

    if ((options->recursive ? lstat : stat)(source, &status) < 0) {
        warn("%s", source);
        return false;
    }
    bool exists = stat(target, &target_status) == 0;
    if (exists && status.st_dev == target_status.st_dev && status.st_ino == target_status.st_ino) {
        warnx("%s: same file as %s", source, target);
        return false;
    }
    if (options->verbose)
        printf("%s -> %s\n", source, target);
    if (S_ISDIR(status.st_mode)) {
        if (!options->recursive) {
            warnx("%s: Is a directory (not copied without -r)", source);
            return false;
        }
        if (root->is_known && status.st_dev == root->device && status.st_ino == root->number) {
            warnx("%s: cannot be copied into itself", source);
            return false;
        }
        is_good = copy_directory(source, target, &status, options, root);
    } else if (exists && S_ISDIR(target_status.st_mode)) {
        warnx("%s: Is a directory", target);
        return false;
    } else if (S_ISLNK(status.st_mode)) {
        is_good = copy_symlink(source, target);
    } else if (S_ISREG(status.st_mode) || !options->recursive) {
        is_good = copy_file(source, target, &status, options);
    } else {
        is_good = mknod(target, status.st_mode, status.st_rdev) == 0;
        if (!is_good)
            warn("%s", target);
    }
    if (is_good && options->preserve)
        is_good = preserve(target, &status);
    return is_good;
}

bool tree_copy(const char *source, const char *target, const struct tree_options *options)
{
    struct tree_root root = {.is_known = false};
    return copy_node(source, target, options, &root);
}

/* --- Removing ------------------------------------------------------------------------------- */

static bool remove_contents(const char *path, const struct tree_options *options)
{
    DIR *directory = opendir(path);
    if (!directory) {
        warn("%s", path);
        return false;
    }
    bool is_good = true;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (tool_is_dot(entry->d_name))
            continue;
        char *name = tool_join(path, entry->d_name);
        is_good &= tree_remove(name, options);
        free(name);
    }
    closedir(directory);
    return is_good;
}

bool tree_remove(const char *path, const struct tree_options *options)
{
    struct stat status;

    if (lstat(path, &status) < 0) {
        if (options->force && (errno == ENOENT || errno == ENOTDIR))
            return true;
        warn("%s", path);
        return false;
    }
    bool is_directory = S_ISDIR(status.st_mode);
    if (is_directory) {
        if (!options->recursive) {
            warnx("%s: Is a directory", path);
            return false;
        }
        if (!remove_contents(path, options))
            return false;
    }
    if ((is_directory ? rmdir : unlink)(path) < 0) {
        warn("%s", path);
        return false;
    }
    if (options->verbose)
        printf("removed %s\n", path);
    return true;
}

/* --- Arguments ------------------------------------------------------------------------------ */

bool tree_each_target(int count, char **paths,
                      bool (*action)(const char *source, const char *target))
{
    struct stat status;
    const char *last = paths[count - 1];
    bool is_good = true;

    if (stat(last, &status) < 0 || !S_ISDIR(status.st_mode)) {
        if (count == 2)
            return action(paths[0], last);
        warnx("%s: Not a directory", last);
        return false;
    }
    for (int i = 0; i < count - 1; i++) {
        char *copy = tool_copy_string(paths[i]);
        char *target = tool_join(last, basename(copy));
        is_good &= action(paths[i], target);
        free(target);
        free(copy);
    }
    return is_good;
}
