/*
 * brk: the heap grows and shrinks, new memory is zero, and errors leave the break alone.
 */
#include "check.h"

#include <sys/syscall.h>

#define PAGE 4096UL

static char *break_now(void)
{
    return (char *)syscall(SYS_brk, 0);
}

static bool all_zero(const char *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (from[i] != 0)
            return false;
    }
    return true;
}

static int touch_beyond(void)
{
    char *end = (char *)(((unsigned long)break_now() + PAGE - 1) / PAGE * PAGE);
    return *(volatile char *)(end + PAGE);
}

int main(void)
{
    char *start = break_now();
    say("the break is in user memory: %d", start != NULL && (long)start > 0);
    char *end = (char *)syscall(SYS_brk, start + 10 * PAGE);
    say("grown by ten pages: %d", end == start + 10 * PAGE);
    say("all zero: %d", all_zero(start, 10 * PAGE));
    memset(start, 'x', 10 * PAGE);
    end = (char *)syscall(SYS_brk, start + 5 * PAGE);
    say("shrunk to five: %d", end == start + 5 * PAGE);
    say("kept: %c %c", start[0], start[5 * PAGE - 1]);
    end = (char *)syscall(SYS_brk, start + 10 * PAGE);
    char *whole = (char *)(((unsigned long)start + 5 * PAGE + PAGE - 1) / PAGE * PAGE);
    say("grown again, zero again: %d", all_zero(whole, (size_t)(start + 10 * PAGE - whole)));
    say("by a byte: %d", (char *)syscall(SYS_brk, end + 1) == end + 1);
    say("by a megabyte: %d", (char *)syscall(SYS_brk, end + 0x100000) == end + 0x100000);
    end[0x100000 - 1] = 'y';
    say("below the start: %d", (char *)syscall(SYS_brk, PAGE) == end + 0x100000);
    say("above user memory: %d", (char *)syscall(SYS_brk, 0x7fffffffffffffff) == end + 0x100000);
    say("still there: %c", end[0x100000 - 1]);
    show_child("touch beyond the break", touch_beyond);
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        bool same = break_now() == end + 0x100000;
        syscall(SYS_brk, start + PAGE);
        _exit(same && start[0] == 'x' ? 3 : 4);
    }
    show_status("child with a break of its own", wait_for(pid));
    say("the parent's did not move: %d", break_now() == end + 0x100000);
    return 0;
}
