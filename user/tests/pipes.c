/*
 * Pipes: order, end of file, SIGPIPE and EPIPE, atomic writes, many writers, non-blocking ends.
 */
#include "check.h"

#include <poll.h>
#include <sys/stat.h>

static char block[100000];

static void basics(void)
{
    int ends[2];
    char buffer[32] = "";
    must("pipe", pipe(ends));
    show("write", write(ends[1], "hello pipe", 10));
    show("read of a part", read(ends[0], buffer, 5));
    show("read of more than there is", read(ends[0], buffer + 5, 20));
    say("in order: %s", buffer);
    show("empty write", write(ends[1], "", 0));
    show("read from the writing end", read(ends[1], buffer, 1));
    show("write to the reading end", write(ends[0], buffer, 1));
    show("lseek", lseek(ends[0], 0, SEEK_CUR));
    struct stat status;
    must("fstat", fstat(ends[0], &status));
    say("is a fifo: %d", S_ISFIFO(status.st_mode));
    show("write", write(ends[1], "rest", 4));
    close(ends[1]);
    show("what is left after the writer closed", read(ends[0], buffer, 20));
    show("end of file", read(ends[0], buffer, 20));
    show("end of file again", read(ends[0], buffer, 20));
    close(ends[0]);
}

static int broken_by_signal(void)
{
    int ends[2];
    must("pipe", pipe(ends));
    close(ends[0]);
    write(ends[1], "x", 1);
    return 1;
}

static void broken(void)
{
    int ends[2];
    show_child("write without readers", broken_by_signal);
    must("pipe", pipe(ends));
    signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    show("with SIGPIPE ignored", write(ends[1], "x", 1));
    signal(SIGPIPE, SIG_DFL);
    close(ends[1]);
}

static void non_blocking(void)
{
    int ends[2];
    long total = 0, n;
    char c;
    must("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
    say("flags: %o %o", fcntl(ends[0], F_GETFL) & O_NONBLOCK, fcntl(ends[1], F_GETFD));
    show("empty", read(ends[0], &c, 1));
    while ((n = write(ends[1], block, 4096)) == 4096)
        total += n;
    say("full: %s after %ld bytes", error_name(errno), total);
    show("a byte more", write(ends[1], "x", 1));
    show("take a page", read(ends[0], block, 4096));
    show("room for a page", write(ends[1], block, 4096));
    fcntl(ends[0], F_SETFL, 0);
    show("the reading end blocks again", read(ends[0], &c, 1));
    show("pipe2 with a wrong flag", pipe2(ends, O_APPEND));
}

/* A writer that is blocked is woken by the reader, and the other way round. */
static void large(void)
{
    int ends[2];
    unsigned long sum = 0, total = 0;
    ssize_t n;
    static unsigned char buffer[3000];
    must("pipe", pipe(ends));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        close(ends[0]);
        for (size_t i = 0; i < sizeof(block); i++)
            block[i] = (char)(i * 7);
        for (int i = 0; i < 30; i++) {
            if (write(ends[1], block, sizeof(block)) != (ssize_t)sizeof(block))
                _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], buffer, sizeof(buffer))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + buffer[i];
        total += (unsigned long)n;
    }
    say("3 MB: %lu bytes, sum %lx", total, sum);
    show_status("writer", wait_for(pid));
    close(ends[0]);
}

