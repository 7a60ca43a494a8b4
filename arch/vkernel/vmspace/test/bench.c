/*
 * What the vmspace calls cost, in nanoseconds: the best of many short rounds, which other work of
 * the host does not disturb, and their median. An argument "sleep" forbids spinning.
 */
#include "arch/vkernel/vmspace/test/harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

GUEST(syscalls)
GUEST(load)
GUEST(store)

#define ROUNDS 200

static struct space space;
static struct trapframe frame;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void bench(const char *name, void (*body)(void), int count)
{
    double times[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        double start = now();

        for (int i = 0; i < count; i++)
            body();
        times[round] = (now() - start) / count;
    }
    qsort(times, ROUNDS, sizeof(times[0]), compare);
    printf("%-28s %8.0f ns %8.0f ns\n", name, times[0], times[ROUNDS / 2]);
}

static void on_trap(int signal)
{
    (void)signal;
}

static void trap(void)
{
    syscall(SYS_getppid);
}

/* What the host alone takes for a trapped system call: a signal, and the return from it. */
static void bench_host(void)
{
    struct sock_filter filter[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_getppid},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {4, filter};
    pid_t child;

    bench("native system call", trap, 500);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        signal(SIGSYS, on_trap);
        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
        bench("SIGSYS and return", trap, 500);
        exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
}

static void round_trip(void)
{
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
}

/* Invalidate a page and have the library map it again. */
static void refault(void)
{
    space_invalidate(&space, GUEST_DATA);
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
}

/* A page fault that the caller resolves, as for a first touch. */
static void fault(void)
{
    *space_entry(&space, GUEST_DATA) = 0;
    space_invalidate(&space, GUEST_DATA);
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    space_map(&space, GUEST_DATA, 16 << 20, PROT_READ | PROT_WRITE);
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
}

static void first_touch(void)
{
    frame.rdi += PAGE_SIZE;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    space_map(&space, frame.rdi, 16 << 20, PROT_READ | PROT_WRITE);
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
}

static void life(void)
{
    static struct space other;

    CHECK(vmspace_create(&other, 0, NULL) == 0);
    CHECK(vmspace_destroy(&other) == 0);
}

/* Create, run to the first system call, destroy. */
static void full_life(void)
{
    static struct space other;
    static struct trapframe registers;
    static uint64_t root;
    void *window = (void *)USER_MIN;
    size_t size = USER_MAX - USER_MIN;

    root = space.root;
    frame_start(&registers, ENTRY(syscalls));
    CHECK(vmspace_create(&other, 0, NULL) == 0);
    CHECK(vmspace_mmap(&other, window, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE, memory_fd, 0) == window);
    CHECK(vmspace_mcontrol(&other, window, size, MADV_SETMAP, (off_t)root) == 0);
    CHECK(space_run(&other, &registers) == VMSPACE_SYSCALL);
    CHECK(vmspace_destroy(&other) == 0);
}

int main(int argc, char **argv)
{
    bool may_spin = !(argc > 1 && strcmp(argv[1], "sleep") == 0);

    bench_host();
    harness_start(may_spin ? (unsigned)sysconf(_SC_NPROCESSORS_ONLN) : 1);
    space_create(&space);
    frame_start(&frame, ENTRY(syscalls));
    bench("system call", round_trip, 500);
    space_map(&space, GUEST_DATA, page_new(), PROT_READ);
    frame_start(&frame, ENTRY(load));
    frame.rdi = GUEST_DATA;
    bench("invalidate, load, syscall", refault, 200);
    frame_start(&frame, ENTRY(store));
    frame.rdi = GUEST_DATA;
    bench("invalidate, fault, store", fault, 200);
    frame.rdi = GUEST_DATA;
    bench("first touch of a page", first_touch, 25);
    bench("create, destroy", life, 500);
    bench("create, run, destroy", full_life, 500);
    vmspace_stop();
    return 0;
}
