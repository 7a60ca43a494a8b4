/* unit: kern/sched.c kern/spinlock.c kern/test/check.c kern/test/fake_cpu.c kern/test/fake_trace.c */
/*
 * The run queues, without a machine: three pretended CPUs, of which this thread is one at a time
 * (cpu_self() reads GS), pretended time, and a context_switch() that only returns, as if the
 * other thread had gone on from there.
 */
#include "kern/test/check.h"

#include "kern/clock.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/thread.h"
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CPUS 3

static nsec_t now;
static nsec_t sched_deadline[CPUS];
static unsigned kicks[CPUS];
static struct thread threads[16], idle_threads[CPUS];
static struct thread *recycled;

unsigned machine_cpu_count(void)
{
    return CPUS;
}

nsec_t machine_clock(void)
{
    return now;
}

void machine_kick(struct cpu *cpu)
{
    kicks[cpu->id]++;
}

void machine_pmap_activate(struct pmap *pmap)
{
    (void)pmap;
}

void machine_idle(void)
{
}

void clock_set_sched_deadline(nsec_t deadline)
{
    sched_deadline[cpu_self()->id] = deadline;
}

void context_switch(struct context *from, struct context *to)
{
    CHECK(from != to);
}

void thread_recycle(struct thread *thread)
{
    recycled = thread;
}

void panic_check(void)
{
}

bool is_panicking(void)
{
    return false;
}

static void become_cpu(unsigned id)
{
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[id].machine);
}

static void reset(void)
{
    now = 1000;
    recycled = NULL;
    memset(cpus, 0, sizeof(cpus));
    memset(threads, 0, sizeof(threads));
    memset(kicks, 0, sizeof(kicks));
    for (unsigned id = 0; id < CPUS; id++) {
        struct cpu *cpu = &cpus[id];

        cpu->id = id;
        cpu->machine.self = cpu;
        sched_init_cpu(cpu);
        idle_threads[id] = (struct thread){.state = THREAD_RUNNING, .cpu = cpu, .on_cpu = true};
        cpu->idle = cpu->current = &idle_threads[id];
        sched_deadline[id] = NSEC_NEVER;
    }
    for (size_t i = 0; i < array_length(threads); i++) {
        threads[i].state = THREAD_SLEEPING;
        list_node_init(&threads[i].run_link);
    }
    become_cpu(0);
}

/* What a sleeping thread does after it has set its state. */
static void switch_away(void)
{
    interrupts_push();
    sched_switch();
    interrupts_pop();
}

static void test_first_come_first_served(void)
{
    reset();
    for (int i = 0; i < 3; i++)
        sched_make_runnable(&threads[i]);
    CHECK(cpus[0].queue.length == 3);
    CHECK(cpus[0].need_resched);
    switch_away();
    for (int i = 0; i < 7; i++) {
        CHECK(cpus[0].current == &threads[i % 3]);
        CHECK(threads[i % 3].on_cpu);
        sched_give_way();
        CHECK(!threads[i % 3].on_cpu);
    }
    CHECK(cpus[0].queue.length == 2);
}

static void test_alone_goes_on(void)
{
    reset();
    sched_make_runnable(&threads[0]);
    switch_away();
    sched_give_way();
    CHECK(cpus[0].current == &threads[0]);
    CHECK(cpus[0].queue.length == 0);
    CHECK(sched_deadline[0] == NSEC_NEVER);
}

static void test_woken_while_falling_asleep(void)
{
    reset();
    sched_make_runnable(&threads[0]);
    switch_away();
    threads[0].state = THREAD_SLEEPING;
    become_cpu(1);
    sched_make_runnable(&threads[0]);
    CHECK(cpus[0].queue.length == 1); /* its own CPU: its registers are still there */
    CHECK(cpus[1].queue.length == 0);
    become_cpu(0);
    switch_away();
    CHECK(cpus[0].current == &threads[0]);
    CHECK(cpus[0].queue.length == 0);
}

static void test_wakes_only_once(void)
{
    reset();
    sched_make_runnable(&threads[0]);
    sched_make_runnable(&threads[0]);
    sched_interrupt(&threads[0]);
    CHECK(cpus[0].queue.length == 1);
}

static void test_signal_ends_only_interruptible_sleep(void)
{
    reset();
    sched_interrupt(&threads[0]);
    CHECK(cpus[0].queue.length == 0);
    threads[0].state = THREAD_SLEEPING_INTERRUPTIBLE;
    sched_interrupt(&threads[0]);
    CHECK(cpus[0].queue.length == 1);
}

static void test_slice(void)
{
    reset();
    sched_make_runnable(&threads[0]);
    switch_away();
    sched_make_runnable(&threads[1]);
    CHECK(sched_deadline[0] != NSEC_NEVER);
    now = sched_deadline[0] - 1;
    sched_timer();
    CHECK(!cpus[0].need_resched);
    now = sched_deadline[0];
    sched_timer();
    CHECK(cpus[0].need_resched);
    interrupt_return();
    CHECK(cpus[0].current == &threads[1]);
}

static void test_idle_cpu_is_offered_work(void)
{
    reset();
    cpus[2].is_idle = true;
    sched_make_runnable(&threads[0]);
    switch_away();
    sched_make_runnable(&threads[1]);
    nsec_t balance_at = sched_deadline[0];
    sched_timer();
    CHECK(kicks[2] == 0);
    now = balance_at;
    sched_timer();
    CHECK(kicks[2] == 1);
    CHECK(!cpus[2].is_idle);
    CHECK(!cpus[0].need_resched); /* the slice is longer than that */
    CHECK(sched_deadline[0] > balance_at);
}

static void test_dead_threads_are_recycled(void)
{
    reset();
    sched_make_runnable(&threads[0]);
    switch_away();
    threads[0].state = THREAD_DEAD;
    switch_away();
    CHECK(cpus[0].current == cpus[0].idle);
    CHECK(recycled == &threads[0]);
}

static void test_run_time(void)
{
    reset();
    sched_make_runnable(&threads[0]);
    sched_make_runnable(&threads[1]);
    switch_away();
    now += 500;
    sched_give_way();
    now += 70;
    sched_give_way();
    CHECK(threads[0].run_time == 500);
    CHECK(threads[1].run_time == 70);
}

int main(void)
{
    test_first_come_first_served();
    test_alone_goes_on();
    test_woken_while_falling_asleep();
    test_wakes_only_once();
    test_signal_ends_only_interruptible_sleep();
    test_slice();
    test_idle_cpu_is_offered_work();
    test_dead_threads_are_recycled();
    test_run_time();
    return check_report();
}
