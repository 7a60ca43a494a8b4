/*
 * execve that fails: the error, and the old program goes on unharmed.
 */
#include "check.h"

#include <sys/mman.h>
#include <sys/stat.h>

static char *const no_environment[] = {NULL};

static void try(const char *what, const char *path)
{
    char *argv[] = {"x", NULL};
    show(what, execve(path, argv, no_environment));
}

static void write_program(const char *path, const void *bytes, size_t size)
{
    int fd = (int)must(path, open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
    if (write(fd, bytes, size) != (ssize_t)size)
        say("%s: short write", path);
    close(fd);
}

static void too_long(void)
{
    static char big[200000];
    memset(big, 'a', sizeof(big) - 1);
    char *one[] = {"x", big, NULL};
    show("one argument of 200000 bytes", execve("/bin/true", one, no_environment));
    static char medium[100001];
    memset(medium, 'b', sizeof(medium) - 1);
    static char *many[101];
    for (int i = 0; i < 100; i++)
        many[i] = medium;
    show("10 MB of arguments", execve("/bin/true", many, no_environment));
    show("10 MB of environment", execve("/bin/true", one + 2, many));
}

/* A file that is open for writing cannot be run, and one that runs cannot be written. */
static void busy(void)
{
    char buffer[4096];
    ssize_t n;
    int from = (int)must("open", open("/bin/sleep", O_RDONLY));
    int to = (int)must("open", open("copy", O_WRONLY | O_CREAT, 0755));
    while ((n = read(from, buffer, sizeof(buffer))) > 0)
        must("write", write(to, buffer, (size_t)n));
    try("open for writing", "copy");
    close(to);
    int ends[2];
    char c;
    must("pipe", pipe2(ends, O_CLOEXEC));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        execl("./copy", "copy", "1000", NULL);
        _exit(98);
    }
    close(ends[1]);
    show("exec closed the pipe", read(ends[0], &c, 1));
    show("writing what runs", open("copy", O_WRONLY));
    show("truncating what runs", truncate("copy", 0));
    show_success("reading what runs", open("copy", O_RDONLY));
    show("unlinking what runs", unlink("copy"));
    kill(pid, SIGKILL);
    show_status("it", wait_for(pid));
}

int main(void)
{
    char zeros[64] = {0};
    must("mkdir", mkdir("directory", 0755));
    must("symlink", symlink("loop", "loop"));
    must("symlink", symlink("/bin/false", "link"));
    write_file("not_executable", "#!/bin/sh\n");
    write_program("empty", "", 0);
    write_program("text", "echo text\n", 10);
    write_program("zeros", zeros, sizeof(zeros));
    write_program("short_header", "\177ELF\2\1\1", 7);
    unsigned char header[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    header[16] = 2;    /* executable */
    header[18] = 0xb7; /* for another processor */
    write_program("other_machine", header, sizeof(header));
    header[18] = 62;
    header[4] = 1; /* 32 bits */
    header[4] = 2;
    write_program("no_segments", header, sizeof(header));

    try("no file", "missing");
    try("no directory", "missing/x");
    try("empty path", "");
    try("a file as a directory", "text/x");
    try("a directory", "directory");
    try("a loop", "loop");
    try("no x permission", "not_executable");
    try("an empty file", "empty");
    try("text", "text");
    try("zeros", "zeros");
    try("a short header", "short_header");
    try("another machine", "other_machine");
    try("no segments", "no_segments");
    try("a device", "/dev/null");
    char name[300];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    try("a long name", name);
    too_long();
    busy();
    int status;
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        execl("link", "link", NULL);
        _exit(98);
    }
    waitpid(pid, &status, 0);
    show_status("a symbolic link", status);
    return 0;
}
