/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * Several CPUs in one vmspace: that they run at the same time, each with its own registers; that
 * faults, invalidations and deaths of one are right for all.
 */
#include "arch/vkernel/vmspace/test/harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

GUEST(spin)
GUEST(store)
GUEST(load)
GUEST(xmm)
GUEST(fs)
GUEST(wait_word)
GUEST(count_shared)
GUEST(walk)
GUEST(hunt)

#define CPUS   4
#define ROUNDS 200

static struct space space;

/* A virtual CPU: a host thread with a frame and what RUN needs. */
struct cpu {
    pthread_t thread;
    uint64_t number;
    struct trapframe frame;
    struct vextframe vframe;
    uint64_t reason; /* of the last return from RUN */
};

static struct cpu cpus[CPUS];
static uint64_t shared_page; /* physical; at GUEST_DATA */

/* RUN again while the host is short of processes or a kick is all that came. */
static uint64_t cpu_run(struct cpu *cpu)
{
    int error;

    do {
        error = vmspace_ctl(&space, VMSPACE_CTL_RUN, &cpu->frame, &cpu->vframe);
    } while (error == -EBUSY);
    CHECK(error == 0);
    cpu->reason = cpu->frame.trap_number;
    return cpu->reason;
}

static void *cpu_main(void *argument)
{
    cpu_run(argument);
    return NULL;
}

static void start(struct cpu *cpu, void *(*function)(void *), uint64_t entry, uint64_t rdi,
                  uint64_t rsi)
{
    frame_start(&cpu->frame, entry);
    cpu->frame.rdi = rdi;
    cpu->frame.rsi = rsi;
    CHECK(pthread_create(&cpu->thread, NULL, function, cpu) == 0);
}

static void join(struct cpu *cpu)
{
    pthread_join(cpu->thread, NULL);
}

static void begin(void)
{
    space_create(&space);
    shared_page = page_new();
    space_map(&space, GUEST_DATA, shared_page, PROT_READ | PROT_WRITE);
    for (uint64_t i = 0; i < CPUS; i++)
        cpus[i] = (struct cpu){.number = i};
}

static void end(void)
{
    for (int i = 0; i < CPUS; i++)
        vmspace_frame_forget(&cpus[i].frame);
    space_destroy(&space);
}

/* One waits, without a trap, for what the other stores: both must be in guest code at once. */
static void test_at_the_same_time(void)
{
    begin();
    start(&cpus[0], cpu_main, ENTRY(wait_word), GUEST_DATA, 5);
    while (cpus[0].vframe.host_pid == 0)
        usleep(100);
    frame_start(&cpus[1].frame, ENTRY(store));
    cpus[1].frame.rdi = GUEST_DATA;
    cpus[1].frame.rsi = 5;
    CHECK(cpu_run(&cpus[1]) == VMSPACE_SYSCALL);
    join(&cpus[0]);
    CHECK(cpus[0].reason == VMSPACE_SYSCALL);
    end();
}

static void *count_main(void *argument)
{
    struct cpu *cpu = argument;

    for (int i = 0; i < ROUNDS; i++)
        CHECK(cpu_run(cpu) == VMSPACE_SYSCALL);
    return NULL;
}

static void test_counting(void)
{
    begin();
    for (int i = 0; i < CPUS; i++)
        start(&cpus[i], count_main, ENTRY(count_shared), GUEST_DATA, 50);
    for (int i = 0; i < CPUS; i++)
        join(&cpus[i]);
    CHECK(*(uint64_t *)(memory + shared_page) == (uint64_t)CPUS * ROUNDS * 50);
    end();
}

/* Each program's vector registers and FS base are its own, whatever stub it runs in. */
static void *registers_main(void *argument)
{
    struct cpu *cpu = argument;
    static struct trapframe with_fs[CPUS];
    struct trapframe *fs = &with_fs[cpu->number];

    frame_start(fs, ENTRY(fs));
    frame_set_tls(fs, GUEST_DATA + 8 * cpu->number);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(cpu_run(cpu) == VMSPACE_SYSCALL);
        CHECK(i == 0 || cpu->frame.rax == cpu->frame.rdi);
        CHECK(vmspace_ctl(&space, VMSPACE_CTL_RUN, fs, &cpu->vframe) == 0);
        CHECK(fs->trap_number == VMSPACE_SYSCALL && fs->rax == 100 + cpu->number);
    }
    vmspace_frame_forget(fs);
    return NULL;
}

