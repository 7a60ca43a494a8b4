/*
 * Threads that do everything at once on all processors: map, protect and unmap memory that others
 * use, fork, exec, end and signal each other. Only what must come out is printed.
 */
#include "threads.h"

#define WORKERS 4

static volatile bool is_over;
static volatile uint32_t failures, signals_taken;

static void expect(bool condition)
{
    if (!condition)
        __atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
}

static void show_failures(const char *what)
{
    say("%s: %u failures", what, failures);
    failures = 0;
}

static void run_workers(const char *what, int (*run)(void *))
{
    struct thread threads[WORKERS];
    long sum = 0;

    for (long i = 0; i < WORKERS; i++)
        thread_start(&threads[i], run, (void *)i);
    for (int i = 0; i < WORKERS; i++)
        sum += thread_join(&threads[i]);
    say("%s: %ld", what, sum);
    show_failures(what);
}

static volatile long *map_pages(size_t count)
{
    return (volatile long *)raw(SYS_mmap, 0, count * 4096, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* --- Memory that another thread writes to -------------------------------------------------------
 */

static volatile uint32_t is_writable, gave_up;
static volatile long *target;

/* The page that the writer wants is not there: wait until it is again. */
static void wait_for_page(int signal)
{
    (void)signal;
    announce(&gave_up, gave_up + 1);
    wait_while(&is_writable, 0);
}

static int write_for_ever(void *argument)
{
    (void)argument;
    while (!is_over)
        ++*target;
    return 0;
}

#define SPARE_PAGES 8

/* When a call that takes the page away has returned, nobody writes to it any more. */
static void taken_away(void)
{
    struct sigaction action = {.sa_handler = wait_for_page};
    struct thread writer;
    volatile long *area = map_pages(SPARE_PAGES + 1);

    sigaction(SIGSEGV, &action, NULL);
    is_writable = 1;
    is_over = false;
    target = area;
    thread_start(&writer, write_for_ever, NULL);
    for (int round = 0; round < 40; round++) {
        uint32_t before = gave_up;

        while (*area < 100)
            sched_yield();
        is_writable = 0;
        if (round % 2 == 0) {
            expect(mprotect((void *)area, 4096, PROT_READ) == 0);
            long value = *area;
            wait_while(&gave_up, before);
            expect(*area == value);
            expect(mprotect((void *)area, 4096, PROT_READ | PROT_WRITE) == 0);
            *area = 0;
        } else {
            expect(munmap((void *)area, 4096) == 0);
            for (int i = 1; i <= SPARE_PAGES; i++) /* one of them gets the page's memory */
                area[512 * i] = i;
            wait_while(&gave_up, before);
            for (int i = 1; i <= SPARE_PAGES; i++)
                expect(area[512 * i] == i);
            expect(mmap((void *)area, (SPARE_PAGES + 1) * 4096, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area);
        }
        announce(&is_writable, 1);
    }
    is_over = true;
    thread_join(&writer);
    munmap((void *)area, (SPARE_PAGES + 1) * 4096);
    signal(SIGSEGV, SIG_DFL);
    show_failures("pages that are taken away");
}

/* All work on one area: each page is touched by all, at the same time. */
static volatile long *common;
#define COMMON_PAGES 16

static int touch_together(void *argument)
{
    long me = (long)argument, sum = 0;

    for (int round = 0; round < 20; round++) {
        volatile long *own = map_pages(4);
        for (int i = 0; i < 4; i++)
            own[512 * i] = me + i;
        for (int i = 0; i < COMMON_PAGES; i++)
            __atomic_fetch_add(&common[512 * ((i + me) % COMMON_PAGES)], 1, __ATOMIC_SEQ_CST);
        for (int i = 0; i < 4; i++)
            sum += own[512 * i] - me;
        expect(raw(SYS_mprotect, own, 4096, PROT_READ) == 0);
        expect(raw(SYS_munmap, own, 2 * 4096) == 0);
        expect(raw(SYS_munmap, own + 1024, 2 * 4096) == 0);
        expect(raw(SYS_brk, 0) > 0);
    }
    return (int)sum;
}

static void together(void)
{
    common = map_pages(COMMON_PAGES);
    run_workers("touch pages together", touch_together);
    for (int i = 0; i < COMMON_PAGES; i++)
        expect(common[512 * i] == WORKERS * 20);
    munmap((void *)common, COMMON_PAGES * 4096);
    show_failures("all were counted");
}

/* --- fork while others write --------------------------------------------------------------------
 */

/* Two words on two pages, the second never ahead of the first, nor more than one behind. */
static int write_pairs(void *argument)
{
    volatile long *pages = argument;

    for (long i = 1; !is_over; i++) {
        pages[0] = i;
        pages[512] = i;
    }
    return 0;
}

static void forks(void)
{
    struct thread threads[2];
    volatile long *pages = map_pages(4);

    is_over = false;
    for (int i = 0; i < 2; i++)
        thread_start(&threads[i], write_pairs, (void *)(pages + 1024 * i));
    for (int round = 0; round < 30; round++) {
        pid_t pid = (pid_t)must("fork", fork());
        if (pid == 0) {
            for (int i = 0; i < 2; i++) {
                long first = pages[1024 * i], second = pages[1024 * i + 512];
                expect(first == second || first == second + 1);
                pages[1024 * i] = 7; /* a copy of its own */
                expect(pages[1024 * i + 512] == second);
            }
            _exit(failures == 0 ? 3 : 1);
        }
        expect(WEXITSTATUS(wait_for(pid)) == 3);
    }
    is_over = true;
    for (int i = 0; i < 2; i++)
        thread_join(&threads[i]);
    munmap((void *)pages, 4 * 4096);
    show_failures("children of a process that writes");
}

/* --- Threads, processes, files, signals ----------------------------------------------------------
 */

static int add_one(void *argument)
{
    return (int)(long)argument + 1;
}

static int make_threads(void *argument)
{
    int sum = 0;

    (void)argument;
    for (long i = 0; i < 25; i++) {
        struct thread threads[2];

        for (int j = 0; j < 2; j++)
            thread_start(&threads[j], add_one, (void *)i);
        for (int j = 0; j < 2; j++)
            sum += thread_join(&threads[j]);
    }
    return sum;
}

static int make_processes(void *argument)
{
    int sum = 0, status;

    for (int i = 0; i < 15; i++) {
        long pid = raw(SYS_fork);
        if (pid == 0)
            raw(SYS_exit_group, i + (int)(long)argument);
        expect(raw(SYS_wait4, pid, &status, 0, NULL) == pid);
        sum += WEXITSTATUS(status);
    }
    return sum;
}

static int use_files(void *argument)
{
    static const char name[] = "storm";
    int sum = 0;

    (void)argument;
    for (int i = 0; i < 50; i++) {
        int ends[2], value = i, back = -1;
        long fd = raw(SYS_open, name, O_RDWR | O_CREAT, 0666);
        long copy = raw(SYS_dup, fd);

        expect(fd >= 0 && copy >= 0 && raw(SYS_pipe, ends) == 0);
        expect(raw(SYS_write, ends[1], &value, sizeof(value)) == sizeof(value));
        expect(raw(SYS_read, ends[0], &back, sizeof(back)) == sizeof(back));
        sum += back;
        expect(raw(SYS_close, fd) == 0 && raw(SYS_fcntl, copy, F_GETFD, 0) == 0);
        expect(raw(SYS_close, copy) == 0);
        expect(raw(SYS_close, ends[0]) == 0 && raw(SYS_close, ends[1]) == 0);
    }
    return sum;
}

static volatile uint32_t tids[WORKERS];

static void take_signal(int signal)
{
    (void)signal;
    __atomic_fetch_add(&signals_taken, 1, __ATOMIC_SEQ_CST);
}

static int signal_each_other(void *argument)
{
    long me = (long)argument;
    volatile long work = 0;

    tids[me] = (uint32_t)raw(SYS_gettid);
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t other = tids[(me + i) % WORKERS];

        if (other != 0)
            expect(raw(SYS_tgkill, raw(SYS_getpid), other, SIGUSR1) >= -ESRCH);
        if (i % 8 == 0)
            raw(SYS_kill, raw(SYS_getpid), SIGUSR2);
        for (int j = 0; j < 50; j++)
            work = work + 1;
    }
    return (int)work;
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = take_signal, .sa_flags = SA_RESTART};

    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    run_workers("signal each other", signal_each_other);
    say("signals were taken: %d", signals_taken > 0);
}

/* --- Ends at the same time
 * ------------------------------------------------------------------------ */

static volatile uint32_t gate;

enum { END_EXIT, END_EXIT_GROUP, END_EXEC, END_FAULT, END_KILL, END_KINDS };

static int end_somehow(void *argument)
{
    static char *const program[] = {"/bin/true", NULL}, *const environment[] = {NULL};

    wait_while(&gate, 0);
    switch ((long)argument) {
    case END_EXIT_GROUP:
        raw(SYS_exit_group, 5);
        break;
    case END_EXEC:
        raw(SYS_execve, program[0], program, environment);
        break;
    case END_FAULT:
        *(volatile int *)NULL = 0;
        break;
    case END_KILL:
        raw(SYS_kill, raw(SYS_getpid), SIGKILL);
        break;
    }
    return 0;
}

/* Three threads end, each in a way of its own, at the same time. */
static int end_together(int round)
{
    struct thread threads[3];
    int ways = round;

    for (int i = 0; i < 3; i++) {
        thread_start(&threads[i], end_somehow, (void *)(long)(ways % END_KINDS));
        ways /= END_KINDS;
    }
    announce(&gate, 1);
    raw(SYS_exit, 0);
    return 1;
}

static void ends(void)
{
    for (int round = 0; round < END_KINDS * END_KINDS * END_KINDS; round += 3) {
        pid_t pid = (pid_t)must("fork", fork());
        if (pid == 0)
            _exit(end_together(round));
        int status = wait_for(pid);
        bool is_good = WIFEXITED(status)
                           ? WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 5
                           : WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGKILL;
        expect(is_good);
    }
    show_failures("ends at the same time");
}

int main(void)
{
    taken_away();
    together();
    forks();
    run_workers("make threads", make_threads);
    run_workers("make processes", make_processes);
    run_workers("use files", use_files);
    say("the lowest free descriptor: %d", dup(0));
    signals();
    ends();
    return 0;
}
