/* Processes by posix_spawn, system and popen, which make them without copying memory. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t pid;

static void show(const char *what, int error)
{
    int status = -1;
    if (error == 0)
        waitpid(pid, &status, 0);
    printf("%s: %s, status %d\n", what, strerror(error), error == 0 ? WEXITSTATUS(status) : -1);
    fflush(stdout);
}

int main(void)
{
    char *yes[] = {"true", NULL}, *no[] = {"false", NULL};
    char *say[] = {"sh", "-c", "echo spawned $x; exit 6", NULL}, *with[] = {"x=variable", NULL};
    show("true", posix_spawn(&pid, "/bin/true", NULL, NULL, yes, environ));
    show("false", posix_spawnp(&pid, "false", NULL, NULL, no, environ));
    show("sh", posix_spawn(&pid, "/bin/sh", NULL, NULL, say, with));
    show("missing", posix_spawn(&pid, "/bin/missing", NULL, NULL, yes, environ));

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "output", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    show("with its output in a file", posix_spawn(&pid, "/bin/sh", &actions, NULL, say, with));
    char line[64] = "";
    FILE *file = fopen("output", "r");
    printf("the file: %s", fgets(line, sizeof(line), file));
    fclose(file);
    fflush(stdout);

    printf("system: %d\n", WEXITSTATUS(system("exit 9")));
    fflush(stdout);
    FILE *pipe = popen("echo through popen; exit 4", "r");
    printf("popen: %s", fgets(line, sizeof(line), pipe));
    printf("pclose: %d\n", WEXITSTATUS(pclose(pipe)));
    fflush(stdout);
    pipe = popen("cat", "w");
    fputs("written to popen\n", pipe);
    pclose(pipe);
    return 0;
}
