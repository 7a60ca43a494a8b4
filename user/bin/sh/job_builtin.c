/*
 * The commands about jobs: wait, jobs, fg, bg, kill.
 */
#include "builtin.h"
#include "job_internal.h"
#include "shell.h"
#include "trap.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void job_print(const struct job *job, int descriptor, bool with_pid)
{
    char state[64] = "Running", pid[24] = "";
    const struct job_process *last = &job->processes[job->count - 1];
    bool current = true;
    for (const struct job *other = job_list; other != NULL; other = other->next)
        current &= other->number <= job->number;
    if (job_state(job) == PROCESS_STOPPED)
        strcpy(state, "Stopped");
    else if (job_state(job) == PROCESS_DONE && last->signal != 0)
        snprintf(state, sizeof(state), "%s", strsignal(last->signal));
    else if (job_state(job) == PROCESS_DONE && last->status != 0)
        snprintf(state, sizeof(state), "Done(%d)", last->status);
    else if (job_state(job) == PROCESS_DONE)
        strcpy(state, "Done");
    if (with_pid)
        snprintf(pid, sizeof(pid), "%d ", (int)job->processes[0].pid);
    shell_print(descriptor, "[%u] %c %s%-24s %s\n", job->number, current ? '+' : ' ', pid, state,
                job->source);
}

struct job *job_find(const char *command, const char *name)
{
    struct job *found = NULL;
    unsigned long number = strtoul(name + 1, NULL, 10);
    bool latest = name[0] != '%' || name[1] == '\0' || strchr("%+", name[1]) != NULL;
    for (struct job *job = job_list; job != NULL; job = job->next) {
        bool matches = latest        ? found == NULL || job->number > found->number
                       : number != 0 ? job->number == number
                                     : strncmp(job->source, name + 1, strlen(name + 1)) == 0;
        if (job->number != 0 && matches)
            found = job;
    }
    if (found == NULL)
        shell_error("%s: No such job: %s", command, *name != '\0' ? name : "(current)");
    return found;
}

/* Wait until the job is done. Returns its status, or 128+n when a trapped signal n came first. */
static int wait_for_job(struct job *job)
{
    while (job_state(job) == PROCESS_RUNNING) {
        if (job_reap(true))
            continue;
        if (errno != EINTR)
            break;
        int signal = trap_pending_signal();
        if (signal != 0)
            return 128 + signal;
    }
    int status = job_status(job);
    if (job_state(job) != PROCESS_STOPPED)
        job_remove(job);
    return status;
}

static struct job *job_of_process(pid_t pid)
{
    for (struct job *job = job_list; job != NULL; job = job->next) {
        for (size_t i = 0; i < job->count; i++) {
            if (job->processes[i].pid == pid)
                return job;
        }
    }
    return NULL;
}

int builtin_wait(int argc, char **argv)
{
    int status = 0;
    if (argc == 1) {
        struct job *next;
        for (struct job *job = job_list; job != NULL && trap_pending_signal() == 0; job = next) {
            next = job->next;
            int result = job_state(job) == PROCESS_STOPPED ? 0 : wait_for_job(job);
            status = trap_pending_signal() != 0 ? result : 0;
        }
        return status;
    }
    for (int i = 1; i < argc; i++) {
        struct job *job;
        char *end;
        long pid = strtol(argv[i], &end, 10);
        if (argv[i][0] == '%') {
            job = job_find("wait", argv[i]);
        } else if (*end != '\0' || end == argv[i]) {
            shell_error("wait: Illegal number: %s", argv[i]);
            return 2;
        } else {
            job = job_of_process((pid_t)pid);
        }
        status = job != NULL ? wait_for_job(job) : 127;
    }
    return status;
}

int builtin_jobs(int argc, char **argv)
{
    bool pids_only = argc > 1 && strcmp(argv[1], "-p") == 0;
    bool with_pid = argc > 1 && strcmp(argv[1], "-l") == 0;
    while (job_reap(false))
        continue;
    for (unsigned number = 1, found = 1; found; number++) {
        struct job *next;
        found = 0;
        for (struct job *job = job_list; job != NULL; job = next) {
            next = job->next;
            found |= job->number > number;
            if (job->number != number)
                continue;
            if (pids_only)
                shell_print(STDOUT_FILENO, "%d\n", (int)job->processes[0].pid);
            else
                job_print(job, STDOUT_FILENO, with_pid);
            job->reported = true;
            if (job_state(job) == PROCESS_DONE && shell.interactive)
                job_remove(job);
        }
    }
    return 0;
}

static int continue_job(int argc, char **argv, bool foreground)
{
    struct job *job = job_find(argv[0], argc > 1 ? argv[1] : "");
    if (job == NULL)
        return 1;
    if (job->group == 0) {
        shell_error("%s: job was not started under job control", argv[0]);
        return 1;
    }
    if (foreground)
        shell_print(STDOUT_FILENO, "%s\n", job->source);
    else
        shell_print(STDOUT_FILENO, "[%u] %s\n", job->number, job->source);
    return job_continue(job, foreground);
}

int builtin_fg(int argc, char **argv)
{
    return continue_job(argc, argv, true);
}

int builtin_bg(int argc, char **argv)
{
    return continue_job(argc, argv, false);
}

static int kill_list(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        int number = atoi(argv[i]);
        const char *name = signal_name(number > 128 ? number - 128 : number);
        if (name == NULL) {
            shell_error("kill: %s: bad signal", argv[i]);
            return 2;
        }
        shell_print(STDOUT_FILENO, "%s\n", name);
    }
    for (int signal = 1; signal < 32 && argc == 2; signal++)
        shell_print(STDOUT_FILENO, "%s\n", signal_name(signal));
    return 0;
}

/* Signal one process, group or job. */
static int kill_one(const char *target, int signal)
{
    char *end;
    long pid = strtol(target, &end, 10);
    if (target[0] == '%') {
        const struct job *job = job_find("kill", target);
        if (job == NULL)
            return 1;
        pid = job->group != 0 ? -job->group : job->processes[job->count - 1].pid;
    } else if (*end != '\0' || end == target) {
        shell_error("kill: Illegal number: %s", target);
        return 2;
    }
    if (kill((pid_t)pid, signal) == 0)
        return 0;
    shell_error("kill: %s: %s", target, strerror(errno));
    return 1;
}

int builtin_kill(int argc, char **argv)
{
    int first = 1, signal = SIGTERM, status = 0;
    if (argc > 1 && strcmp(argv[1], "-l") == 0)
        return kill_list(argc, argv);
    const char *name = NULL;
    if (argc > 2 && strcmp(argv[1], "-s") == 0) {
        name = argv[2];
        first = 3;
    } else if (argc > 1 && argv[1][0] == '-' && strcmp(argv[1], "--") != 0) {
        name = argv[1] + 1;
        first = 2;
    }
    if (first < argc && strcmp(argv[first], "--") == 0)
        first++;
    if (name != NULL)
        signal = trap_signal_number(name);
    if (signal < 0) {
        shell_error("kill: invalid signal number or name: %s", name);
        return 2;
    }
    if (first >= argc) {
        shell_error("usage: kill [-s signal | -signal] pid..., kill -l [number]");
        return 2;
    }
    for (int i = first; i < argc; i++) {
        int result = kill_one(argv[i], signal);
        status = result != 0 ? result : status;
    }
    return status;
}
