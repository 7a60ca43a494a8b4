/*
 * Jobs: the processes that one pipeline became.
 *
 * With job control each job is a process group of its own, and the terminal belongs to the group
 * in the foreground: ^C reaches that job and not the shell. Parent and child both call setpgid(),
 * because neither knows who runs first. Where the kernel or the terminal refuses, everything runs
 * in the shell's group and the shell works without.
 *
 * Every child that a wait reports is looked up in all jobs, so a background job that ends while
 * the shell waits for a foreground job is noted as well.
 */
#include "execute.h"
#include "job_internal.h"
#include "redirect.h"
#include "shell.h"
#include "trap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct job *job_list;

static int job_terminal = -1;
static struct termios job_terminal_settings;

void job_start_interactive(void)
{
    int terminal = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    if (terminal < 0 || tcgetpgrp(terminal) < 0)
        return;
    setpgid(0, 0);
    if (tcsetpgrp(terminal, getpgrp()) < 0 || tcgetattr(terminal, &job_terminal_settings) < 0) {
        close(terminal);
        return;
    }
    job_terminal = terminal;
    shell.job_control = true;
}

struct job *job_create(const char *source)
{
    struct job *job = memory_allocate(sizeof(*job));
    *job = (struct job){.next = job_list, .source = memory_copy(source != NULL ? source : "...")};
    job_list = job;
    return job;
}

void job_remove(struct job *job)
{
    struct job **link = &job_list;
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    free(job->processes);
    free(job->source);
    free(job);
}

void job_become_subshell(void)
{
    trap_reset_in_child();
    shell.in_subshell = true;
    shell.job_control = false;
    while (job_list != NULL)
        job_remove(job_list);
}

/* Make the process's group and give it the terminal. In the parent and in the child. */
static void job_set_group(struct job *job, pid_t pid, enum fork_mode mode)
{
    if (!shell.job_control || mode == FORK_CAPTURE)
        return;
    if (job->group == 0)
        job->group = pid;
    setpgid(pid, job->group);
    if (mode == FORK_FOREGROUND)
        tcsetpgrp(job_terminal, job->group);
}

static void job_start_child(struct job *job, enum fork_mode mode)
{
    bool had_job_control = shell.job_control;
    job_set_group(job, getpid(), mode);
    job_become_subshell();
    if (mode == FORK_BACKGROUND && !had_job_control) {
        trap_ignore_interrupts();
        int null = open("/dev/null", O_RDONLY);
        if (null > STDIN_FILENO) {
            dup2(null, STDIN_FILENO);
            close(null);
        }
    }
}

pid_t job_fork(struct job *job, enum fork_mode mode)
{
    pid_t pid = fork();
    if (pid < 0) {
        shell_abort("cannot fork: %s", strerror(errno));
        return -1;
    }
    if (pid == 0) {
        job_start_child(job, mode);
        return 0;
    }
    if (job != NULL) {
        job_set_group(job, pid, mode);
        job->processes = memory_resize(job->processes, (job->count + 1) * sizeof(*job->processes));
        job->processes[job->count++] = (struct job_process){.pid = pid};
    }
    return pid;
}

int job_capture(const struct node *list, pid_t *pid)
{
    int ends[2];
    if (pipe(ends) < 0) {
        shell_abort("cannot make a pipe: %s", strerror(errno));
        return -1;
    }
    *pid = job_fork(NULL, FORK_CAPTURE);
    if (*pid == 0) {
        close(ends[0]);
        if (ends[1] != STDOUT_FILENO) {
            dup2(ends[1], STDOUT_FILENO);
            close(ends[1]);
        }
        execute_and_exit(list);
    }
    close(ends[1]);
    if (*pid < 0) {
        close(ends[0]);
        return -1;
    }
    return ends[0];
}

static int status_number(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    return 128 + (WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status));
}

int job_wait_process(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return 0;
    }
    return status_number(status);
}

