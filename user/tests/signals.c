/*
 * Signal handlers, masks, and system calls that signals interrupt.
 */
#include "check.h"

#include <setjmp.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last, depth, deepest;
static volatile long note;

static void handler(int signal)
{
    count++;
    last = signal;
}

static void set(int signal, void (*function)(int), unsigned long flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = function;
    action.sa_flags = flags;
    must("sigaction", sigaction(signal, &action, NULL));
}

static sigset_t set_of(int signal)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, signal);
    return mask;
}

static void handlers(void)
{
    struct sigaction old;
    set(SIGUSR1, handler, 0);
    show("raise", raise(SIGUSR1));
    say("handled %d times, signal %d", count, last);
    sigaction(SIGUSR1, NULL, &old);
    say("the old action is the handler: %d, flags %lx", old.sa_handler == handler,
        old.sa_flags & ~(unsigned long)SA_RESTORER);
    set(SIGUSR1, handler, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    say("after SA_RESETHAND: %d", old.sa_handler == SIG_DFL);
    signal(SIGUSR1, SIG_IGN);
    count = 0;
    raise(SIGUSR1);
    say("ignored: %d", count);
    show("sigaction of signal 0", sigaction(0, &old, NULL));
    show("sigaction of signal 65", sigaction(65, &old, NULL));
    show("wrong size of the set", syscall(SYS_rt_sigaction, SIGUSR1, 0, 0, 4));
    show("wrong size of the mask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, 0, 16));
}

static void masks(void)
{
    sigset_t mask = set_of(SIGUSR1), old, pending;
    set(SIGUSR1, handler, 0);
    set(SIGUSR2, handler, 0);
    count = 0;
    sigprocmask(SIG_BLOCK, &mask, &old);
    say("blocked before: %d", sigismember(&old, SIGUSR1));
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR2);
    say("handled while one is blocked: %d, last is the other: %d", count, last == SIGUSR2);
    sigpending(&pending);
    say("pending: %d %d", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2));
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    say("two were one: %d", count);
    sigpending(&pending);
    say("pending: %d", sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_BLOCK, &mask, NULL);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_IGN);
    sigpending(&pending);
    say("to ignore it is to forget it: %d", sigismember(&pending, SIGUSR1));
    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    sigprocmask(SIG_SETMASK, NULL, &old);
    say("KILL and STOP cannot be blocked: %d %d", sigismember(&old, SIGKILL),
        sigismember(&old, SIGSTOP));
    show("a wrong how", sigprocmask(7, &mask, NULL));
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* A handler runs with its own signal and sa_mask blocked. */
static void nested(int signal)
{
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (count++ < 3)
        raise(signal);
    depth--;
}

static void nesting(void)
{
    count = depth = deepest = 0;
    set(SIGUSR1, nested, 0);
    raise(SIGUSR1);
    say("handled %d times, %d deep", count, deepest);
    count = depth = deepest = 0;
    set(SIGUSR1, nested, SA_NODEFER);
    raise(SIGUSR1);
    say("with SA_NODEFER: %d times, %d deep", count, deepest);
}

static void detailed(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    note = info->si_pid == getpid() && info->si_signo == signal;
    last = info->si_code;
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    count = sigismember(&mask, SIGUSR1) * 100 + sigismember(&mask, SIGUSR2) * 10 +
            sigismember(&interrupted->uc_sigmask, SIGUSR1);
}

/* The handler changes a register of what it interrupted. */
static void change_register(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    (void)signal;
    (void)info;
    interrupted->uc_mcontext.gregs[REG_R12] = 0x1234;
    interrupted->uc_mcontext.gregs[REG_RIP] += 2; /* behind ud2 */
}

static void information(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = detailed;
    action.sa_flags = SA_SIGINFO;
    action.sa_mask = set_of(SIGUSR2);
    sigaction(SIGUSR1, &action, NULL);
    kill(getpid(), SIGUSR1);
    say("from this process: %ld, code %d", note, last);
    say("blocked in the handler, both: %d", count);
    action.sa_sigaction = change_register;
    sigaction(SIGILL, &action, NULL);
    unsigned long value = 1;
    __asm__ volatile("mov $1, %%r12\n ud2\n mov %%r12, %0" : "=r"(value) : : "r12");
    say("a handler can change registers: %lx", value);
}

