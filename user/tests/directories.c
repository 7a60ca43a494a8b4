/*
 * Directories: mkdir, rmdir, reading, large ones, working directory, link counts.
 */
#include "check.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Print the sorted names with their types. */
static void list(const char *path)
{
    char *names[32], line[256] = "";
    int count = 0;
    DIR *directory = opendir(path);
    struct dirent *entry;
    if (directory == NULL) {
        say("%s: %s", path, error_name(errno));
        return;
    }
    while ((entry = readdir(directory)) != NULL && count < 32) {
        char name[300];
        const char *type = entry->d_type == 4    ? "/"
                           : entry->d_type == 10 ? "@"
                           : entry->d_type == 1  ? "|"
                                                 : "";
        snprintf(name, sizeof(name), " %s%s", entry->d_name, type);
        names[count++] = strdup(name);
    }
    closedir(directory);
    qsort(names, (size_t)count, sizeof(names[0]), compare);
    for (int i = 0; i < count; i++)
        strcat(line, names[i]);
    say("%s:%s", path, line);
}

static void make_and_remove(void)
{
    show("mkdir", mkdir("a", 0755));
    show("mkdir again", mkdir("a", 0755));
    show("mkdir below", mkdir("a/b", 0700));
    show("mkdir with a slash", mkdir("a/c/", 0700));
    show("mkdir in nothing", mkdir("none/b", 0700));
    write_file("a/file", "x");
    show("mkdir over a file", mkdir("a/file", 0700));
    show("mkdir below a file", mkdir("a/file/d", 0700));
    show("mkdir of nothing", mkdir("", 0700));
    show("mkdir .", mkdir(".", 0700));
    show("mkdir /", mkdir("/", 0700));
    must("symlink", symlink("file", "a/link"));
    must("mkfifo", mkfifo("a/fifo", 0600));
    list("a");
    struct stat status;
    must("stat", stat("a", &status));
    say("a: mode %o, links %lu", status.st_mode, (unsigned long)status.st_nlink);
    must("stat", stat("a/b", &status));
    say("a/b: mode %o, links %lu", status.st_mode, (unsigned long)status.st_nlink);
    show("rmdir of a full one", rmdir("a"));
    show("rmdir of a file", rmdir("a/file"));
    show("rmdir of a link", rmdir("a/link"));
    show("rmdir .", rmdir("a/b/."));
    show("rmdir ..", rmdir("a/b/.."));
    show("rmdir /", rmdir("/"));
    show("rmdir of nothing", rmdir("none"));
    show("unlink of a directory", unlink("a/b"));
    show("unlinkat of a directory", unlinkat(AT_FDCWD, "a/b", 0));
    show("unlinkat with AT_REMOVEDIR", unlinkat(AT_FDCWD, "a/b", AT_REMOVEDIR));
    show("AT_REMOVEDIR of a file", unlinkat(AT_FDCWD, "a/file", AT_REMOVEDIR));
    show("rmdir with a slash", rmdir("a/c/"));
    must("stat", stat("a", &status));
    say("a: links %lu", (unsigned long)status.st_nlink);
    list("a");
    show("unlink with a slash", unlink("a/file/"));
    show("unlink", unlink("a/file"));
    show("unlink a link", unlink("a/link"));
    show("unlink a fifo", unlink("a/fifo"));
    show("rmdir", rmdir("a"));
    list("a");
    list("none");
    list(".");
}

static void large(void)
{
    char name[64];
    int found = 0, wrong = 0;
    static bool seen[600];
    must("mkdir", mkdir("large", 0755));
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "large/a rather long name for a file, number %d", i);
        close((int)must("open", open(name, O_WRONLY | O_CREAT, 0644)));
    }
    for (int i = 0; i < 600; i += 2) {
        snprintf(name, sizeof(name), "large/a rather long name for a file, number %d", i);
        must("unlink", unlink(name));
    }
    DIR *directory = opendir("large");
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        int number;
        if (entry->d_name[0] == '.')
            continue;
        number = atoi(strrchr(entry->d_name, ' '));
        wrong += seen[number] || number % 2 == 0;
        seen[number] = true;
        found++;
    }
    say("in the large directory: %d, wrong %d", found, wrong);
    rewinddir(directory);
    found = 0;
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.' && unlinkat(dirfd(directory), entry->d_name, 0) == 0)
            found++;
    }
    closedir(directory);
    say("removed while reading: %d", found);
    show("rmdir", rmdir("large"));
}

