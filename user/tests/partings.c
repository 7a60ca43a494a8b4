/*
 * Two processes close the ends of a pipe at the same time: whoever is last lets it go, and only
 * he. Short, so that many of its schedules can be tried.
 */
#include "check.h"

#define ROUNDS 3

int main(void)
{
    int ends[2], status;
    char byte;

    for (int i = 0; i < ROUNDS; i++) {
        if (pipe(ends) != 0)
            return 1;
        if (fork() == 0) {
            write(ends[1], "x", 1);
            close(ends[1]);
            close(ends[0]);
            _exit(0);
        }
        read(ends[0], &byte, 1);
        close(ends[0]);
        close(ends[1]);
        wait(&status);
    }
    say("parted %d times", ROUNDS);
    return 0;
}
