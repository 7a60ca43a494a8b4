/*
 * What the processor refuses becomes the right signal with the right code and address, the
 * program goes on behind it, single-stepping counts instructions, and the floating-point
 * registers survive system calls, signals and other processes that use them.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define NOWHERE       0x1234UL
#define NON_CANONICAL 0x8000000000000000UL
#define KERNEL        0xffffffff80100000UL
#define TRAP_FLAG     0x100

static jmp_buf before;
static volatile int caught, code;
static void *volatile address;
static volatile int steps;

static void on_exception(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    caught = signal_number;
    code = info->si_code;
    address = info->si_addr;
    longjmp(before, 1);
}

static void on_step(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;

    (void)signal_number;
    (void)info;
    if (++steps == 5)
        interrupted->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void handle(int signal_number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(signal_number, &action, NULL);
}

#define EXPECT_EXCEPTION(what, ...)                                                                \
    do {                                                                                           \
        caught = code = 0;                                                                         \
        address = NULL;                                                                            \
        if (setjmp(before) == 0) {                                                                 \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
        printf("%-22s signal %d, code %d", what, caught, code);                                    \
        if (caught == SIGSEGV)                                                                     \
            printf(", address %p", address);                                                       \
        printf("\n");                                                                              \
    } while (0)

static void jump(unsigned long to)
{
    ((void (*)(void))to)();
}

static void test_exceptions(void)
{
    static volatile int zero;
    static const unsigned short all_but_zero_divide_masked = 0x037f & ~4;

    EXPECT_EXCEPTION("division by zero",
                     __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; divl %0" ::"m"(zero)
                                      : "eax", "edx"));
    EXPECT_EXCEPTION("undefined instruction", __asm__ volatile("ud2"));
    EXPECT_EXCEPTION("breakpoint", __asm__ volatile("int3"));
    EXPECT_EXCEPTION("hlt", __asm__ volatile("hlt"));
    EXPECT_EXCEPTION("cli", __asm__ volatile("cli"));
    EXPECT_EXCEPTION("a port", __asm__ volatile("inb $0x80, %%al" ::: "eax"));
    EXPECT_EXCEPTION("a kernel register", __asm__ volatile("mov %%cr3, %%rax" ::: "rax"));
    EXPECT_EXCEPTION("unaligned SSE", __asm__ volatile("movaps 1(%%rsp), %%xmm0" ::: "xmm0"));
    EXPECT_EXCEPTION(
        "x87 division by zero",
        __asm__ volatile("fldcw %0; fld1; fldz; fdivrp; fwait" ::"m"(all_but_zero_divide_masked)));
    __asm__ volatile("fninit");
    EXPECT_EXCEPTION("read nowhere", (void)*(volatile int *)NOWHERE);
    EXPECT_EXCEPTION("write nowhere", *(volatile int *)NOWHERE = 1);
    EXPECT_EXCEPTION("jump nowhere", jump(NOWHERE));
    EXPECT_EXCEPTION("read the kernel", (void)*(volatile int *)KERNEL);
    EXPECT_EXCEPTION("jump to the kernel", jump(KERNEL));
    EXPECT_EXCEPTION("read non-canonical", (void)*(volatile int *)NON_CANONICAL);
    EXPECT_EXCEPTION("jump non-canonical", jump(NON_CANONICAL));
}

static void test_steps(void)
{
    handle(SIGTRAP, on_step);
    steps = 0;
    __asm__ volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop; nop; nop; nop; nop; nop; nop" ::
                         : "memory", "cc");
    printf("%d steps\n", steps);
    steps = 0;
    __asm__ volatile(
        "pushf; orl $0x100, (%%rsp); popf; mov $39, %%eax; syscall; nop; nop; nop; nop;"
        "nop; nop" ::
            : "rax", "rcx", "r11", "memory", "cc");
    printf("%d steps over a system call\n", steps);
}

/* Add in a register, with system calls in between; others do the same meanwhile. */
static int sum_is_right(double step)
{
    const int count = 300000;
    register double sum = 0;

    for (int i = 0; i < count; i++) {
        sum += step;
        if (i % 5000 == 0)
            (void)getppid();
    }
    return sum == step * count;
}

static void test_floating_point(void)
{
    int wrong = 0, status;

    for (int i = 0; i < 4; i++) {
        if (fork() == 0)
            _exit(sum_is_right(i + 0.25) ? 0 : 1);
    }
    while (wait(&status) > 0)
        wrong += status != 0;
    printf("%d processes lost floating-point state\n", wrong);
}

int main(void)
{
    static const int signals[] = {SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        handle(signals[i], on_exception);
    test_exceptions();
    test_steps();
    test_floating_point();
    return 0;
}