enum process_state job_state(const struct job *job)
{
    bool stopped = false;
    for (size_t i = 0; i < job->count; i++) {
        if (job->processes[i].state == PROCESS_RUNNING)
            return PROCESS_RUNNING;
        stopped |= job->processes[i].state == PROCESS_STOPPED;
    }
    return stopped ? PROCESS_STOPPED : PROCESS_DONE;
}

int job_status(const struct job *job)
{
    return job->count > 0 ? job->processes[job->count - 1].status : shell.status;
}

static void job_note(pid_t pid, int status)
{
    for (struct job *job = job_list; job != NULL; job = job->next) {
        for (size_t i = 0; i < job->count; i++) {
            struct job_process *process = &job->processes[i];
            if (process->pid != pid || process->state == PROCESS_DONE)
                continue;
            process->state = WIFSTOPPED(status) ? PROCESS_STOPPED : PROCESS_DONE;
            process->status = status_number(status);
            process->signal = WIFEXITED(status) ? 0 : process->status - 128;
            job->reported = false;
            return;
        }
    }
}

bool job_reap(bool block)
{
    int status, options = (block ? 0 : WNOHANG) | (shell.job_control ? WUNTRACED : 0);
    pid_t pid = waitpid(-1, &status, options);
    if (pid <= 0)
        return false;
    job_note(pid, status);
    return true;
}

/* The next free number, for a job that is not in the foreground. */
static void job_give_number(struct job *job)
{
    unsigned highest = 0;
    if (job->number != 0)
        return;
    for (const struct job *other = job_list; other != NULL; other = other->next) {
        if (other->number > highest)
            highest = other->number;
    }
    job->number = highest + 1;
}

/* The terminal is the shell's again. What a program that was killed did to it is undone. */
static void job_take_terminal(bool restore)
{
    if (!shell.job_control)
        return;
    tcsetpgrp(job_terminal, getpgrp());
    if (restore)
        tcsetattr(job_terminal, TCSADRAIN, &job_terminal_settings);
    else
        tcgetattr(job_terminal, &job_terminal_settings);
}

int job_wait_foreground(struct job *job)
{
    while (job_state(job) == PROCESS_RUNNING) {
        if (!job_reap(true) && errno != EINTR)
            break;
    }
    int status = job_status(job);
    int signal = job->count > 0 ? job->processes[job->count - 1].signal : 0;
    job_take_terminal(signal != 0);
    if (job_state(job) == PROCESS_STOPPED) {
        job_give_number(job);
        shell_write(STDERR_FILENO, "\n", 1);
        job_print(job, STDERR_FILENO, false);
        job->reported = true;
        return status;
    }
    if (signal == SIGINT && shell.interactive)
        trap_interrupt();
    else if (signal != 0 && signal != SIGINT && signal != SIGPIPE)
        shell_print(STDERR_FILENO, "%s\n", strsignal(signal));
    job_remove(job);
    return status;
}

int job_start_background(struct job *job)
{
    if (job->count == 0) {
        job_remove(job);
        return shell.status;
    }
    job_give_number(job);
    shell.last_background = job->processes[job->count - 1].pid;
    if (shell.interactive)
        shell_print(STDERR_FILENO, "[%u] %d\n", job->number, (int)shell.last_background);
    return 0;
}

int job_continue(struct job *job, bool foreground)
{
    for (size_t i = 0; i < job->count; i++) {
        if (job->processes[i].state == PROCESS_STOPPED)
            job->processes[i].state = PROCESS_RUNNING;
    }
    job->reported = true;
    if (foreground && job_terminal >= 0)
        tcsetpgrp(job_terminal, job->group);
    kill(-job->group, SIGCONT);
    return foreground ? job_wait_foreground(job) : 0;
}

void job_report(void)
{
    while (job_reap(false))
        continue;
    for (struct job *job = job_list, *next; job != NULL; job = next) {
        next = job->next;
        if (!job->reported && job_state(job) != PROCESS_RUNNING) {
            job_print(job, STDERR_FILENO, false);
            job->reported = true;
        }
        if (job_state(job) == PROCESS_DONE)
            job_remove(job);
    }
}
