/*
 * What the basic operations of a kernel cost. Prints `NAME VALUE UNIT` a line.
 *
 * Each operation is repeated in rounds of at least ROUND nanoseconds; the median of the rounds
 * counts, so that a disturbance in one of them does not. The same static binary runs on Linux,
 * on User-mode Linux and on both of Duet's machines; `make bench` compares.
 *
 *      bench           all, in the current folder (files are made there and removed)
 *      bench exit      ends at once: what the exec benchmark executes
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS    9
#define ROUND     10000000L /* nanoseconds */
#define MAX_TIMES 1000000L
#define PAGE      4096
#define PAGES     256
#define BLOCK     4096
#define BLOCKS    64
#define FILE_NAME "bench.tmp"

static const char *self;

static long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;

    return x < y ? -1 : x > y;
}

static long median(long *values)
{
    qsort(values, ROUNDS, sizeof(values[0]), compare);
    return values[ROUNDS / 2];
}

/* A benchmark does its operation `times` times and returns the nanoseconds that it took. */
typedef long (*benchmark)(long times);

static void measure(const char *name, benchmark run)
{
    long times = 1, spent, values[ROUNDS];

    while ((spent = run(times)) < ROUND && times < MAX_TIMES)
        times = spent * 8 < ROUND ? times * 8 : times * 2;
    for (int round = 0; round < ROUNDS; round++)
        values[round] = run(times) * 10 / times;
    long tenths = median(values);
    printf("%s %ld.%ld ns\n", name, tenths / 10, tenths % 10);
    fflush(stdout);
}

static long null_call(long times)
{
    long start = now();

    for (long i = 0; i < times; i++)
        syscall(SYS_getppid);
    return now() - start;
}

static long pipe_round_trip(long times)
{
    int there[2], back[2];
    char byte = 0;

    if (pipe(there) != 0 || pipe(back) != 0)
        fail("pipe");
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        while (read(there[0], &byte, 1) == 1)
            if (write(back[1], &byte, 1) != 1)
                break;
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
    long start = now();
    for (long i = 0; i < times; i++)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            fail("pipe");
    long spent = now() - start;
    close(there[1]);
    close(back[0]);
    waitpid(child, NULL, 0);
    return spent;
}

static long fork_exit_wait(long times)
{
    long start = now();

    for (long i = 0; i < times; i++) {
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0)
            _exit(0);
        waitpid(child, NULL, 0);
    }
    return now() - start;
}

static long fork_exec_wait(long times)
{
    char *const arguments[] = {(char *)self, "exit", NULL};
    long start = now();

    for (long i = 0; i < times; i++) {
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0) {
            execv(self, arguments);
            _exit(1);
        }
        waitpid(child, NULL, 0);
    }
    return now() - start;
}

static char *map_pages(void)
{
    char *pages =
        mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        fail("mmap");
    return pages;
}

static long touch(char *pages)
{
    long start = now();

    for (long i = 0; i < PAGES; i++)
        ((volatile char *)pages)[i * PAGE] = 1;
    return now() - start;
}

/* Costs of a page: the operation is a page's, so what is returned counts per page. */
static long first_touch(long times)
{
    long spent = 0, rounds = (times + PAGES - 1) / PAGES;

    for (long i = 0; i < rounds; i++) {
        char *pages = map_pages();
        spent += touch(pages);
        munmap(pages, PAGES * PAGE);
    }
    return spent * times / (rounds * PAGES);
}

/* The child touches what it shares with its parent, and says how long that took. */
static long copy_on_write(long times)
{
    long spent = 0, rounds = (times + PAGES - 1) / PAGES, part;
    char *pages = map_pages();
    int ends[2];

    touch(pages);
    for (long i = 0; i < rounds; i++) {
        if (pipe(ends) != 0)
            fail("pipe");
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0) {
            part = touch(pages);
            _exit(write(ends[1], &part, sizeof(part)) != sizeof(part));
        }
        close(ends[1]);
        if (read(ends[0], &part, sizeof(part)) != sizeof(part))
            fail("read");
        close(ends[0]);
        waitpid(child, NULL, 0);
        spent += part;
    }
    munmap(pages, PAGES * PAGE);
    return spent * times / (rounds * PAGES);
}