static void test_registers(void)
{
    begin();
    for (uint64_t i = 0; i < CPUS; i++) {
        ((uint64_t *)(memory + shared_page))[i] = 100 + i;
        start(&cpus[i], registers_main, ENTRY(xmm), 0x1111 * (i + 1), 0);
    }
    for (int i = 0; i < CPUS; i++)
        join(&cpus[i]);
    end();
}

#define WALK_PAGES 100
#define WALK_BASE  0x20000000UL

static void *walk_main(void *argument)
{
    struct cpu *cpu = argument;

    for (int i = 0; i < ROUNDS / 4; i++) {
        CHECK(cpu_run(cpu) == VMSPACE_SYSCALL);
        CHECK(cpu->frame.rbx == WALK_PAGES * (WALK_PAGES + 1) / 2);
        vmspace_mcontrol(&space, (void *)WALK_BASE, WALK_PAGES * PAGE_SIZE, MADV_INVAL, 0);
    }
    return NULL;
}

/* All fault on the same pages, and drop one another's translations. */
static void test_faults(void)
{
    begin();
    for (uint64_t i = 0; i < WALK_PAGES; i++) {
        uint64_t page = page_new();

        *(uint64_t *)(memory + page) = i + 1;
        space_map(&space, WALK_BASE + i * PAGE_SIZE, page, PROT_READ);
    }
    for (int i = 0; i < CPUS; i++)
        start(&cpus[i], walk_main, ENTRY(walk), WALK_BASE, WALK_PAGES);
    for (int i = 0; i < CPUS; i++)
        join(&cpus[i]);
    end();
}

#define CANARY 0xdeadUL

static volatile bool hunt_is_over;

/* Read the word at GUEST_DATA without end; whenever its page has gone, wait for the next. */
static void *hunt_main(void *argument)
{
    struct cpu *cpu = argument;

    cpu->frame.rdx = 8;
    cpu->frame.r8 = CANARY;
    while (!hunt_is_over) {
        uint64_t reason = cpu_run(cpu);

        CHECK(reason == VMSPACE_INTERRUPT ||
              (reason == VMSPACE_PAGEFAULT && cpu->vframe.vx_address == GUEST_DATA));
    }
    return NULL;
}

/* When INVAL has returned, no CPU reads the page any more: it never sees what is put there then. */
static void test_invalidation(void)
{
    uint64_t pages[2] = {page_new(), page_new()};

    begin();
    *space_entry(&space, GUEST_DATA) = 0;
    hunt_is_over = false;
    for (int i = 0; i < CPUS - 1; i++)
        start(&cpus[i], hunt_main, ENTRY(hunt), GUEST_DATA, GUEST_DATA + 8);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        uint64_t page = pages[i % 2];

        *(volatile uint64_t *)(memory + page) = 0;
        space_map(&space, GUEST_DATA, page, PROT_READ);
        while (i % 2 == 0 && !(*(volatile pte_t *)space_entry(&space, GUEST_DATA) & PTE_ACCESSED))
            sched_yield(); /* until one of them has mapped it */
        *space_entry(&space, GUEST_DATA) = 0;
        space_invalidate(&space, GUEST_DATA);
        *(volatile uint64_t *)(memory + page) = CANARY;
    }
    hunt_is_over = true;
    for (int i = 0; i < CPUS - 1; i++)
        vmspace_kick(&cpus[i].vframe);
    for (int i = 0; i < CPUS - 1; i++)
        join(&cpus[i]);
    end();
}

/* The host process of one is killed: the vmspace is lost for all, and a new one can be made. */
static void test_death(void)
{
    for (int victim = 0; victim < 2; victim++) {
        begin();
        start(&cpus[0], cpu_main, ENTRY(spin), 0, 0);
        start(&cpus[1], cpu_main, ENTRY(wait_word), GUEST_DATA, 5);
        while (*(volatile int *)&cpus[0].vframe.host_pid == 0 ||
               *(volatile int *)&cpus[1].vframe.host_pid == 0)
            usleep(1000);
        kill(cpus[victim].vframe.host_pid, SIGKILL);
        join(&cpus[0]);
        join(&cpus[1]);
        CHECK(cpus[0].reason == VMSPACE_LOST && cpus[1].reason == VMSPACE_LOST);
        CHECK(cpu_run(&cpus[2]) == VMSPACE_LOST);
        end();
    }
}

int main(void)
{
    alarm(100);
    harness_start((unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    for (int i = 0; i < 5; i++)
        test_at_the_same_time();
    test_counting();
    test_registers();
    test_faults();
    test_invalidation();
    test_death();
    harness_end();
}
