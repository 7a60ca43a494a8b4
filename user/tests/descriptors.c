/*
 * Descriptors: dup and its kin, fcntl, close-on-exec, limits, shared offsets.
 */
#include "check.h"

#include <sys/stat.h>
#include <sys/syscall.h>

static void duplicates(void)
{
    char buffer[8] = "";
    write_file("file", "abcdefghij");
    int fd = (int)show("open gives the lowest", open("file", O_RDONLY));
    show("dup the next", dup(fd));
    show("dup2", dup2(fd, 10));
    show("dup2 to itself", dup2(fd, fd));
    show("dup2 of a bad one to itself", dup2(50, 50));
    show("dup2 of a bad one", dup2(50, 10));
    must("read", read(fd, buffer, 3));
    must("read", read(10, buffer + 3, 3));
    say("one offset for all: %s", buffer);
    show("close", close(fd));
    show("the copy lives", read(10, buffer, 1));
    show("close again", close(fd));
    show("dup fills the hole", dup(10));
    show("dup3 to itself", dup3(10, 10, 0));
    show("dup3 with close-on-exec", dup3(10, 11, O_CLOEXEC));
    show("its flag", fcntl(11, F_GETFD));
    show("dup3 with a wrong flag", dup3(10, 12, O_APPEND));
    show("dup2 to a negative", dup2(10, -1));
    show("dup2 beyond the limit", dup2(10, 100000000));
    show("F_DUPFD from 20", fcntl(10, F_DUPFD, 20));
    show("F_DUPFD from 20", fcntl(10, F_DUPFD, 20));
    show("F_DUPFD_CLOEXEC from 20", fcntl(10, F_DUPFD_CLOEXEC, 20));
    show("its flag", fcntl(22, F_GETFD));
    show("F_DUPFD from a negative", fcntl(10, F_DUPFD, -1));
    for (int i = 3; i < 30; i++)
        close(i);
}

static void flags(void)
{
    int fd = (int)must("open", open("file", O_RDWR | O_APPEND));
    say("F_GETFL: %o", fcntl(fd, F_GETFL) & ~O_LARGEFILE);
    show("F_SETFL to non-blocking", fcntl(fd, F_SETFL, O_NONBLOCK));
    say("F_GETFL: %o", fcntl(fd, F_GETFL) & ~O_LARGEFILE);
    int copy = dup(fd);
    must("fcntl", fcntl(copy, F_SETFL, O_APPEND));
    say("a copy shares them: %o", fcntl(fd, F_GETFL) & ~O_LARGEFILE);
    show("F_SETFD", fcntl(fd, F_SETFD, FD_CLOEXEC));
    show("F_GETFD", fcntl(fd, F_GETFD));
    show("F_GETFD of the copy", fcntl(copy, F_GETFD));
    show("a command that is none", fcntl(fd, 9999));
    show("a descriptor that is none", fcntl(77, F_GETFD));
    close(fd);
    close(copy);
    fd = (int)must("open", open("file", O_WRONLY));
    char c;
    show("read of a write-only file", read(fd, &c, 1));
    close(fd);
    fd = (int)must("open", open("file", O_RDONLY));
    show("write of a read-only file", write(fd, "x", 1));
    show("ftruncate of a read-only file", ftruncate(fd, 1));
    show("ioctl of a file", syscall(SYS_ioctl, fd, 0x5401, 0));
    close(fd);
}

static void bad(void)
{
    static const int numbers[] = {-1, 55, 1000000};
    char c = 0;
    struct stat status;
    for (size_t i = 0; i < 3; i++) {
        int fd = numbers[i];
        say("descriptor %d", fd);
        show("  read", read(fd, &c, 1));
        show("  write", write(fd, &c, 1));
        show("  close", close(fd));
        show("  lseek", lseek(fd, 0, SEEK_SET));
        show("  fstat", fstat(fd, &status));
        show("  dup", dup(fd));
        show("  fsync", fsync(fd));
        show("  fchdir", fchdir(fd));
        show("  ftruncate", ftruncate(fd, 0));
        show("  getdents64", syscall(SYS_getdents64, fd, &c, 1));
        show("  openat", openat(fd, "x", O_RDONLY));
    }
}

/* All that a process may open; then one more. */
static int until_full(void)
{
    int last = -1, fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    show("one too many", fd);
    int ends[2];
    show("a pipe", pipe(ends));
    show("dup", dup(0));
    show("F_DUPFD", fcntl(0, F_DUPFD, 0));
    say("the highest is at least 255: %d", last >= 255);
    close(last);
    show("a pipe with one left", pipe(ends));
    say("and the one is still there: %d", open("/dev/null", O_RDONLY) == last);
    return 0;
}

static void on_exec(void)
{
    int kept = (int)must("open", open("file", O_RDONLY)),
        closed = (int)must("open", open("file", O_RDONLY | O_CLOEXEC));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        dup2(kept, 8);
        dup2(closed, 9);
        fcntl(9, F_SETFD, FD_CLOEXEC);
        execl("/bin/sh", "sh", "-c",
              "read x <&8; echo \"kept: $x\"; (exec 2>/dev/null; read x <&9) || echo closed", NULL);
        _exit(98);
    }
    show_status("shell", wait_for(pid));
    close(kept);
    close(closed);
}

int main(void)
{
    duplicates();
    flags();
    bad();
    show_child("full", until_full);
    on_exec();
    return 0;
}
