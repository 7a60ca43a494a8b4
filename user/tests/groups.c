/*
 * Process groups and sessions, and signals to groups.
 */
#include "check.h"

/* A child that stays until it is killed, after it reported that it runs. */
static pid_t staying_child(void)
{
    int ends[2];
    char c = 0;
    must("pipe", pipe(ends));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        must("write", write(ends[1], &c, 1));
        for (;;)
            pause();
    }
    must("read", read(ends[0], &c, 1));
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static int new_session(void)
{
    say("setsid gives its own id: %d", setsid() == getpid());
    say("group and session are it: %d %d", getpgrp() == getpid(), getsid(0) == getpid());
    show("setsid of a leader", setsid());
    show("setpgid of a session leader", setpgid(0, 0));
    pid_t child = staying_child();
    say("a child inherits both: %d %d", getpgid(child) == getpid(), getsid(child) == getpid());
    kill(child, SIGKILL);
    wait_for(child);
    return 1;
}

static int group_signals(void)
{
    pid_t a = staying_child(), b = staying_child(), c = staying_child();
    must("setpgid", setpgid(a, a));
    must("setpgid", setpgid(b, a));
    say("in one group: %d", getpgid(a) == a && getpgid(b) == a && getpgid(c) == getpgrp());
    show("signal 0 to the group", kill(-a, 0));
    show("SIGTERM to the group", kill(-a, SIGTERM));
    show_status("first", wait_for(a));
    show_status("second", wait_for(b));
    show("the third lives", waitpid(c, NULL, WNOHANG));
    show("the group is gone", kill(-a, 0));
    show("to join a group that is gone", setpgid(c, a));
    kill(c, SIGKILL);
    wait_for(c);
    return 2;
}

static int own_group(void)
{
    must("setpgid", setpgid(0, 0));
    pid_t child = staying_child();
    signal(SIGTERM, SIG_IGN);
    show("kill(0)", kill(0, SIGTERM));
    show_status("child in the same group", wait_for(child));
    return 3;
}

static int errors(void)
{
    show("setpgid, negative group", setpgid(0, -1));
    show("setpgid of a stranger", setpgid(1, 0));
    show("setpgid of nobody", setpgid(0x3ffffff, 0));
    show("getpgid of nobody", getpgid(0x3ffffff));
    show("getsid of nobody", getsid(0x3ffffff));
    show("getpgid of a negative", getpgid(-1));
    pid_t child = (pid_t)must("fork", fork());
    if (child == 0) {
        setsid();
        kill(getpid(), SIGSTOP);
        _exit(0);
    }
    waitpid(child, NULL, WUNTRACED);
    show("setpgid of a child in another session", setpgid(child, getpgrp()));
    kill(child, SIGKILL);
    wait_for(child);
    int ends[2];
    char c;
    must("pipe", pipe2(ends, O_CLOEXEC));
    child = (pid_t)must("fork", fork());
    if (child == 0) {
        execl("/bin/sleep", "sleep", "1000", NULL);
        _exit(1);
    }
    close(ends[1]);
    must("read", read(ends[0], &c, 1));
    show("setpgid of a child that called exec", setpgid(child, child));
    kill(child, SIGKILL);
    wait_for(child);
    return 4;
}

/* When a session leader without terminal ends, its group lives on. */
static int leader_ends(void)
{
    int ends[2];
    char c = 'n';
    must("pipe", pipe(ends));
    pid_t leader = (pid_t)must("fork", fork());
    if (leader == 0) {
        setsid();
        if (fork() == 0) {
            pid_t session = getsid(0);
            while (getppid() == session)
                usleep(100);
            c = getsid(0) == session && getpgrp() == session ? 'y' : 'n';
            _exit(write(ends[1], &c, 1) != 1);
        }
        _exit(0);
    }
    wait_for(leader);
    must("read", read(ends[0], &c, 1));
    say("the group keeps its id when its leader has ended: %c", c);
    return 5;
}

int main(void)
{
    show_child("session", new_session);
    show_child("group signals", group_signals);
    show_child("own group", own_group);
    show_child("errors", errors);
    show_child("leader ends", leader_ends);
    return 0;
}
