/*
 * Regular files: open flags, read, write, lseek, append, truncate, holes, vectors, sizes.
 */
#include "check.h"

#include <sys/stat.h>
#include <sys/uio.h>

static char big[8192];

static long size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size : -1;
}

static void opens(void)
{
    show("no such file", open("none", O_RDONLY));
    show_success("O_CREAT", open("new", O_RDWR | O_CREAT, 0640));
    show("O_EXCL on an old one", open("new", O_RDWR | O_CREAT | O_EXCL, 0640));
    show_success("O_CREAT on an old one", open("new", O_RDWR | O_CREAT, 0777));
    struct stat status;
    must("stat", stat("new", &status));
    say("mode %o, links %lu, size %ld, uid %u", status.st_mode, (unsigned long)status.st_nlink,
        (long)status.st_size, status.st_uid);
    show("a file as a directory", open("new/x", O_RDONLY));
    show("O_DIRECTORY on a file", open("new", O_RDONLY | O_DIRECTORY));
    show("a directory for writing", open(".", O_RDWR));
    show("creating a directory's name", open("/tmp", O_RDWR | O_CREAT, 0600));
    show("empty path", open("", O_RDONLY));
    show("trailing slash", open("new/", O_RDONLY));
    show("creating with a trailing slash", open("newer/", O_RDWR | O_CREAT, 0600));
    show("in no directory", open("none/x", O_RDWR | O_CREAT, 0600));
    char name[300];
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    show_success("a name of 255", open(name, O_RDWR | O_CREAT, 0600));
    show("and gone", unlink(name));
    name[255] = 'n';
    name[256] = '\0';
    show("a name of 256", open(name, O_RDWR | O_CREAT, 0600));
    static char path[5000];
    for (size_t i = 0; i < sizeof(path) - 1; i++)
        path[i] = i % 2 ? '/' : '.';
    show("a path of 4999", open(path, O_RDONLY));
    path[4095] = '\0';
    show_success("a path of 4095", open(path, O_RDONLY));
    for (int i = 3; i < 20; i++)
        close(i);
}

static void seeks(void)
{
    char buffer[16] = "";
    int fd = (int)must("open", open("seek", O_RDWR | O_CREAT | O_TRUNC, 0644));
    show("write", write(fd, "0123456789", 10));
    show("SEEK_SET", lseek(fd, 2, SEEK_SET));
    show("SEEK_CUR", lseek(fd, 3, SEEK_CUR));
    show("read", read(fd, buffer, 2));
    say("at five: %.2s", buffer);
    show("SEEK_END", lseek(fd, -3, SEEK_END));
    show("read to the end", read(fd, buffer, 10));
    show("read at the end", read(fd, buffer, 10));
    show("before the start", lseek(fd, -1, SEEK_SET));
    show("a bad whence", lseek(fd, 0, 99));
    show("beyond the end", lseek(fd, 100, SEEK_SET));
    show("read there", read(fd, buffer, 10));
    show("size is as before", size_of("seek"));
    show("write there", write(fd, "x", 1));
    show("size", size_of("seek"));
    show("pread in the hole", pread(fd, buffer, 4, 50));
    say("zeros: %d %d", buffer[0], buffer[3]);
    show("pread beyond", pread(fd, buffer, 4, 1000));
    show("pread before", pread(fd, buffer, 4, -1));
    show("pwrite", pwrite(fd, "PW", 2, 1));
    show("the offset did not move", lseek(fd, 0, SEEK_CUR));
    show("pread of a piece", pread(fd, buffer, 5, 0));
    say("piece: %.5s", buffer);
    show("empty read", read(fd, buffer, 0));
    show("empty write", write(fd, buffer, 0));
    close(fd);
}

