/*
 * Simple commands: assignments, redirections, words.
 *
 * The first word is looked up in POSIX's order: special builtin, function, builtin, program. The
 * assignments in front of a special builtin stay; those in front of anything else last as long as
 * the command.
 */
#include "builtin.h"
#include "execute.h"
#include "expand.h"
#include "job.h"
#include "redirect.h"
#include "shell.h"
#include "trap.h"
#include "variable.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHELL_PATH "/bin/sh"

/* What of a simple command is left after expansion. */
struct command {
    const struct node *node;
    char **argv;
    size_t argc;
};

/* set -x: show the command, with the assignments as they came out. */
static void command_trace(const struct command *command, const struct text *assignments)
{
    struct text line = {0};
    text_add_string(&line, expand_prompt(variable_get("PS4")));
    text_add_bytes(&line, text_string(assignments), assignments->length);
    for (size_t i = 0; i < command->argc; i++) {
        text_add_string(&line, command->argv[i]);
        text_add(&line, ' ');
    }
    if (line.length > 0 && line.bytes[line.length - 1] == ' ')
        line.length--;
    text_add(&line, '\n');
    shell_write(STDERR_FILENO, text_string(&line), line.length);
    text_free(&line);
}

/*
 * Carry out the assignments, one after the other: a later one sees the earlier ones. Saved ones
 * are exported: they are for the command's environment.
 */
static bool command_assign(const struct command *command, bool save)
{
    struct text trace = {0};
    bool good = true;
    for (const struct assignment *a = command->node->assignments; a != NULL && good; a = a->next) {
        char *value = expand_assignment(a->value);
        if (save && shell.flow == FLOW_NEXT)
            variable_save(a->name);
        good = shell.flow == FLOW_NEXT && variable_set(a->name, value);
        if (good && save)
            variable_export(a->name);
        text_add_string(&trace, a->name);
        text_add(&trace, '=');
        text_add_string(&trace, value);
        text_add(&trace, ' ');
    }
    if (shell.trace && good)
        command_trace(command, &trace);
    text_free(&trace);
    return good;
}

/* Whether `path` is a file that may be executed. */
static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* The next candidate of a search through $PATH, in the temporary arena; NULL at the end. */
static char *path_next(const char **path, const char *name)
{
    if (*path == NULL)
        return NULL;
    size_t length = strcspn(*path, ":");
    struct text candidate = {0};
    text_add_bytes(&candidate, *path, length);
    if (length > 0)
        text_add(&candidate, '/');
    text_add_string(&candidate, name);
    *path = (*path)[length] == ':' ? *path + length + 1 : NULL;
    char *result = arena_copy(shell.temporary, candidate.bytes, candidate.length);
    text_free(&candidate);
    return result;
}

char *command_find_program(const char *name)
{
    const char *path = variable_get("PATH");
    char *candidate;
    if (strchr(name, '/') != NULL)
        return is_program(name) ? arena_copy(shell.temporary, name, strlen(name)) : NULL;
    while (*name != '\0' && (candidate = path_next(&path, name)) != NULL) {
        if (is_program(candidate))
            return candidate;
    }
    return NULL;
}

/* Run a file that execve() does not know as a script: by its #! line, or by the shell. */
static void become_script(const char *path, char **argv, char **environment)
{
    char line[256] = "", *interpreter = SHELL_PATH, *argument = NULL;
    size_t count = 0, n = 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = descriptor >= 0 ? read(descriptor, line, sizeof(line) - 1) : 0;
    if (length > 0 && memchr(line, '\0', (size_t)length) != NULL)
        return;
    if (strncmp(line, "#!", 2) == 0) {
        line[strcspn(line, "\n")] = '\0';
        interpreter = line + 2 + strspn(line + 2, " \t");
        argument = interpreter + strcspn(interpreter, " \t");
        if (*argument != '\0') {
            *argument++ = '\0';
            argument += strspn(argument, " \t");
        }
    }
    while (argv[count] != NULL)
        count++;
    char **arguments = arena_allocate(shell.temporary, (count + 3) * sizeof(*arguments));
    arguments[n++] = interpreter;
    if (argument != NULL && *argument != '\0')
        arguments[n++] = argument;
    arguments[n++] = arena_copy(shell.temporary, path, strlen(path));
    memcpy(arguments + n, argv + 1, (count - 1) * sizeof(*arguments));
    execve(interpreter, arguments, environment);
}

