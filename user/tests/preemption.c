/*
 * Processes that only compute get the processor in turn: each of several sees the others' progress
 * although none of them ever sleeps.
 */
#include "check.h"

#include <sched.h>

#define PROCESSES 4
#define ROUNDS    20

/* Count in a file that all share. Wait, without sleeping, until all are as far as this one. */
static int compete(int self)
{
    int fd = (int)must("open", open("progress", O_RDWR));
    int progress[PROCESSES];
    for (int round = 1; round <= ROUNDS; round++) {
        for (volatile long i = 0; i < 100000; i++)
            continue;
        must("pwrite", pwrite(fd, &round, sizeof(round), (off_t)(self * (int)sizeof(round))));
        for (bool all = false; !all;) {
            must("pread", pread(fd, progress, sizeof(progress), 0));
            all = true;
            for (int i = 0; i < PROCESSES; i++)
                all &= progress[i] >= round;
        }
    }
    return 0;
}

/* The same in pure computation: a spinning child is stopped by a signal from its parent. */
static volatile sig_atomic_t told;

static void tell(int signal)
{
    (void)signal;
    told = 1;
}

int main(void)
{
    static const int zero[PROCESSES];
    pid_t pids[PROCESSES];
    int fd = (int)must("open", open("progress", O_RDWR | O_CREAT, 0644)), good = 0;
    must("write", write(fd, zero, sizeof(zero)));
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = (pid_t)must("fork", fork());
        if (pids[i] == 0)
            _exit(compete(i));
    }
    for (int i = 0; i < PROCESSES; i++)
        good += wait_for(pids[i]) == 0;
    say("processes that saw the others' progress: %d", good);

    signal(SIGUSR1, tell);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = (pid_t)must("fork", fork());
        if (pids[i] == 0) {
            while (!told)
                continue;
            _exit(7);
        }
    }
    good = 0;
    for (int i = 0; i < PROCESSES; i++) {
        kill(pids[i], SIGUSR1);
        good += WEXITSTATUS(wait_for(pids[i])) == 7;
    }
    say("spinning processes that a signal reached: %d", good);
    show("sched_yield", sched_yield());
    return 0;
}