static long open_close(long times)
{
    long start = now();

    for (long i = 0; i < times; i++) {
        int fd = open(FILE_NAME, O_RDONLY);
        if (fd < 0)
            fail(FILE_NAME);
        close(fd);
    }
    return now() - start;
}

static long create_unlink(long times)
{
    long start = now();

    for (long i = 0; i < times; i++) {
        int fd = open("bench.new", O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (fd < 0 || close(fd) != 0 || unlink("bench.new") != 0)
            fail("bench.new");
    }
    return now() - start;
}

static char block[BLOCK];

static long transfer(long times, int is_write)
{
    int fd = open(FILE_NAME, O_RDWR);

    if (fd < 0)
        fail(FILE_NAME);
    long start = now();
    for (long i = 0; i < times; i++) {
        if (i % BLOCKS == 0)
            lseek(fd, 0, SEEK_SET);
        ssize_t n = is_write ? write(fd, block, BLOCK) : read(fd, block, BLOCK);
        if (n != BLOCK)
            fail(FILE_NAME);
    }
    long spent = now() - start;
    close(fd);
    return spent;
}

static long file_write(long times)
{
    return transfer(times, 1);
}

static long file_read(long times)
{
    return transfer(times, 0);
}

/* Integers and memory, no system calls: the operation is one pass of a small sieve. */
static long computation(long times)
{
    static unsigned char composite[16384];
    volatile long primes = 0;
    long start = now();

    for (long i = 0; i < times; i++) {
        memset(composite, 0, sizeof(composite));
        for (size_t n = 2; n < sizeof(composite); n++) {
            if (composite[n])
                continue;
            primes++;
            for (size_t k = n * n; k < sizeof(composite); k += n)
                composite[k] = 1;
        }
    }
    return now() - start;
}

/*
 * Several processes do the operation at the same time, each its share of `times`. What one costs
 * is then the inverse of the throughput: with two processors, half as much as with one.
 */
static long at_once(benchmark run, long times, int processes)
{
    int gate[2];
    char byte[8] = {0};

    if (pipe(gate) != 0)
        fail("pipe");
    for (int i = 0; i < processes; i++) {
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0) {
            if (read(gate[0], byte, 1) != 1)
                _exit(1);
            run(times / processes);
            _exit(0);
        }
    }
    long start = now();
    if (write(gate[1], byte, (size_t)processes) != processes)
        fail("pipe");
    for (int i = 0; i < processes; i++)
        wait(NULL);
    long spent = now() - start;
    close(gate[0]);
    close(gate[1]);
    return spent;
}

static long null_call_by_4(long times)
{
    return at_once(null_call, times, 4);
}

static long computation_by_4(long times)
{
    return at_once(computation, times, 4);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exit") == 0)
        return 0;
    self = argv[0];

    int fd = open(FILE_NAME, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (fd < 0)
        fail(FILE_NAME);
    for (int i = 0; i < BLOCKS; i++)
        if (write(fd, block, BLOCK) != BLOCK)
            fail(FILE_NAME);
    close(fd);

    measure("null-call", null_call);
    measure("pipe-round-trip", pipe_round_trip);
    measure("fork-exit-wait", fork_exit_wait);
    measure("fork-exec-wait", fork_exec_wait);
    measure("first-touch", first_touch);
    measure("copy-on-write", copy_on_write);
    measure("open-close", open_close);
    measure("create-unlink", create_unlink);
    measure("write-4k", file_write);
    measure("read-4k", file_read);
    measure("computation", computation);
    measure("null-call-by-4", null_call_by_4);
    measure("computation-by-4", computation_by_4);
    unlink(FILE_NAME);
    return 0;
}
