/*
 * Timestamps: utimensat, and what reading, writing and renaming does to them.
 */
#include "check.h"

#include <sys/stat.h>
#include <time.h>

#define NOW  0x3fffffffL
#define OMIT 0x3ffffffeL

static void set(const char *what, const char *path, long a, long a_nsec, long m, long m_nsec)
{
    struct timespec times[2] = {{a, a_nsec}, {m, m_nsec}};
    show(what, utimensat(AT_FDCWD, path, times, 0));
}

static void print(const char *path)
{
    struct stat status;
    must("stat", lstat(path, &status));
    say("%s: accessed %ld, modified %ld", path, (long)status.st_atim.tv_sec,
        (long)status.st_mtim.tv_sec);
}

/* Which of the three times are now, more or less. */
static void show_new(const char *what, const char *path)
{
    struct stat status;
    struct timespec now;
    clock_gettime(0, &now);
    must("stat", lstat(path, &status));
    long limit = now.tv_sec - 100;
    say("%s: a %s, m %s, c %s", what, status.st_atim.tv_sec > limit ? "new" : "old",
        status.st_mtim.tv_sec > limit ? "new" : "old",
        status.st_ctim.tv_sec > limit ? "new" : "old");
}

int main(void)
{
    char c;
    struct stat before, after;
    write_file("file", "text");
    show_new("created", "file");
    set("both", "file", 1000, 0, 2000, 0);
    print("file");
    set("access only", "file", 3000, 0, 0, OMIT);
    print("file");
    set("modification only", "file", 0, OMIT, 4000, 0);
    print("file");
    set("neither", "file", 0, OMIT, 0, OMIT);
    print("file");
    set("bad nanoseconds", "file", 1, 1000000000, 1, 0);
    set("negative nanoseconds", "file", 1, 0, 1, -1);
    set("no file", "none", 1, 0, 1, 0);
    set("neither of no file", "none", 0, OMIT, 0, OMIT);
    set("in this century", "file", 1700000000, 0, 1800000000, 0);
    print("file");
    set("before 1970", "file", -1000, 0, -2000, 0);
    print("file");
    set("access now", "file", 0, NOW, 5000, 0);
    show_new("access now", "file");
    show("both now", utimensat(AT_FDCWD, "file", NULL, 0));
    show_new("both now", "file");

    set("old", "file", 1000, 0, 1000, 0);
    int fd = (int)must("open", open("file", O_RDWR));
    must("write", write(fd, "x", 1));
    show_new("written", "file");
    set("old", "file", 1000, 0, 1000, 0);
    must("ftruncate", ftruncate(fd, 1));
    show_new("truncated", "file");
    struct timespec times[2] = {{7000, 0}, {8000, 0}};
    show("futimens", futimens(fd, times));
    print("file");
    set("old", "file", 2000, 0, 1000, 0);
    must("chmod", chmod("file", 0600));
    show_new("chmod", "file");
    must("rename", rename("file", "moved"));
    show_new("renamed", "moved");
    must("link", link("moved", "second"));
    show_new("linked", "moved");
    close(fd);

    must("symlink", symlink("moved", "link"));
    show("of the link itself", utimensat(AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW));
    print("link");
    print("moved");
    set("through the link", "link", 1, 0, 2, 0);
    print("moved");

    must("mkdir", mkdir("directory", 0755));
    set("directory", "directory", 1000, 0, 1000, 0);
    write_file("directory/new", "");
    show_new("entry made", "directory");
    set("directory", "directory", 1000, 0, 1000, 0);
    write_file("directory/new", "text in it");
    show_new("entry written", "directory");
    must("unlink", unlink("directory/new"));
    show_new("entry removed", "directory");

    must("stat", stat("moved", &before));
    fd = (int)must("open", open("moved", O_RDONLY));
    must("read", read(fd, &c, 1));
    must("stat", stat("moved", &after));
    say("reading does not change the modification time: %d",
        before.st_mtim.tv_sec == after.st_mtim.tv_sec);
    return 0;
}