static void appends(void)
{
    write_file("log", "first\n");
    int a = (int)must("open", open("log", O_WRONLY | O_APPEND));
    int b = (int)must("open", open("log", O_WRONLY | O_APPEND));
    must("write", write(a, "a\n", 2));
    must("write", write(b, "b\n", 2));
    lseek(a, 0, SEEK_SET);
    must("write", write(a, "c\n", 2));
    show("the offset is at the end", lseek(a, 0, SEEK_CUR));
    show_file("log");
    close(a);
    close(b);
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = (pid_t)must("fork", fork());
        if (pids[i] == 0) {
            a = open("log", O_WRONLY | O_APPEND);
            for (int n = 0; n < 100; n++)
                must("write", write(a, "0123456789", 10));
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++)
        wait_for(pids[i]);
    show("four appended at once", size_of("log"));
}

static void truncations(void)
{
    char buffer[16];
    write_file("cut", "0123456789");
    show("truncate", truncate("cut", 4));
    show_file("cut");
    show("longer", truncate("cut", 8));
    int fd = (int)must("open", open("cut", O_RDWR));
    show("read", read(fd, buffer, 16));
    say("zeros behind: %d %d, before: %c", buffer[4], buffer[7], buffer[3]);
    show("ftruncate", ftruncate(fd, 0));
    show("the offset stays", lseek(fd, 0, SEEK_CUR));
    show("write behind the end", write(fd, "z", 1));
    show("size", size_of("cut"));
    memset(big, 'b', sizeof(big));
    lseek(fd, 0, SEEK_SET);
    must("write", write(fd, big, sizeof(big)));
    show("to the middle of a block", ftruncate(fd, 5000));
    show("and longer again", ftruncate(fd, 8000));
    must("pread", pread(fd, big, 3000, 5000));
    int zeros = 0;
    for (int i = 0; i < 3000; i++)
        zeros += big[i] == 0;
    say("zeros where it was cut: %d", zeros);
    show("negative", ftruncate(fd, -1));
    close(fd);
    show_success("O_TRUNC", open("cut", O_WRONLY | O_TRUNC));
    show("size", size_of("cut"));
    show("a directory", truncate(".", 0));
    show("no file", truncate("none", 0));
    show("a negative size", truncate("cut", -1));
}

static void vectors(void)
{
    char a[4], b[4], c[10];
    struct iovec out[3] = {{"one", 3}, {"", 0}, {"three", 5}};
    struct iovec in[3] = {{a, 3}, {b, 2}, {c, 10}};
    int fd = (int)must("open", open("vector", O_RDWR | O_CREAT | O_TRUNC, 0644));
    show("writev", writev(fd, out, 3));
    lseek(fd, 0, SEEK_SET);
    show("readv", readv(fd, in, 3));
    say("%.3s %.2s %.3s", a, b, c);
    show("no vectors", writev(fd, out, 0));
    show("a negative number", writev(fd, out, -1));
    show("too many", writev(fd, out, 1025));
    out[1].iov_len = (size_t)-1;
    show("a negative length", writev(fd, out, 3));
    close(fd);
}

static void modes(void)
{
    struct stat status;
    write_file("mode", "");
    static const unsigned values[] = {0, 0777, 0644, 04755, 02755, 01777, 0444};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        must("chmod", chmod("mode", values[i]));
        must("stat", stat("mode", &status));
        say("chmod %o: %o", values[i], status.st_mode);
    }
    int fd = (int)must("open", open("mode", O_RDWR));
    show("fchmod", fchmod(fd, 0600));
    must("fstat", fstat(fd, &status));
    say("mode %o", status.st_mode);
    close(fd);
    show("no file", chmod("none", 0));
    umask(027);
    close((int)must("open", open("masked", O_WRONLY | O_CREAT, 0666)));
    must("stat", stat("masked", &status));
    say("with umask 027: %o", status.st_mode);
    say("umask was %o", umask(022));
}

int main(void)
{
    opens();
    seeks();
    appends();
    truncations();
    vectors();
    modes();
    return 0;
}
