/*
 * The table of builtins, and those that steer the shell.
 *
 * A command is builtin because it changes the shell itself (cd, set, exit), because it asks about
 * it (type, jobs), or only to save a process (echo, test, true).
 */
#include "builtin.h"
#include "execute.h"
#include "job.h"
#include "shell.h"
#include "trap.h"
#include "variable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct builtin builtin_table[] = {
    {".", builtin_dot, true},
    {":", builtin_colon, true},
    {"[", builtin_test, false},
    {"bg", builtin_bg, false},
    {"break", builtin_break, true},
    {"cd", builtin_cd, false},
    {"command", builtin_command, false},
    {"continue", builtin_break, true},
    {"echo", builtin_echo, false},
    {"eval", builtin_eval, true},
    {"exec", builtin_exec, true},
    {"exit", builtin_exit, true},
    {"export", builtin_export, true},
    {"false", builtin_false, false},
    {"fg", builtin_fg, false},
    {"getopts", builtin_getopts, false},
    {"jobs", builtin_jobs, false},
    {"kill", builtin_kill, false},
    {"local", builtin_local, true},
    {"printf", builtin_printf, false},
    {"pwd", builtin_pwd, false},
    {"read", builtin_read, false},
    {"readonly", builtin_export, true},
    {"return", builtin_return, true},
    {"set", builtin_set, true},
    {"shift", builtin_shift, true},
    {"test", builtin_test, false},
    {"trap", builtin_trap, true},
    {"true", builtin_colon, false},
    {"type", builtin_type, false},
    {"umask", builtin_umask, false},
    {"unset", builtin_unset, true},
    {"wait", builtin_wait, false},
};

#define BUILTIN_COUNT (sizeof(builtin_table) / sizeof(builtin_table[0]))

const struct builtin *builtin_find(const char *name)
{
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        if (strcmp(builtin_table[i].name, name) == 0)
            return &builtin_table[i];
    }
    return NULL;
}

const char *builtin_name(unsigned index)
{
    return index < BUILTIN_COUNT ? builtin_table[index].name : NULL;
}

int builtin_colon(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int builtin_false(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 1;
}

/* The number in an argument; false after a message and an abort. */
static bool number_argument(const char *command, const char *text, long *number)
{
    char *end;
    *number = strtol(text, &end, 10);
    if (*end == '\0' && end != text && *number >= 0)
        return true;
    shell_abort("%s: Illegal number: %s", command, text);
    return false;
}

/* break [n], continue [n] */
int builtin_break(int argc, char **argv)
{
    long levels = 1;
    if (argc > 1 && !number_argument(argv[0], argv[1], &levels))
        return 2;
    if (argc > 1 && levels == 0) {
        shell_abort("%s: Illegal number: %s", argv[0], argv[1]);
        return 2;
    }
    if (shell.loop_depth == 0)
        return 0;
    shell.flow = argv[0][0] == 'b' ? FLOW_BREAK : FLOW_CONTINUE;
    shell.flow_levels = levels > (long)shell.loop_depth ? shell.loop_depth : (unsigned)levels;
    return 0;
}

/* return [n], exit [n]: without a number the last status stays */
static int leave(int argc, char **argv, enum flow flow)
{
    long status = shell.status;
    if (argc > 1 && !number_argument(argv[0], argv[1], &status))
        return 2;
    shell.flow = flow;
    return shell.status = (int)(status & 0xff);
}

int builtin_return(int argc, char **argv)
{
    return leave(argc, argv, shell.function_depth > 0 ? FLOW_RETURN : FLOW_EXIT);
}

int builtin_exit(int argc, char **argv)
{
    return leave(argc, argv, FLOW_EXIT);
}

int builtin_eval(int argc, char **argv)
{
    struct text text = {0};
    for (int i = 1; i < argc; i++) {
        if (i > 1)
            text_add(&text, ' ');
        text_add_string(&text, argv[i]);
    }
    int status = shell_run_string(text_string(&text));
    text_free(&text);
    return status;
}

/* . file: looked for in $PATH when its name has no slash */
int builtin_dot(int argc, char **argv)
{
    if (argc < 2)
        return 0;
    const char *path = argv[1];
    const char *directories = strchr(path, '/') != NULL ? NULL : variable_get("PATH");
    struct text candidate = {0};
    while (directories != NULL) {
        size_t length = strcspn(directories, ":");
        text_clear(&candidate);
        text_add_bytes(&candidate, directories, length);
        text_add_string(&candidate, length > 0 ? "/" : "");
        text_add_string(&candidate, argv[1]);
        if (access(text_string(&candidate), R_OK) == 0) {
            path = text_string(&candidate);
            break;
        }
        directories = directories[length] == ':' ? directories + length + 1 : NULL;
    }
    bool missing = directories == NULL && strchr(argv[1], '/') == NULL;
    shell.function_depth++;
    shell.status = 0;
    if (missing)
        shell_abort(".: %s: not found", argv[1]);
    else if (!shell_run_file(path))
        shell_abort(".: cannot open %s: %s", path, strerror(errno));
    shell.function_depth--;
    text_free(&candidate);
    if (shell.flow == FLOW_RETURN)
        shell.flow = FLOW_NEXT;
    return shell.status;
}

/* exec [command]: without one, only its redirections stay */
int builtin_exec(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--") == 0) {
        argc--;
        argv++;
    }
    if (argc < 2)
        return 0;
    trap_reset_in_child();
    command_become_program(argv + 1, variable_environment());
}

static bool is_reserved_word(const char *name)
{
    static const char *const words[] = {"!",    "{",    "}",     "case", "do",  "done",
                                        "elif", "else", "esac",  "fi",   "for", "if",
                                        "in",   "then", "until", "while"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], name) == 0)
            return true;
    }
    return false;
}

/* Say what a command name stands for, in words or as `command -v` does. */
static int describe(const char *name, bool in_words)
{
    const struct builtin *builtin = builtin_find(name);
    const char *program = NULL, *kind = NULL;
    if (is_reserved_word(name))
        kind = "a shell keyword";
    else if (builtin != NULL && builtin->is_special)
        kind = "a special shell builtin";
    else if (function_exists(name))
        kind = "a shell function";
    else if (builtin != NULL)
        kind = "a shell builtin";
    else
        program = command_find_program(name);
    if (kind != NULL && in_words)
        shell_print(STDOUT_FILENO, "%s is %s\n", name, kind);
    else if (program != NULL && in_words)
        shell_print(STDOUT_FILENO, "%s is %s\n", name, program);
    else if (kind != NULL || program != NULL)
        shell_print(STDOUT_FILENO, "%s\n", program != NULL ? program : name);
    else if (in_words)
        shell_print(STDOUT_FILENO, "%s: not found\n", name);
    return kind != NULL || program != NULL ? 0 : 127;
}

int builtin_type(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc; i++)
        status = describe(argv[i], true) != 0 ? 127 : status;
    return status;
}

/* command [-v | -V] name: skip functions, or tell what would run */
int builtin_command(int argc, char **argv)
{
    if (argc < 2)
        return 0;
    if (strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "-V") == 0)
        return argc > 2 ? describe(argv[2], argv[1][1] == 'V') : 2;
    bool skip = strcmp(argv[1], "--") == 0 || strcmp(argv[1], "-p") == 0;
    if (argc <= 1 + skip)
        return 0;
    return command_run_words(argc - 1 - skip, argv + 1 + skip);
}
