/*
 * Copy-on-write: after fork, each process sees its own memory and no other's, through many
 * generations, whoever writes first.
 */
#include "check.h"

#include <sys/mman.h>

#define PAGE  4096UL
#define PAGES 64

static int *memory;
static int data[3 * 1024] = {1, 2, 3};

static int *word(int page)
{
    return &memory[(size_t)page * PAGE / sizeof(int)];
}

static long sum(void)
{
    long total = 0;
    for (int i = 0; i < PAGES; i++)
        total += *word(i);
    return total;
}

static void set_all(int value)
{
    for (int i = 0; i < PAGES; i++)
        *word(i) = value;
}

static int child_writes(void)
{
    long before = sum();
    set_all(2);
    data[0] = 77;
    return before == PAGES && sum() == 2 * PAGES ? 1 : 99;
}

/* Each generation adds to every second page, checks, and has a child before and after. */
static int generations(int depth, long expected)
{
    if (sum() != expected)
        return 99;
    if (depth == 0)
        return 0;
    for (int i = depth % 2; i < PAGES; i += 2)
        *word(i) += depth;
    long mine = expected + depth * (PAGES / 2);
    pid_t pid = fork();
    if (pid == 0)
        _exit(generations(depth - 1, mine));
    *word(0) += 1000;
    int status = WEXITSTATUS(wait_for(pid));
    return sum() == mine + 1000 ? (status == 99 ? 99 : status + 1) : 99;
}

/* Siblings write different things to the same pages at the same time. */
static void siblings(void)
{
    pid_t pids[8];
    int good = 0;
    set_all(0);
    for (int n = 0; n < 8; n++) {
        pids[n] = (pid_t)must("fork", fork());
        if (pids[n] == 0) {
            for (int round = 0; round < 100; round++) {
                for (int i = 0; i < PAGES; i++)
                    *word(i) += n;
            }
            _exit(sum() == 100L * n * PAGES ? n : 99);
        }
    }
    for (int n = 0; n < 8; n++)
        good += WEXITSTATUS(wait_for(pids[n])) == n;
    say("siblings with the right sums: %d, the parent's: %ld", good, sum());
}

/* The kernel writes into shared pages, too. */
static void kernel_writes(void)
{
    int ends[2];
    must("pipe", pipe(ends));
    set_all(5);
    must("write", write(ends[1], "new!", 4));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        must("read", read(ends[0], word(3), 4));
        _exit(memcmp(word(3), "new!", 4) == 0 && *word(4) == 5 ? 4 : 99);
    }
    show_status("the child read into a shared page", wait_for(pid));
    say("the parent's: %d", *word(3));
}

static int protection_after_fork(void)
{
    mprotect(memory, PAGE, PROT_READ);
    pid_t pid = fork();
    if (pid == 0) {
        *(volatile int *)word(0) = 1;
        _exit(0);
    }
    show_status("write to a read-only page after fork", wait_for(pid));
    mprotect(memory, PAGE, PROT_READ | PROT_WRITE);
    *word(0) = 6;
    return *word(0);
}

int main(void)
{
    memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    set_all(1);
    show_child("child writes", child_writes);
    say("parent's sum: %ld, data %d", sum(), data[0]);
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        kill(getpid(), SIGSTOP);
        _exit(sum() == PAGES ? 2 : 99);
    }
    waitpid(pid, NULL, WUNTRACED);
    set_all(3);
    kill(pid, SIGCONT);
    show_status("parent wrote first, the child", wait_for(pid));
    say("parent's sum: %ld", sum());
    set_all(0);
    say("generations: %d", generations(30, 0));
    siblings();
    kernel_writes();
    show_child("protection", protection_after_fork);
    return 0;
}
