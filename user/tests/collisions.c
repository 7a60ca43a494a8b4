/*
 * Two processes take the same names at the same time: one removes a file, the other puts another
 * in its place. Whatever comes first, both get on. Short, so that many schedules can be tried.
 */
#include "check.h"

#define ROUNDS 4

static void make_file(const char *name)
{
    close(open(name, O_CREAT | O_WRONLY, 0600));
}

int main(void)
{
    int removed = 0, renamed = 0, status;

    for (int i = 0; i < ROUNDS; i++) {
        make_file("old");
        make_file("new");
        if (fork() == 0)
            _exit(unlink("old") == 0 || errno == ENOENT);
        renamed += rename("new", "old") == 0;
        wait(&status);
        removed += WEXITSTATUS(status);
        unlink("old");
    }
    say("removed: %d, renamed: %d", removed, renamed);
    return 0;
}
