/*
 * The stack grows when it is used, up to its limit, and below that the program is killed.
 */
#include "check.h"

#include <sys/mman.h>

static int __attribute__((noinline)) recurse(int depth)
{
    volatile char frame[900];
    frame[0] = (char)depth;
    frame[899] = 1;
    if (depth == 0)
        return 0;
    return recurse(depth - 1) + frame[899];
}

static volatile bool forever = true;

static int __attribute__((noinline)) recurse_forever(int depth)
{
    volatile char frame[4000];
    frame[0] = (char)depth;
    if (!forever)
        return depth;
    return recurse_forever(depth + 1) + frame[0];
}

static int deep(void)
{
    return recurse(4000) == 4000 ? 4 : 1;
}

static int overflow(void)
{
    return recurse_forever(0);
}

/* One large frame, touched at its far end first. */
static int __attribute__((noinline)) large_frame(void)
{
    volatile char frame[3 << 20];
    frame[0] = 5;
    frame[sizeof(frame) - 1] = 1;
    return frame[0] + frame[1 << 20];
}

/* New parts of the stack are zero, or what this program left there: never another's data. */
static int fork_at_depth(int depth)
{
    volatile int mark = depth;
    if (depth > 0)
        return fork_at_depth(depth - 1) + (mark != depth);
    pid_t pid = fork();
    if (pid == 0)
        _exit(recurse(1000) == 1000 ? 6 : 1);
    return WEXITSTATUS(wait_for(pid)) + (recurse(1000) != 1000);
}

static int far_below(void)
{
    volatile uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return *(volatile char *)(here - (64UL << 20));
}

/* The kernel writes to a part of the stack that was never touched. */
static int __attribute__((noinline)) kernel_grows(void)
{
    char buffer[1 << 20];
    int fd = open("/dev/zero", O_RDONLY);
    long n = read(fd, buffer, 100);
    return n == 100 && buffer[99] == 0 ? 8 : 1;
}

static void handler(int signal)
{
    (void)signal;
    say("handler runs");
    _exit(9);
}

/* Without an alternate stack the handler of an overflow cannot run. */
static int overflow_with_handler(void)
{
    signal(SIGSEGV, handler);
    return recurse_forever(0);
}

static int executable_stack(void)
{
    volatile unsigned char code[16] = {0xc3};
    ((void (*)(void))(uintptr_t)code)();
    return 0;
}

int main(void)
{
    show_child("deep recursion", deep);
    show_child("endless recursion", overflow);
    show_child("a frame of 3 MB", large_frame);
    say("fork at depth: %d", fork_at_depth(2000));
    show_child("64 MB below the stack", far_below);
    show_child("the kernel grows it", kernel_grows);
    show_child("overflow with a handler", overflow_with_handler);
    show_child("code on the stack", executable_stack);
    return 0;
}
