/*
 * The state that all parts of the shell share.
 */
#pragma once

#include "memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the interpreter does after the current command. */
enum flow {
    FLOW_NEXT,
    FLOW_BREAK,    /* leave shell.flow_levels loops */
    FLOW_CONTINUE, /* the same, and go on with the outermost of them */
    FLOW_RETURN,   /* leave the function or the file of `.` */
    FLOW_EXIT,     /* leave the shell */
    FLOW_ABORT,    /* an error or ^C: back to the prompt, or leave a shell that has none */
};

struct shell {
    const char *name;      /* $0 */
    unsigned line;         /* of the command that runs, for messages */
    pid_t pid;             /* $$ */
    int status;            /* $? */
    pid_t last_background; /* $!, 0 when there was none */

    bool captured; /* a command substitution ran since the current command began */

    enum flow flow;
    unsigned flow_levels;
    unsigned loop_depth;     /* loops around the current command */
    unsigned function_depth; /* functions and dot files around it */
    unsigned untested_depth; /* conditions around it, in which set -e does nothing */

    size_t parameter_count; /* $# */
    char **parameters;      /* $1 is parameters[0]; malloc memory, like each string */

    bool interactive;
    bool job_control;
    bool in_subshell;
    bool exit_on_error, no_glob, no_execution, unset_is_error, trace, verbose;

    struct arena *temporary;
};

extern struct shell shell;

/* Print to standard error, with "name: line: " in front and a newline behind. */
void shell_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and give the current command up: status 2 and FLOW_ABORT. */
void shell_abort(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and end the process at once. */
void shell_die(int status, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

/* End the shell with shell.status after the EXIT trap. */
void shell_exit(void) __attribute__((noreturn));

/* Formatted output to a descriptor, unbuffered. Returns 0, or -1 when it could not be written. */
int shell_print(int descriptor, const char *format, ...) __attribute__((format(printf, 2, 3)));
int shell_write(int descriptor, const char *bytes, size_t length);

/* Run the text as commands. Returns the status of the last one. */
int shell_run_string(const char *text);

/* Run a file, as `.` and `sh file` do. Returns false, with errno, when it cannot be opened. */
bool shell_run_file(const char *path);

/* Replace $1... by copies of the strings. */
void shell_set_parameters(size_t count, char *const values[]);

/* Take one letter of `set -x` or one name of `set -o name`; false when there is none such. */
bool shell_set_option(char letter, bool value);
bool shell_set_named_option(const char *name, bool value);
void shell_option_letters(struct text *text);
void shell_print_options(void);