/* All registers survive a handler. */
static void registers(void)
{
    unsigned long sum = 0;
    set(SIGUSR1, handler, 0);
    __asm__ volatile("mov $62, %%eax\n mov %1, %%edi\n mov $10, %%esi\n"
                     "mov $1, %%ebx\n mov $2, %%edx\n mov $4, %%r8d\n mov $8, %%r9d\n"
                     "mov $16, %%r10d\n mov $32, %%r12d\n mov $64, %%r13d\n mov $128, %%r14d\n"
                     "mov $256, %%r15d\n syscall\n"
                     "add %%rbx, %%rdx\n add %%r8, %%rdx\n add %%r9, %%rdx\n add %%r10, %%rdx\n"
                     "add %%r12, %%rdx\n add %%r13, %%rdx\n add %%r14, %%rdx\n add %%r15, %%rdx\n"
                     "add %%rax, %%rdx\n mov %%rdx, %0\n"
                     : "=r"(sum)
                     : "r"(getpid())
                     : "rax", "rbx", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "r12",
                       "r13", "r14", "r15", "memory");
    say("sum of the registers after a handler: %lu", sum);
}

/* A child that signals its parent again and again until the parent closes the pipe. */
static pid_t start_nagger(int signal, int ends[2])
{
    must("pipe", pipe2(ends, O_NONBLOCK));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        char c;
        close(ends[1]);
        while (read(ends[0], &c, 1) != 0) {
            kill(getppid(), signal);
            usleep(2000);
        }
        _exit(0);
    }
    close(ends[0]);
    return pid;
}

static void interruptions(void)
{
    int empty[2], ends[2];
    char c = 0;
    must("pipe", pipe(empty));
    set(SIGUSR1, handler, 0);
    pid_t nagger = start_nagger(SIGUSR1, ends);
    show("read", read(empty[0], &c, 1));
    struct timespec hour = {3600, 0}, left = {0, 0};
    show("nanosleep", nanosleep(&hour, &left));
    say("most of the hour is left: %d", left.tv_sec >= 3500);
    show("pause", pause());
    sigset_t none;
    sigemptyset(&none);
    show("sigsuspend", sigsuspend(&none));
    show("waitpid", waitpid(nagger, NULL, 0));
    close(ends[1]);
    wait_for(nagger);
    set(SIGUSR1, SIG_IGN, 0);

    /* With SA_RESTART, the read goes on after the handler and gets the byte. */
    count = 0;
    set(SIGUSR1, handler, SA_RESTART);
    nagger = start_nagger(SIGUSR1, ends);
    pid_t writer = (pid_t)must("fork", fork());
    if (writer == 0) {
        usleep(30000);
        _exit(write(empty[1], "x", 1) != 1);
    }
    show("read with SA_RESTART", read(empty[0], &c, 1));
    say("it is %c", c);
    show_status("waitpid with SA_RESTART, the writer", wait_for(writer));
    while (count == 0)
        usleep(1000);
    close(ends[1]);
    wait_for(nagger);
    set(SIGUSR1, SIG_IGN, 0);
}

/* Blocked signals are let in by sigsuspend only, and blocked again when it returns. */
static void suspending(void)
{
    sigset_t mask = set_of(SIGUSR1), none, now;
    count = 0;
    set(SIGUSR1, handler, 0);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    raise(SIGUSR1);
    say("before: %d", count);
    sigemptyset(&none);
    show("sigsuspend", sigsuspend(&none));
    say("after: %d", count);
    sigprocmask(SIG_BLOCK, NULL, &now);
    say("blocked again: %d", sigismember(&now, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

static void children(void)
{
    count = 0;
    set(SIGCHLD, handler, 0);
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0)
        _exit(0);
    wait_for(pid);
    say("SIGCHLD: %d", count);
    count = 0;
    pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        raise(SIGUSR1); /* its handler was inherited */
        _exit(count + 5);
    }
    show_status("a child inherits handlers", wait_for(pid));
    signal(SIGCHLD, SIG_DFL);
}

static int bad_frame(void)
{
    __asm__ volatile("mov $8, %rsp\n mov $15, %eax\n syscall\n");
    return 0;
}

static int bad_stack(void)
{
    set(SIGUSR1, handler, 0);
    pid_t self = getpid();
    __asm__ volatile(
        "mov %0, %%edi\n mov $10, %%esi\n mov $62, %%eax\n mov $4096, %%rsp\n syscall\n"
        :
        : "r"(self)
        : "rax", "rdi", "rsi", "rcx", "r11", "memory");
    return 0;
}

static jmp_buf back;

static void jump(int signal)
{
    (void)signal;
    longjmp(back, 1);
}

static void jumping(void)
{
    volatile int times = 0;
    set(SIGUSR1, jump, SA_NODEFER);
    if (setjmp(back) != 0)
        times++;
    if (times < 3)
        raise(SIGUSR1);
    say("jumped out of a handler %d times", times);
}

int main(void)
{
    handlers();
    masks();
    nesting();
    information();
    registers();
    interruptions();
    suspending();
    children();
    jumping();
    show_child("rt_sigreturn without a frame", bad_frame);
    show_child("a handler without a stack", bad_stack);
    return 0;
}
