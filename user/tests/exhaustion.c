/*
 * What happens when something runs out. Without an argument, only what has a limit of its own on
 * every machine; with one (see guest/), what a small machine has little of:
 *
 *      processes   fork until no more can be had, then end all of them
 *      memory      map and touch memory until there is no more
 *      sharing     fork with much memory and write all of it in every child
 *      disk FILE   write until the disk is full, at every call that may notice
 */
#include "check.h"

#include <sys/mman.h>
#include <sys/stat.h>

#define MEGABYTE (1UL << 20)

static const char *either(int error, int a, int b)
{
    return error == a || error == b ? "one of the two" : error_name(error);
}

static int processes(void)
{
    int ends[2], count = 0;
    char c;
    pid_t pid;
    must("pipe", pipe(ends));
    while ((pid = fork()) >= 0) {
        if (pid == 0) {
            close(ends[1]);
            _exit(read(ends[0], &c, 1) != 0);
        }
        if (++count == 100000)
            break;
    }
    say("fork, EAGAIN or ENOMEM: %s", either(errno, EAGAIN, ENOMEM));
    say("at least 50 processes: %d", count >= 50);
    close(ends[1]);
    int good = 0, status;
    while ((pid = wait(&status)) > 0)
        good += status == 0;
    say("all of them ended: %d", good == count);
    pid = (pid_t)must("fork", fork());
    if (pid == 0)
        _exit(5);
    show_status("and there is room again", wait_for(pid));
    return 0;
}

/* Take memory until the system says no, either at the call or when it is touched. */
static int take_memory(void)
{
    for (unsigned long total = 0; total < 100000; total++) {
        char *piece =
            mmap(NULL, MEGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED)
            return errno == ENOMEM ? 0 : 1;
        for (unsigned long at = 0; at < MEGABYTE; at += 4096)
            piece[at] = 1;
    }
    return 2;
}

static int memory(void)
{
    for (int i = 0; i < 3; i++) {
        pid_t pid = (pid_t)must("fork", fork());
        if (pid == 0)
            _exit(take_memory());
        int status = wait_for(pid);
        bool refused = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        bool killed =
            WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGBUS);
        say("refused or killed: %d", refused || killed);
    }
    char *piece = malloc(8 * MEGABYTE);
    memset(piece, 1, 8 * MEGABYTE);
    say("and there is room again: %d", piece[5 * MEGABYTE]);
    return 0;
}

/* Much memory, shared with twenty children that write all of it. Whoever runs out is killed. */
static void share_memory(void)
{
    char *piece =
        mmap(NULL, 16 * MEGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(piece, 1, 16 * MEGABYTE);
    for (int i = 0; i < 20; i++) {
        if (fork() == 0) {
            memset(piece, i, 16 * MEGABYTE);
            usleep(50000);
            _exit(0);
        }
    }
}

static int sharing(void)
{
    int ends[2];
    char c;
    must("pipe", pipe(ends));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        share_memory();
        _exit(0);
    }
    close(ends[1]);
    show("all that shared have ended", read(ends[0], &c, 1));
    wait_for(pid);
    /* A process closes its files before its memory is free. */
    while ((pid = fork()) < 0 && errno == ENOMEM)
        usleep(1000);
    if (pid == 0)
        _exit(6);
    show_status("and there is room again", wait_for(pid));
    return 0;
}

/* Fill the disk by several ways; each must say ENOSPC and leave what was there. */
static int disk(void)
{
    static char block[65536];
    long total = 0, n;
    write_file("keep", "what was there");
    int fd = (int)must("open", open("fill", O_WRONLY | O_CREAT, 0644));
    while ((n = write(fd, block, sizeof(block))) > 0)
        total += n;
    say("write: %s", error_name(errno));
    while ((n = write(fd, block, 1)) > 0)
        total += n;
    say("a byte: %s", error_name(errno));
    say("it could take a megabyte before: %d", total > (1 << 20));
    show("mkdir", mkdir("directory", 0755));
    char path[300], target[1000];
    memset(target, 't', sizeof(target));
    target[900] = '\0';
    show("a long symbolic link", symlink(target, "link"));
    show_success("an empty file needs no block", open("empty", O_WRONLY | O_CREAT, 0644));
    int files = 0;
    for (; files < 100000; files++) {
        snprintf(path, sizeof(path),
                 "a long name for an empty file, so that the directory grows, %d", files);
        if (mknod(path, S_IFREG | 0644, 0) != 0)
            break;
    }
    say("many empty files: %s", error_name(errno));
    show_file("keep");
    show("the file has what was written", lseek(fd, 0, SEEK_END) == total);
    must("unlink", unlink("fill"));
    close(fd);
    write_file("again", "there is room again");
    show_file("again");
    for (int i = 0; i < files; i++) {
        snprintf(path, sizeof(path),
                 "a long name for an empty file, so that the directory grows, %d", i);
        must("unlink", unlink(path));
    }
    return 0;
}

/* Limits that are the same everywhere. */
static int limits(void)
{
    static char name[5000];
    memset(name, 'x', sizeof(name) - 1);
    show("a long name", open(name, O_RDONLY));
    int fd = (int)must("open", open("file", O_WRONLY | O_CREAT, 0644));
    show("write at the end of the numbers", pwrite(fd, "x", 1, 0x7fffffffffffffff));
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "processes") == 0)
        return processes();
    if (strcmp(what, "memory") == 0)
        return memory();
    if (strcmp(what, "sharing") == 0)
        return sharing();
    if (strcmp(what, "disk") == 0)
        return disk();
    return limits();
}
