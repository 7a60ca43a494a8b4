/*
 * Two processes hand a byte to and fro through two pipes that nobody closes meanwhile: whoever
 * misses a wake-up waits for ever. Short, so that many of its schedules can be tried.
 */
#include "check.h"

#define ROUNDS 3

static int play(int from, int to, bool begins)
{
    char byte = 0;
    int done;

    for (done = 0; done < ROUNDS; done++) {
        if (begins && write(to, &byte, 1) != 1)
            break;
        if (read(from, &byte, 1) != 1)
            break;
        if (!begins && write(to, &byte, 1) != 1)
            break;
    }
    return done;
}

int main(void)
{
    int there[2], back[2], status;

    if (pipe(there) != 0 || pipe(back) != 0)
        return 1;
    if (fork() == 0)
        _exit(play(there[0], back[1], false));
    say("parent: %d", play(back[0], there[1], true));
    wait(&status);
    say("child: %d", WEXITSTATUS(status));
    return 0;
}
