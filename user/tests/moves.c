/*
 * Two processes give the same directory another name each: it moves once, and has one name then.
 * Short, so that many of its schedules can be tried.
 */
#include "check.h"
#include <sys/stat.h>

#define ROUNDS 3

int main(void)
{
    int moved = 0, names = 0, status;

    for (int i = 0; i < ROUNDS; i++) {
        char from[8], left[8], right[8];

        snprintf(from, sizeof(from), "from%d", i);
        snprintf(left, sizeof(left), "left%d", i);
        snprintf(right, sizeof(right), "right%d", i);
        mkdir(from, 0700);
        if (fork() == 0)
            _exit(rename(from, left) == 0);
        moved += rename(from, right) == 0;
        wait(&status);
        moved += WEXITSTATUS(status);
        names += (access(left, F_OK) == 0) + (access(right, F_OK) == 0);
    }
    say("moved: %d, names: %d", moved, names);
    return 0;
}