/* Writes of up to 4096 bytes are not torn apart, whoever else writes. */
static void many_writers(void)
{
    int ends[2], torn = 0, records = 0, of_writer[8] = {0};
    static char record[512];
    must("pipe", pipe(ends));
    for (int writer = 0; writer < 8; writer++) {
        if (must("fork", fork()) == 0) {
            memset(record, 'a' + writer, sizeof(record));
            for (int i = 0; i < 200; i++)
                must("write", write(ends[1], record, sizeof(record)));
            _exit(0);
        }
    }
    close(ends[1]);
    for (;;) {
        size_t got = 0;
        ssize_t n = 0;
        while (got < sizeof(record) && (n = read(ends[0], record + got, sizeof(record) - got)) > 0)
            got += (size_t)n;
        if (n <= 0)
            break;
        for (size_t i = 1; i < sizeof(record); i++)
            torn += record[i] != record[0];
        of_writer[record[0] - 'a']++;
        records++;
    }
    for (int i = 0; i < 8; i++)
        wait(NULL);
    say("%d records, %d bytes in the wrong place", records, torn);
    for (int i = 0; i < 8; i++)
        records -= of_writer[i] == 200 ? 200 : 0;
    say("records missing: %d", records);
    close(ends[0]);
}

/* A token goes round a ring of processes. */
static void ring(void)
{
    int first[2], in, token = 0;
    must("pipe", pipe(first));
    in = first[0];
    for (int i = 0; i < 10; i++) {
        int next[2];
        must("pipe", pipe(next));
        if (must("fork", fork()) == 0) {
            close(next[0]);
            close(first[1]);
            while (read(in, &token, sizeof(token)) == sizeof(token)) {
                token++;
                must("write", write(next[1], &token, sizeof(token)));
            }
            _exit(0);
        }
        close(in);
        close(next[1]);
        in = next[0];
    }
    for (int round = 0; round < 100; round++) {
        must("write", write(first[1], &token, sizeof(token)));
        must("read", read(in, &token, sizeof(token)));
    }
    close(first[1]);
    show("the ring's end", read(in, &token, sizeof(token)));
    say("token: %d", token);
    for (int i = 0; i < 10; i++)
        wait(NULL);
    close(in);
}

static void named(void)
{
    char buffer[16] = "";
    show("mkfifo", mkfifo("fifo", 0644));
    show("mkfifo again", mkfifo("fifo", 0644));
    show("open without a reader", open("fifo", O_WRONLY | O_NONBLOCK));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        int fd = open("fifo", O_WRONLY);
        _exit(write(fd, "by name", 7) == 7 ? 0 : 1);
    }
    int fd = (int)must("open", open("fifo", O_RDONLY));
    size_t got = 0;
    ssize_t n;
    while ((n = read(fd, buffer + got, sizeof(buffer) - got)) > 0)
        got += (size_t)n;
    say("read: %s", buffer);
    show_status("writer", wait_for(pid));
    close(fd);
    show("unlink", unlink("fifo"));
}

static void polls(void)
{
    int ends[2];
    must("pipe", pipe(ends));
    struct pollfd files[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}};
    show("poll of an empty pipe", poll(files, 2, 0));
    say("events: %x %x", files[0].revents, files[1].revents);
    must("write", write(ends[1], "x", 1));
    show("with a byte in it", poll(files, 2, 1000));
    say("events: %x %x", files[0].revents, files[1].revents);
    close(ends[1]);
    show("writer closed", poll(files, 2, 1000));
    say("events: %x %x", files[0].revents, files[1].revents);
    char c;
    must("read", read(ends[0], &c, 1));
    show("and read empty", poll(files, 1, 1000));
    say("events: %x", files[0].revents);
    files[0].fd = -1;
    show("a negative descriptor", poll(files, 1, 0));
    say("events: %x", files[0].revents);
    show("nothing, for a moment", poll(NULL, 0, 1));
    close(ends[0]);
    must("pipe", pipe(ends));
    close(ends[0]);
    files[0] = (struct pollfd){ends[1], POLLOUT, 0};
    show("reader closed", poll(files, 1, 1000));
    say("events: %x", files[0].revents);
    close(ends[1]);
    must("pipe", pipe(ends));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0)
        _exit(write(ends[1], "later", 5) != 5);
    files[0] = (struct pollfd){ends[0], POLLIN, 0};
    show("poll waits for a writer", poll(files, 1, -1));
    wait_for(pid);
}

int main(void)
{
    basics();
    broken();
    non_blocking();
    large();
    many_writers();
    ring();
    named();
    polls();
    return 0;
}
