/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * Steps: RUN counts those that vx_steps asks it to keep to itself, exactly, whatever the program
 * does meanwhile.
 */
#include "arch/vkernel/vmspace/slot.h"
#include "arch/vkernel/vmspace/test/harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define MANY (1UL << 40)

GUEST(syscalls)
GUEST(load)
GUEST(spin)
GUEST(breakpoint)
GUEST(xmm)
GUEST(write_slot)
GUEST(clear_trap_flag)

static struct space space;
static struct trapframe frame;

/* RUN step by step, `steps` of them unreported; returns the reason, and stores how many of them
 * were made. */
static uint64_t run_steps(uint64_t steps, uint64_t *made)
{
    uint64_t reason;

    frame.rflags |= RFLAGS_TF;
    space.vframe.vx_steps = steps;
    reason = space_run(&space, &frame);
    *made = steps - space.vframe.vx_steps;
    space.vframe.vx_steps = 0;
    frame.rflags &= ~(uint64_t)RFLAGS_TF;
    return reason;
}

static bool is_step(void)
{
    return frame.trap_number == VMSPACE_TRAP && space.vframe.vx_signal == SIGTRAP &&
           space.vframe.vx_code == TRAP_TRACE;
}

static void test_steps_are_counted(void)
{
    uint64_t made;

    frame_start(&frame, ENTRY(spin)); /* two instructions a round */
    run_steps(99, &made);
    CHECK(is_step() && made == 99 && frame.rax == 50 && frame.rip == ENTRY(spin));
    run_steps(0, &made);
    CHECK(is_step() && made == 0 && frame.rax == 51 && frame.rip > ENTRY(spin));
    run_steps(6, &made);
    CHECK(is_step() && made == 6 && frame.rax == 54 && frame.rip == ENTRY(spin));
}

static void test_other_traps_end_it(void)
{
    uint64_t made;

    frame_start(&frame, ENTRY(syscalls)); /* behind seven instructions */
    CHECK(run_steps(1000, &made) == VMSPACE_SYSCALL);
    CHECK(made == 7 && frame_syscall_number(&frame) == 100);
    frame_start(&frame, ENTRY(breakpoint));
    CHECK(run_steps(1000, &made) == VMSPACE_TRAP);
    CHECK(!is_step() && space.vframe.vx_signal == SIGTRAP && made == 0);
}

/* Also for one that RUN resolves by itself; and no step is lost by a fault that it reports. */
static void test_page_faults(void)
{
    uint64_t made;

    frame_start(&frame, ENTRY(load));
    frame.rdi = GUEST_DATA;
    CHECK(run_steps(1000, &made) == VMSPACE_PAGEFAULT && made == 0);
    space_map(&space, GUEST_DATA, page_new(), PROT_READ);
    space_map(&space, GUEST_DATA + (1UL << 30), page_new(), PROT_READ);
    CHECK(run_steps(1000, &made) == VMSPACE_SYSCALL && made == 1);
    frame.rdi = GUEST_DATA + (1UL << 30);
    CHECK(run_steps(1000, &made) == VMSPACE_SYSCALL && made == 2);
}

static void test_vector_registers_stay(void)
{
    uint64_t made;

    frame_start(&frame, ENTRY(xmm));
    frame.rdi = 0x1234;
    CHECK(run_steps(1000, &made) == VMSPACE_SYSCALL && made == 1);
    CHECK(run_steps(1000, &made) == VMSPACE_SYSCALL && frame.rax == 0x1234);
}

static void test_a_program_cannot_lose_the_trap_flag(void)
{
    uint64_t made;

    frame_start(&frame, ENTRY(clear_trap_flag)); /* five instructions a round */
    run_steps(999, &made);
    CHECK(is_step() && made == 999 && frame.rax == 200 && frame.rip == ENTRY(clear_trap_flag));
}

static void *kick_later(void *unused)
{
    while (space.vframe.host_pid == 0)
        usleep(1000);
    usleep(1000);
    vmspace_kick(&space.vframe);
    return unused;
}

static void test_kicks_and_time(void)
{
    uint64_t made;
    pthread_t thread;

    frame_start(&frame, ENTRY(spin));
    CHECK(pthread_create(&thread, NULL, kick_later, NULL) == 0);
    CHECK(run_steps(MANY, &made) == VMSPACE_INTERRUPT && frame.rax == (made + 1) / 2);
    pthread_join(thread, NULL);
    space.vframe.vx_timeout = 1000000;
    CHECK(run_steps(MANY, &made) == VMSPACE_TIMEOUT && made < MANY);
    space.vframe.vx_timeout = 0;
}

/* A program that forges the count runs longer, and no longer than a kick allows. */
static void test_forged_count(void)
{
    uint64_t made, count = SLOTS + SLOT_FRAME + FRAME_STEPS;
    pthread_t thread;

    frame_start(&frame, ENTRY(write_slot));
    frame.rdi = count;
    frame.rsi = count + 8;
    frame.rax = MANY;
    CHECK(pthread_create(&thread, NULL, kick_later, NULL) == 0);
    CHECK(run_steps(50, &made) == VMSPACE_INTERRUPT && made <= 50);
    pthread_join(thread, NULL);
}

int main(void)
{
    harness_start((unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    space_create(&space);
    test_steps_are_counted();
    test_other_traps_end_it();
    test_page_faults();
    test_vector_registers_stay();
    test_a_program_cannot_lose_the_trap_flag();
    test_kicks_and_time();
    test_forged_count();
    space_destroy(&space);
    harness_end();
}
