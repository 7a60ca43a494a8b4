/*
 * Orphans: when a parent ends, init takes its children, living and dead, and collects them.
 */
#include "check.h"

/* A middle process makes orphans and ends; they report to the pipe who their parent is. */
static int make_orphans(int out, int count)
{
    pid_t middle = getpid();
    for (int i = 0; i < count; i++) {
        if (fork() == 0) {
            while (getppid() == middle)
                usleep(100);
            char answer = getppid() == 1 ? 'y' : 'n';
            _exit(write(out, &answer, 1) != 1);
        }
    }
    return 5;
}

int main(void)
{
    int ends[2], answers = 0;
    char c;
    must("pipe", pipe(ends));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0)
        _exit(make_orphans(ends[1], 10));
    close(ends[1]);
    show_status("middle", wait_for(pid));
    while (read(ends[0], &c, 1) == 1)
        answers += c == 'y';
    say("orphans whose parent became init: %d", answers);
    show("none of them is a child here", wait(NULL));
    close(ends[0]);

    /* A zombie whose parent ends before it waited. */
    must("pipe", pipe(ends));
    pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        pid_t zombie = fork();
        if (zombie == 0)
            _exit(1);
        close(ends[1]);
        read(ends[0], &c, 1);
        _exit(zombie > 0 ? 6 : 7);
    }
    close(ends[1]);
    show_status("parent of a zombie", wait_for(pid));
    close(ends[0]);

    return 0;
}
