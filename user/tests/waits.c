/*
 * wait4 in all its forms, zombies, and who a child belongs to.
 */
#include "check.h"

/* A child that waits for a byte, or for the end, from the pipe and then exits. */
static pid_t waiting_child(int code, int ends[2])
{
    must("pipe", pipe(ends));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        char c;
        close(ends[1]);
        _exit(read(ends[0], &c, 1) < 0 ? 99 : code);
    }
    close(ends[0]);
    return pid;
}

static void nobody(void)
{
    int status;
    show("wait without children", wait(&status));
    show("waitpid of init", waitpid(1, &status, 0));
    show("waitpid of itself", waitpid(getpid(), &status, 0));
    show("waitpid of a group without children", waitpid(-12345, &status, WNOHANG));
    show("waitpid with a wrong option", waitpid(-1, &status, 0x10000000));
}

static void not_yet(void)
{
    int ends[2], status = 77;
    pid_t pid = waiting_child(5, ends);
    show("WNOHANG while it runs", waitpid(-1, &status, WNOHANG));
    say("status untouched: %d", status);
    close(ends[1]);
    say("waits for its end: %d", waitpid(pid, &status, 0) == pid);
    show_status("it", status);
    show("and then", waitpid(pid, &status, 0));
}

static void zombies(void)
{
    int ends[2];
    char c;
    must("pipe", pipe(ends));
    pid_t first = (pid_t)must("fork", fork());
    if (first == 0)
        _exit(1);
    close(ends[1]);
    show("its files are closed, so it has ended", read(ends[0], &c, 1));
    close(ends[0]);
    pid_t second = (pid_t)must("fork", fork());
    if (second == 0)
        _exit(2);
    int status;
    say("the second first: %d", waitpid(second, &status, 0) == second);
    show_status("second", status);
    show("a zombie can be signalled", kill(first, 0));
    show("even killed", kill(first, SIGKILL));
    say("any: %d", wait(&status) == first);
    show_status("first", status);
    show("reaped, it is gone", kill(first, 0));
    first = (pid_t)must("fork", fork());
    if (first == 0)
        _exit(3);
    say("without a status: %d", waitpid(first, NULL, 0) == first);
}

static void by_group(void)
{
    int ends[2], status;
    pid_t pid = waiting_child(6, ends);
    must("setpgid", setpgid(pid, pid));
    show("of the own group", waitpid(0, &status, WNOHANG));
    show("of its group, running", waitpid(-pid, &status, WNOHANG));
    close(ends[1]);
    say("of its group: %d", waitpid(-pid, &status, 0) == pid);
    show_status("it", status);
}

static void stops(void)
{
    int ends[2], status;
    pid_t pid = waiting_child(8, ends);
    kill(pid, SIGSTOP);
    say("stopped: %d", waitpid(pid, &status, WUNTRACED) == pid);
    show_status("it", status);
    show("told once", waitpid(pid, &status, WUNTRACED | WNOHANG));
    kill(pid, SIGCONT);
    say("continued: %d", waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
    kill(pid, SIGSTOP);
    say("stopped again: %d", waitpid(pid, &status, WUNTRACED) == pid);
    kill(pid, SIGKILL);
    say("killed while stopped: %d", waitpid(pid, &status, 0) == pid);
    show_status("it", status);
    close(ends[1]);
}

/* With SIGCHLD ignored there are no zombies. */
static int ignoring(void)
{
    int status;
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        if (fork() == 0)
            _exit(i);
    }
    show("wait with SIGCHLD ignored", wait(&status));
    return 0;
}

static void grandchild(void)
{
    int ends[2];
    char c;
    must("pipe", pipe(ends));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        pid_t parent = getpid();
        if (fork() == 0) {
            close(ends[0]);
            while (getppid() == parent)
                continue;
            c = getppid() == 1 ? 'y' : 'n';
            _exit(write(ends[1], &c, 1) != 1);
        }
        _exit(9);
    }
    close(ends[1]);
    show_status("parent of the orphan", wait_for(pid));
    show("the orphan is not ours", waitpid(-1, NULL, 0));
    must("read", read(ends[0], &c, 1));
    say("but it says that init is its parent: %c", c);
    show("and has ended", read(ends[0], &c, 1));
    close(ends[0]);
}

static void interrupted(int signal)
{
    (void)signal;
}

static void by_signal(void)
{
    int ends[2];
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = interrupted;
    sigaction(SIGUSR1, &action, NULL);
    pid_t pid = waiting_child(3, ends);
    pid_t helper = (pid_t)must("fork", fork());
    if (helper == 0) {
        close(ends[1]);
        /* The signal may come before the parent sleeps: send until it says so. */
        while (kill(getppid(), SIGUSR1) == 0)
            usleep(1000);
        _exit(0);
    }
    show("wait interrupted by a handler", waitpid(pid, NULL, 0));
    action.sa_handler = SIG_IGN;
    sigaction(SIGUSR1, &action, NULL);
    kill(helper, SIGKILL);
    wait_for(helper);
    close(ends[1]);
    show_status("the child afterwards", wait_for(pid));
}

int main(void)
{
    nobody();
    not_yet();
    zombies();
    by_group();
    stops();
    show_child("ignoring", ignoring);
    grandchild();
    by_signal();
    show("all waited for", wait(NULL));
    return 0;
}
