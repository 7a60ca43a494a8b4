/*
 * What each signal does to a process that does nothing about it.
 */
#include "check.h"

/*
 * A child that sends itself the signal; what becomes of it. SIGTSTP and its like stop only a
 * process whose group has somebody outside of it who could continue it: one that is in a group of
 * its own, in this program's session.
 */
static void try(int signal, bool own_group)
{
    char what[48];
    int status;
    snprintf(what, sizeof(what), "signal %d%s", signal, own_group ? " in a group of its own" : "");
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        if (own_group)
            setpgid(0, 0);
        kill(getpid(), signal);
        _exit(0);
    }
    must("waitpid", waitpid(pid, &status, WUNTRACED));
    show_status(what, status);
    if (WIFSTOPPED(status)) {
        kill(pid, SIGCONT);
        show_status("  continued", wait_for(pid));
    }
}

static volatile sig_atomic_t seen;

static void note(int signal)
{
    seen = signal;
}

int main(void)
{
    setsid();
    for (int signal = 1; signal <= 31; signal++)
        try(signal, false);
    for (int signal = SIGSTOP; signal <= SIGTTOU; signal++)
        try(signal, true);
    try(34, false);
    try(64, false);

    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        for (;;)
            pause();
    }
    show("signal 0", kill(pid, 0));
    show("signal 65", kill(pid, 65));
    show("signal -1", kill(pid, -1));
    show("ignored by default", kill(pid, SIGWINCH));
    show("SIGTERM", kill(pid, SIGTERM));
    show_status("sleeper", wait_for(pid));

    pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        for (;;)
            continue;
    }
    kill(pid, SIGKILL);
    show_status("spinner", wait_for(pid));

    show("a process that is not there", kill(0x3ffffff, SIGTERM));
    show("a group that is not there", kill(-0x3ffffff, SIGTERM));
    signal(SIGTERM, note);
    show("to itself", kill(getpid(), SIGTERM));
    say("delivered before kill returned: %d", seen == SIGTERM);
    show("SIGKILL cannot be caught", sigaction(SIGKILL, &(struct sigaction){0}, NULL));
    show("SIGSTOP cannot be caught", sigaction(SIGSTOP, &(struct sigaction){0}, NULL));
    return 0;
}