void command_become_program(char **argv, char **environment)
{
    const char *path = strchr(argv[0], '/') != NULL ? NULL : variable_get("PATH");
    char *candidate = path != NULL && *argv[0] != '\0' ? path_next(&path, argv[0]) : argv[0];
    int error = ENOENT;
    for (; candidate != NULL; candidate = path_next(&path, argv[0])) {
        execve(candidate, argv, environment);
        if (errno == ENOEXEC) {
            become_script(candidate, argv, environment);
            errno = ENOEXEC;
        }
        if (errno != ENOENT && errno != ENOTDIR)
            error = errno;
        if (error == ENOEXEC || error == E2BIG || error == ENOMEM)
            break;
    }
    if (error == ENOENT)
        shell_die(127, "%s: not found", argv[0]);
    shell_die(126, "%s: %s", argv[0], strerror(error));
}

/* A program: in this process if that has nothing else to do, else in a child. */
static int command_run_program(const struct command *command, bool is_last)
{
    if (is_last && !trap_is_any_set())
        command_become_program(command->argv, variable_environment());
    struct job *job = job_create(command->node->source);
    pid_t pid = job_fork(job, FORK_FOREGROUND);
    if (pid == 0)
        command_become_program(command->argv, variable_environment());
    return job_wait_foreground(job);
}

/* The assignments of `x=1 y=2` alone, or a redirection alone. */
static int command_run_nothing(const struct command *command)
{
    struct redirect_saved *saved = NULL;
    bool good =
        command_assign(command, false) && redirect_apply(command->node->redirections, &saved);
    redirect_undo(saved);
    if (!good)
        return shell.flow == FLOW_NEXT ? 2 : shell.status;
    return shell.captured ? shell.status : 0;
}

/* A command with words. The redirections are made here, so that they hold for messages as well. */
static int command_run(const struct command *command, bool is_last)
{
    struct redirect_saved *saved = NULL;
    const char *name = command->argv[0];
    const struct builtin *builtin = builtin_find(name);
    bool is_special = builtin != NULL && builtin->is_special;
    bool is_function = !is_special && function_exists(name);
    bool stays = builtin != NULL && builtin->run == builtin_exec;
    int status = 2;
    if (!is_special)
        variable_scope_begin();
    bool good = command_assign(command, !is_special) &&
                redirect_apply(command->node->redirections, stays ? NULL : &saved);
    if (!good && is_special && shell.flow == FLOW_NEXT)
        shell.flow = FLOW_ABORT;
    if (good && is_function)
        status = function_call(name, (int)command->argc, command->argv);
    else if (good && builtin != NULL)
        status = builtin->run((int)command->argc, command->argv);
    else if (good)
        status = command_run_program(command, is_last);
    redirect_undo(saved);
    if (!is_special)
        variable_scope_end();
    if (shell.flow == FLOW_ABORT && !good)
        shell.status = 2;
    return shell.flow == FLOW_ABORT ? shell.status : status;
}

int command_execute(const struct node *node, bool is_last)
{
    struct arena_mark mark = arena_mark(shell.temporary);
    struct command command = {.node = node};
    int status;
    shell.line = node->line;
    shell.captured = false;
    command.argv = expand_words(node->words, &command.argc);
    if (shell.flow != FLOW_NEXT) {
        arena_rewind(shell.temporary, mark);
        return shell.status;
    }
    status = command.argc > 0 ? command_run(&command, is_last) : command_run_nothing(&command);
    arena_rewind(shell.temporary, mark);
    return status;
}

int command_run_words(int argc, char **argv)
{
    struct node node = {.kind = NODE_SIMPLE, .line = shell.line};
    struct command command = {&node, argv, (size_t)argc};
    const struct builtin *builtin = builtin_find(argv[0]);
    return builtin != NULL ? builtin->run(argc, argv) : command_run_program(&command, false);
}
