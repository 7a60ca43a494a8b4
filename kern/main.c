/*
 * Start and end.
 *
 * kernel_main() runs on the boot CPU with interrupts disabled: memory first, since everything
 * allocates; then this CPU becomes its idle thread, and a kernel thread goes on with
 * what may sleep: the devices, the other CPUs, the root file system, and process 1.
 */
#include "kern/main.h"

#include "kern/abi/signal.h"
#include "kern/clock.h"
#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/fail.h"
#include "kern/fs/vnode.h"
#include "kern/futex.h"
#include "kern/leak.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/schedule_point.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "kern/trace.h"
#include "kern/tty.h"
#include "vm/heap.h"
#include "vm/page.h"

static void idle_start(void *cpu)
{
    cpu_main(cpu);
}

/* The thread that runs on `cpu` when nothing else does; it is never on a run queue. */
static void make_idle_thread(struct cpu *cpu)
{
    cpu->idle = thread_create("idle", NULL, idle_start, cpu);
    if (cpu->idle == NULL)
        panic("no memory for the idle thread of cpu %u", cpu->id);
    cpu->idle->state = THREAD_RUNNING;
    cpu->idle->cpu = cpu;
    cpu->idle->on_cpu = true;
}

static void init_cpu(unsigned id)
{
    cpus[id].id = id;
    sched_init_cpu(&cpus[id]);
    clock_init_cpu(&cpus[id]);
}

static void start_other_cpus(void)
{
    for (unsigned id = 1; id < machine_cpu_count(); id++) {
        make_idle_thread(&cpus[id]);
        if (machine_start_cpu(&cpus[id]) != 0)
            kprintf("cpu %u did not start\n", id);
    }
}

/* Run init, or the word init=; with the command after `--` as its -c argument. */
static void start_init(void)
{
    static char path[128] = "/bin/init";
    const char *command = cmdline_command();
    char *argv[] = {path, NULL, NULL, NULL};

    if (cmdline_get("init", path, sizeof(path)) && path[0] == '\0')
        string_copy(path, "/bin/init", sizeof(path));
    if (command != NULL) {
        argv[1] = "-c";
        argv[2] = (char *)(uintptr_t)command;
    }
    process_start_init(path, argv);
}

static void run_self_test_panic(void)
{
    char value[8];

    if (cmdline_get("panic", value, sizeof(value)))
        panic("asked for by the command line");
}

static void start_thread(void *argument)
{
    char root[32] = "disk0", ignored[8];
    int error;

    (void)argument;
    start_other_cpus();
    tty_init();
    machine_start_devices();
    kprintf("%s: %u CPU%s, %zu MiB of memory\n", DUET_VERSION, machine_cpu_count(),
            machine_cpu_count() == 1 ? "" : "s", page_total_count() * PAGE_SIZE / (1024 * 1024));
    run_self_test_panic();
    cmdline_get("root", root, sizeof(root));
    error = fs_mount_root(root, cmdline_get("ro", ignored, sizeof(ignored)));
    if (error != 0)
        panic("cannot mount the root file system from '%s': error %d", root, -error);
    start_init();
}

void kernel_main(void)
{
    struct context boot; /* never continued */

    for (unsigned id = 0; id < machine_cpu_count(); id++)
        init_cpu(id);
    fail_init();
    page_init();
    heap_init();
    trace_init();
    futex_init();
    schedule_init();
    make_idle_thread(&cpus[0]);
    thread_start_kernel("start", start_thread, NULL);
    context_init(&cpus[0].idle->context, cpus[0].idle->stack, idle_start, &cpus[0]);
    context_switch(&boot, &cpus[0].idle->context);
    panic("the boot context was continued");
}

void cpu_main(struct cpu *cpu)
{
    cpu->current = cpu->idle;
    sched_idle();
}

void shutdown_request(void)
{
    struct process *init;

    spin_lock(&process_tree_lock);
    init = process_find(1);
    if (init != NULL)
        signal_send(init, SIGTERM);
    spin_unlock(&process_tree_lock);
}

void kernel_power_off(int status)
{
    char line[32];

    fail_end();
    leak_prepare();
    fs_shutdown();
    leak_report();
    schedule_report();
    format(line, sizeof(line), "exit %d\n", status);
    machine_results_write(line, strlen(line));
    interrupts_disable();
    trace_end(cpu_self());
    machine_power_off(status);
}
