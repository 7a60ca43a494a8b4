/*
 * Floating point and SSE state belongs to the process: other processes, signal handlers, system
 * calls and fork leave it as it was.
 */
#include "check.h"

#include <stdint.h>

struct state {
    uint64_t xmm[16][2];
};

static void load(const struct state *state)
{
    __asm__ volatile("movups 0(%0), %%xmm0\n movups 16(%0), %%xmm1\n movups 32(%0), %%xmm2\n"
                     "movups 48(%0), %%xmm3\n movups 64(%0), %%xmm4\n movups 80(%0), %%xmm5\n"
                     "movups 96(%0), %%xmm6\n movups 112(%0), %%xmm7\n movups 128(%0), %%xmm8\n"
                     "movups 144(%0), %%xmm9\n movups 160(%0), %%xmm10\n"
                     "movups 176(%0), %%xmm11\n movups 192(%0), %%xmm12\n"
                     "movups 208(%0), %%xmm13\n movups 224(%0), %%xmm14\n"
                     "movups 240(%0), %%xmm15\n"
                     :
                     : "r"(state)
                     : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/*
 * Load a pattern, spin or make a system call `rounds` times, and compare; in one block of
 * assembly, so that the compiler does not use the registers in between.
 */
static int keeps_registers(uint64_t seed, long rounds, long call)
{
    struct state before, after;
    for (int i = 0; i < 16; i++) {
        before.xmm[i][0] = seed * (uint64_t)(2 * i + 1);
        before.xmm[i][1] = ~seed + (uint64_t)i;
    }
    load(&before);
    __asm__ volatile("1: mov %2, %%rax\n test %%rax, %%rax\n js 2f\n syscall\n"
                     "2: dec %1\n jnz 1b\n"
                     "movups %%xmm0, 0(%0)\n movups %%xmm1, 16(%0)\n movups %%xmm2, 32(%0)\n"
                     "movups %%xmm3, 48(%0)\n movups %%xmm4, 64(%0)\n movups %%xmm5, 80(%0)\n"
                     "movups %%xmm6, 96(%0)\n movups %%xmm7, 112(%0)\n movups %%xmm8, 128(%0)\n"
                     "movups %%xmm9, 144(%0)\n movups %%xmm10, 160(%0)\n"
                     "movups %%xmm11, 176(%0)\n movups %%xmm12, 192(%0)\n"
                     "movups %%xmm13, 208(%0)\n movups %%xmm14, 224(%0)\n"
                     "movups %%xmm15, 240(%0)\n"
                     : "+r"((void *){&after}), "+r"(rounds)
                     : "r"(call)
                     : "rax", "rcx", "r11", "memory");
    return memcmp(&before, &after, sizeof(before)) == 0;
}

#define SPIN  (-1L)
#define YIELD 24L

/* Several processes, each with registers of its own, on all CPUs. */
static void processes(const char *what, long rounds, long call)
{
    pid_t pids[8];
    int good = 0;
    for (int i = 0; i < 8; i++) {
        pids[i] = (pid_t)must("fork", fork());
        if (pids[i] == 0) {
            int kept = 1;
            for (int round = 0; round < 20; round++)
                kept &= keeps_registers(0x0123456789abcdefUL * (unsigned)(i + 1), rounds, call);
            _exit(kept);
        }
    }
    for (int i = 0; i < 8; i++)
        good += WEXITSTATUS(wait_for(pids[i])) == 1;
    say("%s: %d of 8 kept their registers", what, good);
}

static double value(double x)
{
    double sum = 0;
    for (int i = 1; i < 100; i++)
        sum += 1 / (x + i);
    return sum;
}

static volatile double in_handler;

static void handler(int signal)
{
    struct state zero;
    memset(&zero, 0x55, sizeof(zero));
    load(&zero);
    __asm__ volatile("fninit\n fldpi\n fstp %st(0)\n");
    in_handler = value(signal);
}

/* A signal in the middle of a calculation. */
static void signals(void)
{
    double before = value(3), after = 0;
    signal(SIGUSR1, handler);
    unsigned short control = 0x27f, now; /* double precision */
    __asm__ volatile("fldcw %0" : : "m"(control));
    for (int i = 0; i < 100; i++) {
        double part = value(3) / 100;
        kill(getpid(), SIGUSR1);
        after += part;
    }
    __asm__ volatile("fnstcw %0" : "=m"(now));
    say("sums agree: %d", after > before - 1e-9 && after < before + 1e-9);
    say("in the handler: %d", in_handler > 2.0 && in_handler < 3.0);
    say("x87 control word: %x", now);
}

static void inherited(void)
{
    unsigned mxcsr = 0x7f80, now; /* round towards zero */
    unsigned short control = 0x77f, word;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(control));
    pid_t pid = (pid_t)must("fork", fork());
    __asm__ volatile("stmxcsr %0" : "=m"(now));
    __asm__ volatile("fnstcw %0" : "=m"(word));
    if (pid > 0)
        wait_for(pid);
    say("%s: mxcsr %x, control %x", pid == 0 ? "child" : "parent", now & ~0x3fu, word);
    if (pid == 0)
        _exit(0);
}

int main(void)
{
    say("across system calls: %d", keeps_registers(0x1111111111111111, 1000, 39));
    processes("yielding", 200, YIELD);
    processes("spinning", 1000000, SPIN);
    signals();
    inherited();
    return 0;
}
