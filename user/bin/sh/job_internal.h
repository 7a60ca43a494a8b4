/*
 * What job.c (processes) and job_builtin.c (the commands about them) share.
 */
#pragma once

#include "job.h"

#include <stddef.h>

enum process_state {
    PROCESS_RUNNING,
    PROCESS_STOPPED,
    PROCESS_DONE,
};

struct job_process {
    pid_t pid;
    enum process_state state;
    int status; /* as $? shows it */
    int signal; /* that ended or stopped it, or 0 */
};

struct job {
    struct job *next;
    unsigned number; /* %number; 0 while it is in the foreground */
    pid_t group;     /* 0: the shell's own */
    char *source;
    struct job_process *processes;
    size_t count;
    bool reported; /* its last change of state was shown */
};

extern struct job *job_list; /* by number, those in the foreground first */

enum process_state job_state(const struct job *job);
int job_status(const struct job *job);
void job_remove(struct job *job);
void job_print(const struct job *job, int descriptor, bool with_pid);

/*
 * Wait for any child to change its state and note that down. With `block`, sleeps.
 * Returns false when there is no child to wait for, or when a signal interrupted the sleep.
 */
bool job_reap(bool block);

/* The job that %1, %%, %+ or %text stands for; NULL after a message from `command`. */
struct job *job_find(const char *command, const char *name);

/* Continue a stopped job in the foreground or in the background. */
int job_continue(struct job *job, bool foreground);
