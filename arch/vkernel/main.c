/*
 * The vkernel: the kernel as an ordinary process of the host.
 *
 *      memory      a memfd, mapped at DIRECT_MAP_BASE                    memory.c
 *      CPUs        host threads; kernel threads switch stacks on them    cpu.c
 *      interrupts  signals to those threads                              interrupt.c
 *      timer       a host timer each                                     clock.c
 *      user mode   vmspaces: host processes                              trap.c, vmspace/
 *      disks       files, each with a worker thread                      disk.c
 *      console     standard input and output, a reader thread            console.c
 *
 * The main thread becomes the service thread: it waits for children that die (stubs) and for
 * the signals by which the host's users ask us to end. It outlives everything, which matters:
 * the stubs are its children, and the host kills them when it goes.
 */
#include "arch/vkernel/seeded.h"
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/linux.h"
#include "arch/vkernel/vmspace/vmspace.h"
#include "kern/cpu.h"
#include "kern/fail.h"
#include "kern/machine.h"
#include "kern/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What to do about an error of the host, as far as we know: mostly it is a limit. */
static const char *advice(int error)
{
    switch (error) {
    case EAGAIN:
        return "; too many processes and threads (`ulimit -u`, a container's limit), or too little "
               "memory (`ulimit -v`)";
    case EMFILE:
        return "; a larger `ulimit -n` is needed";
    case ENOMEM:
        return "; a larger `ulimit -v`, or a smaller -m, is needed";
    case EFBIG:
        return "; a larger `ulimit -f`, or a smaller -m, is needed";
    default:
        return "";
    }
}

void die(int status, int error, const char *format, ...)
{
    va_list arguments;

    console_restore();
    fputs("duet: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (error != 0)
        fprintf(stderr, ": %s%s", strerror(error), advice(error));
    fputc('\n', stderr);
    vmspace_stop();
    _exit(status);
}

void machine_power_off(int status)
{
    interrupts_disable();
    console_restore();
    vmspace_stop();
    for (;;)
        host_call(SYS_exit_group, status);
}

const char *machine_command_line(void)
{
    return options.words;
}

void machine_start_devices(void)
{
    disk_start_all();
    console_start_input();
}

void machine_random(void *buffer, size_t length)
{
    for (size_t done = 0; done < length;) {
        long n = host_call(SYS_getrandom, (char *)buffer + done, length - done, 0);

        if (n > 0)
            done += (size_t)n;
    }
}

/* --- Service ------------------------------------------------------------------------------- */

static void reap_children(void)
{
    siginfo_t info;

    for (;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
            return;
        vmspace_child_died(info.si_pid);
    }
}

/* The host's users want us to end: cleanly the first time. */
static void serve_signals(const sigset_t *signals) noreturn_fn;
static void serve_signals(const sigset_t *signals)
{
    bool is_asked = false;

    for (;;) {
        int signal = sigwaitinfo(signals, NULL);

        if (signal == SIGCHLD) {
            reap_children();
        } else if (signal == SIGQUIT || signal == SIGABRT || (signal > 0 && is_asked)) {
            console_restore();
            trace_end(NULL);
            vmspace_stop();
            _exit(128 + signal);
        } else if (signal > 0) {
            is_asked = true;
            interrupt_raise(&cpus[0], INTERRUPT_SHUTDOWN);
        }
    }
}

/* --- Start --------------------------------------------------------------------------------- */

/* Descriptors 0, 1 and 2 are open, whatever we were started with. */
static void open_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}

static bool is_stub_refused(void)
{
    return fail_now(FAIL_STUB);
}

/* By --vmspace. */
static enum vmspace_means wanted_means(void)
{
    if (options.vmspace == NULL)
        return VMSPACE_MEANS_BEST;
    return strcmp(options.vmspace, "ptrace") == 0 ? VMSPACE_MEANS_PTRACE : VMSPACE_MEANS_SECCOMP;
}

static void refuse_means(enum vmspace_means means) noreturn_fn;
static void refuse_means(enum vmspace_means means)
{
    if (means == VMSPACE_MEANS_SECCOMP)
        die(1, 0, "this host refuses seccomp filters: try --vmspace=ptrace");
    if (means == VMSPACE_MEANS_PTRACE)
        die(1, 0,
            "this host refuses ptrace (a container's profile, or sysctl kernel.yama.ptrace_scope "
            "above 1): try --vmspace=seccomp");
    die(1, 0,
        "this host refuses seccomp filters and ptrace, one of which user programs need; a "
        "container has to allow seccomp(2), or ptrace(2) with sysctl kernel.yama.ptrace_scope "
        "below 2");
}

static void start_vmspaces(void)
{
    struct vmspace_config config = {
        .memory_fd = memory_fd,
        .memory = (void *)DIRECT_MAP_BASE,
        .memory_size = options.memory,
        .means = wanted_means(),
        .processors = cpu_host_processors(),
        .is_bound = cpu_is_bound(),
        .is_refused = is_stub_refused,
    };
    static char names[2];
    int error;

    tlb_check_configure(&config);
    error = vmspace_start(&config);
    if (error == -ENOSYS)
        refuse_means(config.means);
    if (error != 0)
        die(1, -error, "cannot start the first host process for user programs");
    if (config.means == VMSPACE_MEANS_BEST && vmspace_means() == VMSPACE_MEANS_PTRACE)
        fputs("duet: this host refuses seccomp filters: user programs run by ptrace, slower\n",
              stderr);
    /* Init needs two address spaces, since exec makes one beside the old. */
    for (size_t i = 0; i < array_length(names) && error == 0; i++)
        error = vmspace_create(&names[i], 0, NULL);
    if (error != 0)
        die(1, -error, "cannot start a host process for the first user program");
    for (size_t i = 0; i < array_length(names); i++)
        vmspace_destroy(&names[i]);
}

int main(int argc, char **argv)
{
    sigset_t signals;

    open_standard_descriptors();
    options_parse(argc, argv);
    seeded_init();
    cpu_count_host();
    clock_init();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* past `ulimit -f`: an error of the call is enough */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGQUIT);
    sigaddset(&signals, SIGABRT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGALRM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    disk_open_all();
    memory_init();
    start_vmspaces();
    console_init();
    interrupt_init();
    fault_init();
    sanitizer_init();
    (void)fault_stack_install();
    memory_check_room();
    cpu_start_boot();
    sigdelset(&signals, SIGUSR1);
    sigdelset(&signals, SIGALRM);
    serve_signals(&signals);
}
