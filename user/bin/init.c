/*
 * init: process 1. Its standard input and output are the console, opened by the kernel.
 *
 * `init -c COMMAND` runs one shell command and powers off with its status (128 + signal if it was
 * killed). Otherwise init greets and runs an interactive shell, again and again; where the
 * console is not a terminal but a stream, the end of the shell is the end of the machine. SIGTERM,
 * which the kernel sends when its own process or a power button is told to stop, ends all
 * processes in good order. All the while init waits for the children that others left behind.
 *
 * SIGCHLD and SIGTERM are blocked but for the moment of sigsuspend(), so none is missed.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: init [-c COMMAND]\n"
                           "The first process of Duet; nobody else can run it.\n";

#define GRACE_STEPS       50       /* how often all_gone() looks, ... */
#define GRACE_NANOSECONDS 20000000 /* ... and how long it sleeps between: 1 s in all */

static volatile sig_atomic_t must_stop;

static void handle_signal(int signal)
{
    if (signal == SIGTERM)
        must_stop = true;
}

/* Wait a moment for the end of all children. Returns whether there are none left. */
static bool all_gone(void)
{
    static const struct timespec step = {0, GRACE_NANOSECONDS};

    for (int i = 0; i < GRACE_STEPS; i++) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0)
            return true;
        nanosleep(&step, NULL);
    }
    return false;
}

static _Noreturn void finish(int status)
{
    if (kill(-1, SIGKILL) == 0)
        all_gone();
    sync();
    power_off(status);
    for (;;)
        pause();
}

/* Everyone is asked to end, and has a second; interactive shells only heed SIGHUP. */
static _Noreturn void shut_down(void)
{
    if (kill(-1, SIGTERM) == 0) {
        kill(-1, SIGHUP);
        kill(-1, SIGCONT);
        all_gone();
    }
    finish(0);
}

/* In the child: a session of its own with the console as its terminal, if that is one. */
static _Noreturn void run_shell(char *command, const sigset_t *mask)
{
    char *arguments[] = {"sh", "-c", command, NULL};

    setsid();
    if (ioctl(STDIN_FILENO, TIOCSCTTY, 0) == 0)
        tcsetpgrp(STDIN_FILENO, getpid());
    sigprocmask(SIG_SETMASK, mask, NULL);
    if (!command)
        arguments[1] = NULL;
    execv("/bin/sh", arguments);
    err(127, "/bin/sh");
}

/* Run a shell to its end; returns its status. Does not return after SIGTERM. */
static int supervise_shell(char *command, const sigset_t *mask)
{
    pid_t shell = fork();
    if (shell == 0)
        run_shell(command, mask);
    if (shell < 0) {
        warn("fork");
        return 125;
    }
    for (;;) {
        int status;
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
            if (pid == shell)
                return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        }
        if (must_stop)
            shut_down();
        sigsuspend(mask);
    }
}

static void greet(void)
{
    char line[256];
    FILE *stream = fopen("/etc/motd", "r");

    if (!stream) {
        puts("Welcome to Duet.");
    } else {
        while (fgets(line, sizeof(line), stream))
            fputs(line, stdout);
        fclose(stream);
    }
    fflush(stdout);
}

static void set_up_signals(sigset_t *old_mask)
{
    struct sigaction action = {.sa_handler = handle_signal};
    sigset_t blocked;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, old_mask);
    sigaction(SIGCHLD, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
    static const struct timespec second = {1, 0};
    sigset_t mask;

    tool_start(argc, argv, help);
    if (getpid() != 1 || !system_is_duet())
        errx(1, "I am not the first process of Duet");
    set_up_signals(&mask);
    setenv("PATH", "/bin", 0);
    setenv("HOME", "/root", 0);
    setenv("USER", "root", 0);
    setenv("TERM", "vt100", 0);
    if (argc == 3 && strcmp(argv[1], "-c") == 0)
        finish(supervise_shell(argv[2], &mask));

    if (!isatty(STDIN_FILENO))
        finish(supervise_shell(NULL, &mask));
    greet();
    for (;;) {
        int status = supervise_shell(NULL, &mask);
        if (status != 0) {
            printf("The shell ended with status %d.\n", status);
            fflush(stdout);
            nanosleep(&second, NULL);
        }
    }
}
