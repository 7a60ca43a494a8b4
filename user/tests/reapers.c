/*
 * Two threads wait for the same children: each child is reaped once. Short, so that many of its
 * schedules can be tried.
 */
#include "threads.h"

#define CHILDREN 2

static volatile uint32_t reaped;

static int reap(void *argument)
{
    long pid;

    (void)argument;
    while ((pid = raw(SYS_wait4, -1, 0, 0, 0)) > 0)
        __atomic_fetch_add(&reaped, 1, __ATOMIC_SEQ_CST);
    return (int)pid;
}

int main(void)
{
    struct thread thread;
    int result;

    for (int i = 0; i < CHILDREN; i++) {
        if (fork() == 0)
            _exit(0);
    }
    thread_start(&thread, reap, NULL);
    result = reap(NULL);
    say("ended with: %s, %s", raw_name(result), raw_name(thread_join(&thread)));
    say("reaped: %u", reaped);
    return 0;
}
