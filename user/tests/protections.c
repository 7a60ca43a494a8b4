/*
 * A thread makes a page read-only and writable again while another one reads it. Short, so that
 * many of its schedules can be tried.
 */
#include "threads.h"

#define ROUNDS 4

static char *page;

static int look(void *argument)
{
    int seen = 0;

    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        raw(SYS_sched_yield);
        seen += *(volatile char *)page;
    }
    return seen;
}

int main(void)
{
    struct thread thread;
    int done = 0;

    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 1;
    thread_start(&thread, look, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        done += mprotect(page, 4096, PROT_READ) == 0;
        done += mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0;
        page[0] = 1;
    }
    say("changed %d times, seen %d times", done, (int)thread_join(&thread));
    return 0;
}
