/*
 * Processes of the shell, grouped into jobs.
 */
#pragma once

#include "syntax.h"

#include <stdbool.h>
#include <sys/types.h>

struct job;

enum fork_mode {
    FORK_FOREGROUND,
    FORK_BACKGROUND,
    FORK_CAPTURE, /* not a job: the inside of $( ), the writer of a here-document */
};

/* Take the terminal, if there is one; sets shell.job_control. */
void job_start_interactive(void);

/* A new job without processes. `source` is what jobs(1) shows; it may be NULL. */
struct job *job_create(const char *source);

/* Fork; the child belongs to the job. As fork(), but -1 comes with a message and shell_abort. */
pid_t job_fork(struct job *job, enum fork_mode mode);

/* This process, already a child, goes on as a subshell. */
void job_become_subshell(void);

/* Wait until the job ends or stops; then it is gone, or stays as a stopped job. */
int job_wait_foreground(struct job *job);

/* The job runs on; sets $! and says so at a prompt. */
int job_start_background(struct job *job);

/* Fork a child that runs the list with its output in a pipe. Returns the reading end or -1. */
int job_capture(const struct node *list, pid_t *pid);

/* Wait for a process that is not in a job. Returns its status as $? shows it. */
int job_wait_process(pid_t pid);

/* Say what happened to background jobs; at the prompt. */
void job_report(void);

int builtin_wait(int argc, char **argv);
int builtin_jobs(int argc, char **argv);
int builtin_fg(int argc, char **argv);
int builtin_bg(int argc, char **argv);
int builtin_kill(int argc, char **argv);
