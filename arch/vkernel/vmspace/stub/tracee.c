/* A process under ptrace(2): see tracee.h. */
#include "arch/vkernel/vmspace/stub/tracee.h"
#include "arch/vkernel/vmspace/linux.h"
#include "arch/vkernel/vmspace/stub/tracer.h"

#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/wait.h>

#define ERESTARTNOINTR 513
#define EPERM          1
#define EINTR          4

#define PAGE_SIZE   4096
#define BIT(signal) (1UL << ((signal)&63))
#define SIGNALS_FOR_US                                                                             \
    (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS) |         \
     BIT(SIGUSR1))
#define SIGNALS_THAT_SUSPEND (BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU))

#define PATIENCE 100000 /* tries, until the host lets us trace it */

struct tracee tracee;

void tracee_end(void)
{
    for (;;) {
        if (tracee.pid > 0)
            host_call(SYS_kill, tracee.pid, SIGKILL);
        host_call(SYS_exit_group, 1);
    }
}

static long trace(long request, uint64_t address, const void *data)
{
    return host_call(SYS_ptrace, request, tracee.pid, address, data);
}

void tracee_request(long request, uint64_t address, const void *data)
{
    if (trace(request, address, data) < 0)
        tracee_end();
}

/* Wait until the stub stops; returns wait(2)'s status. */
static int wait_for_stop(void)
{
    long result;
    int status;

    do {
        result = host_call(SYS_wait4, tracee.pid, &status, __WALL, 0);
    } while (result == -EINTR);
    if (result != tracee.pid || (status & 0xff) != 0x7f)
        tracee_end();
    return status;
}

/* Signals from others that mean its end it gets; it cannot be suspended. */
int tracee_go_on(long request, long signal)
{
    for (;;) {
        int status;

        tracee_request(request, 0, (void *)signal);
        status = wait_for_stop();
        signal = status >> 8 & 0xff;
        if (status >> 16 != 0 /* PTRACE_EVENT_STOP */ || (BIT(signal) & SIGNALS_THAT_SUSPEND))
            signal = 0;
        else if (signal == STOPPED_FOR_SYSCALL || (BIT(signal) & SIGNALS_FOR_US))
            return (int)signal;
    }
}

/*
 * It is set to the instruction stub_traced_call and stepped over it. Where it stopped before a
 * system call, the first step only ends that one, which is not made.
 */
long tracee_call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                 uint64_t f)
{
    struct registers call = {
        .rip = (uint64_t)stub_traced_call,
        .rax = (uint64_t)number,
        .rdi = a,
        .rsi = b,
        .rdx = c,
        .r10 = d,
        .r8 = e,
        .r9 = f,
        .cs = USER_CS,
        .ss = USER_SS,
        .rflags = 0x202,
        .fs_base = tracee.registers.fs_base,
        .gs_base = tracee.registers.gs_base,
        .orig_rax = ~0UL,
    };
    struct registers now;

    do {
        tracee_request(PTRACE_SETREGS, 0, &call);
        do {
            if (tracee_go_on(PTRACE_SINGLESTEP, 0) == SIGUSR1)
                tracee.is_kicked = true;
            tracee_request(PTRACE_GETREGS, 0, &now);
        } while (now.rip == call.rip);
    } while ((long)now.rax == -ERESTARTNOINTR);
    return (long)now.rax;
}

long tracee_adopt(long pid)
{
    uint64_t resident = STUB_RESIDENT, options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    struct registers *registers = &tracee.registers;
    long result;

    tracee = (struct tracee){.pid = pid};
    for (unsigned tries = 0;; tries++) {
        result = trace(PTRACE_SEIZE, 0, (void *)options);
        if (result != -EPERM || tries == PATIENCE)
            break;
        host_call(SYS_sched_yield); /* it has not allowed it yet (prctl(2), PR_SET_PTRACER) */
    }
    if (result == 0)
        result = trace(PTRACE_INTERRUPT, 0, NULL);
    if (result != 0)
        return result;
    wait_for_stop();
    tracee_request(PTRACE_GETREGS, 0, registers);
    while (registers->rip < resident || registers->rip >= resident + PAGE_SIZE) {
        tracee_request(PTRACE_SYSCALL, 0, NULL);
        wait_for_stop();
        tracee_request(PTRACE_GETREGS, 0, registers);
    }
    return 0;
}

long tracee_probe(void)
{
    struct ptrace_syscall_info info;
    long result, pid;

    tracee.pid = -1; /* nobody: it is the host's opinion of the call that counts */
    if (trace(PTRACE_SEIZE, 0, NULL) == -EPERM)
        return -EPERM;
    pid = host_call(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        stub_parked();
    if (pid < 0)
        return pid;
    result = tracee_adopt(pid);
    if (result == 0 && tracee_call(SYS_getpid, 0, 0, 0, 0, 0, 0) != pid)
        result = -EPERM;
    if (result == 0)
        result = trace(PTRACE_SYSEMU, 0, NULL);
    if (result == 0 && wait_for_stop() >> 8 != STOPPED_FOR_SYSCALL)
        result = -EPERM;
    if (result == 0)
        result = trace(PTRACE_GET_SYSCALL_INFO, sizeof(info), &info);
    host_call(SYS_kill, pid, SIGKILL);
    host_call(SYS_wait4, pid, 0, __WALL, 0);
    return result > 0 ? 0 : result;
}
