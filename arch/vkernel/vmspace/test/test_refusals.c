/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * When the host gives no process: for one more vmspace, or for one more CPU in a vmspace; and
 * no mapping where several CPUs run. As an ordinary user, since root has no limit on processes.
 */
#include "arch/vkernel/vmspace/test/harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

GUEST(spin)
GUEST(load)
GUEST(syscalls)

#define STRANGER 54321 /* a user that has no other processes */
#define PLACES   3000
#define BASE     0x20000000UL

/* A virtual CPU. */
struct cpu {
    struct trapframe frame;
    struct vextframe vframe;
    pthread_t thread;
    uint64_t good; /* loads that gave the right value */
};

static struct space space;
static struct cpu cpus[2];

static void become_ordinary(void)
{
    if (getuid() != 0)
        return;
    CHECK(setresgid(STRANGER, STRANGER, STRANGER) == 0);
    CHECK(setresuid(STRANGER, STRANGER, STRANGER) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
}

static int run(struct cpu *cpu)
{
    return vmspace_ctl(&space, VMSPACE_CTL_RUN, &cpu->frame, &cpu->vframe);
}

/* The stubs that are ready may be used up; then it is an error; then all is well again. */
static void test_no_more_vmspaces(void)
{
    static char names[100];
    int error = 0, count = 0;

    for (int round = 0; round < 3; round++) {
        limit_processes("duet-zygote", RLIMIT_NPROC, 1);
        while (count < 100 && (error = vmspace_create(&names[count], 0, NULL)) == 0)
            count++;
        CHECK(error == -EAGAIN);
        CHECK(vmspace_create(&names[count], 0, NULL) == -EAGAIN);
        limit_processes("duet-zygote", RLIMIT_NPROC, RLIM_INFINITY);
        CHECK(vmspace_create(&names[count++], 0, NULL) == 0);
        CHECK(vmspace_create(&names[count++], 0, NULL) == 0);
    }
    while (count > 0)
        CHECK(vmspace_destroy(&names[--count]) == 0);
}

static volatile bool spin_may_end;

static void *spin(void *argument)
{
    struct cpu *cpu = argument;
    int error;

    do {
        error = run(cpu);
        CHECK(error == -EBUSY || (error == 0 && cpu->frame.trap_number == VMSPACE_INTERRUPT));
    } while (!spin_may_end);
    return NULL;
}

/* Two CPUs share the one process that there is, even if the first never traps; later each has one.
 */
static void test_no_process_for_a_second_cpu(void)
{
    uint64_t count = 0;
    int error;

    frame_start(&cpus[0].frame, ENTRY(spin));
    frame_start(&cpus[1].frame, ENTRY(syscalls));
    CHECK(pthread_create(&cpus[0].thread, NULL, spin, &cpus[0]) == 0);
    while (cpus[0].vframe.host_pid == 0)
        usleep(1000);
    limit_processes("duet-guest", RLIMIT_NPROC, 1);
    for (uint64_t i = 0; i < 10; i++) {
        vmspace_kick(&cpus[1].vframe); /* which ends one RUN, whether it waits or runs */
        do {
            error = run(&cpus[1]);
        } while (error == -EBUSY || cpus[1].frame.trap_number == VMSPACE_INTERRUPT);
        CHECK(error == 0 && cpus[1].frame.trap_number == VMSPACE_SYSCALL);
        CHECK(frame_syscall_number(&cpus[1].frame) == 100 + i);
        while (cpus[0].vframe.host_pid == 0) /* now it runs again, and gets on */
            usleep(1000);
        CHECK(cpus[0].frame.rax >= count);
        count = cpus[0].frame.rax;
    }
    CHECK(count > 1000);
    limit_processes("duet-guest", RLIMIT_NPROC, RLIM_INFINITY);
    while (run(&cpus[1]) != 0)
        sched_yield();
    CHECK(frame_syscall_number(&cpus[1].frame) == 110);
    CHECK(vmspace_destroy(&space) == -EBUSY);
    spin_may_end = true;
    vmspace_kick(&cpus[0].vframe);
    pthread_join(cpus[0].thread, NULL);
}

static uint64_t place(uint64_t i)
{
    return BASE + i * 2 * PAGE_SIZE;
}

static void *load_places(void *argument)
{
    struct cpu *cpu = argument;

    frame_start(&cpu->frame, ENTRY(load));
    for (int round = 0; round < 3; round++)
        for (uint64_t i = 0; i < PLACES; i++) {
            cpu->frame.rdi = place(i);
            CHECK(run(cpu) == 0 && cpu->frame.trap_number == VMSPACE_SYSCALL);
            cpu->good += cpu->frame.rax == i % 2 + 1;
        }
    return NULL;
}

/* Two CPUs use more pages than the host lets be mapped. */
static void test_few_mappings_for_two_cpus(void)
{
    uint64_t pages[2] = {page_new(), page_new()};

    for (uint64_t i = 0; i < 2; i++)
        *(uint64_t *)(memory + pages[i]) = i + 1;
    for (uint64_t i = 0; i < PLACES; i++)
        space_map(&space, place(i), pages[i % 2], PROT_READ);
    limit_processes("duet-guest", RLIMIT_AS, 4 << 20);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&cpus[i].thread, NULL, load_places, &cpus[i]) == 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(cpus[i].thread, NULL);
        CHECK(cpus[i].good == 3 * PLACES);
    }
}

int main(void)
{
    alarm(250);
    become_ordinary();
    harness_start((unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    test_no_more_vmspaces();
    space_create(&space);
    test_no_process_for_a_second_cpu();
    test_few_mappings_for_two_cpus();
    space_destroy(&space);
    harness_end();
}