static void raw(void)
{
    char buffer[1024], line[64] = "";
    must("mkdir", mkdir("raw", 0755));
    write_file("raw/one", "");
    write_file("raw/two", "");
    int fd = (int)must("open", open("raw", O_RDONLY | O_DIRECTORY));
    struct stat status;
    show("a buffer that is too small", syscall(SYS_getdents64, fd, buffer, 10));
    long n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
    int entries = 0, aligned = 1, inodes = 1;
    for (long at = 0; at < n;) {
        unsigned short length;
        unsigned long inode;
        memcpy(&inode, buffer + at, 8);
        memcpy(&length, buffer + at + 16, 2);
        char path[64];
        snprintf(path, sizeof(path), "raw/%s", buffer + at + 19);
        inodes &= stat(path, &status) == 0 && status.st_ino == inode;
        aligned &= length % 8 == 0;
        entries++;
        at += length;
    }
    say("entries %d, lengths are multiples of 8: %d, inodes agree: %d%s", entries, aligned, inodes,
        line);
    show("at the end", syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
    show("lseek to the start", lseek(fd, 0, SEEK_SET));
    say("all again: %d", syscall(SYS_getdents64, fd, buffer, sizeof(buffer)) == n);
    lseek(fd, 0, SEEK_SET); /* some file systems end a directory at the largest offset */
    show("read of a directory", read(fd, buffer, 10));
    show("getdents64 of a file", syscall(SYS_getdents64, open("raw/one", O_RDONLY), buffer, 1024));
    show("openat", openat(fd, "two", O_RDONLY) >= 0);
    show("rmdir while it is open", rmdir("raw"));
    must("unlink", unlink("raw/one"));
    must("unlink", unlink("raw/two"));
    show("rmdir when it is empty", rmdir("raw"));
    show("reading what was removed", syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
    show("creating in what was removed", openat(fd, "new", O_WRONLY | O_CREAT, 0600));
    must("fstat", fstat(fd, &status));
    say("links of what was removed: %lu", (unsigned long)status.st_nlink);
    close(fd);
}

static void working(void)
{
    char path[4096], start[4096];
    must("getcwd", getcwd(start, sizeof(start)) == NULL ? -1 : 0);
    say("starts in %s", strrchr(start, '/') != NULL ? "a directory" : "nowhere");
    must("mkdir", mkdir("w", 0755));
    must("mkdir", mkdir("w/x", 0755));
    show("chdir", chdir("w/x"));
    say("getcwd: %s", getcwd(path, sizeof(path)) + strlen(start));
    show("buffer too small", syscall(SYS_getcwd, path, 5));
    say("length counts the end: %d", syscall(SYS_getcwd, path, 4096) == (long)strlen(path) + 1);
    show("chdir ..", chdir(".."));
    say("getcwd: %s", getcwd(path, sizeof(path)) + strlen(start));
    int fd = (int)must("open", open("x", O_RDONLY));
    show("fchdir", fchdir(fd));
    say("getcwd: %s", getcwd(path, sizeof(path)) + strlen(start));
    write_file("file", "");
    show("chdir to a file", chdir("file"));
    show("chdir to nothing", chdir("none"));
    show("chdir to the empty path", chdir(""));
    unlink("file");
    show("rmdir of the working directory", rmdir("../x"));
    show("getcwd there", syscall(SYS_getcwd, path, 4096));
    show("open . there", open(".", O_RDONLY) >= 0);
    show("open .. there", open("..", O_RDONLY) >= 0);
    show("create there", open("new", O_WRONLY | O_CREAT, 0600));
    show("chdir back", chdir(start));
    show("above the root", chdir("/../../.."));
    say("getcwd: %s", getcwd(path, sizeof(path)));
    must("chdir", chdir(start));
    must("rmdir", rmdir("w"));
}

int main(void)
{
    make_and_remove();
    large();
    raw();
    working();
    return 0;
}
