/*
 * sh: a POSIX shell.
 *
 *      sh [-efnuvx] [-o option] [file [argument...]]
 *      sh -c command [name [argument...]]
 *      sh [-i] [-s [argument...]]
 *
 * How the parts hang together, in the order in which a command passes them:
 *
 *      input.c                       lines from a string, a file or the console (edit.c)
 *      lexer.c word.c                characters -> tokens and words
 *      parser.c compound.c           tokens -> a tree (syntax.h)
 *      execute.c command.c           walk the tree
 *      expand.c parameter.c          words -> characters with marks
 *      arithmetic.c field.c glob.c   ... -> numbers, fields, file names
 *      redirect.c job.c trap.c       descriptors, processes, signals
 *      builtin*.c test.c getopts.c   commands of the shell's own
 *      variable.c pattern.c memory.c what all of them use
 *
 * One complete command is read, run and forgotten before the next one is read.
 */
#include "edit.h"
#include "execute.h"
#include "input.h"
#include "job.h"
#include "parser.h"
#include "redirect.h"
#include "shell.h"
#include "trap.h"
#include "variable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct shell shell = {.name = "sh"};

/* After an error or ^C: an interactive shell goes on with the next line. */
static bool recover(struct input *input)
{
    if (shell.flow != FLOW_ABORT || !shell.interactive)
        return shell.flow == FLOW_NEXT;
    shell.flow = FLOW_NEXT;
    shell.loop_depth = shell.untested_depth = shell.function_depth = 0;
    input->at_end = false;
    input_discard_line(input);
    return true;
}

/* Whether only white space is left of a string, so that what was read is its last command. */
static bool nothing_follows(const struct input *input)
{
    return input->refill == NULL &&
           input->position + strspn(input->text + input->position, " \t\n") >= input->length;
}

/* Read and run until the end. Returns the status of the last command. */
static int run(struct input *input, bool is_last)
{
    bool is_console = shell.interactive && input->refill != NULL;
    bool ran = false;
    for (;;) {
        struct arena_mark mark = arena_mark(shell.temporary);
        struct arena *arena = arena_create();
        struct node *command;
        if (is_console)
            trap_take_interrupt();
        enum parse_result result = parser_read_command(input, arena, &command);
        if (result == PARSE_ERROR) {
            shell.status = input->interrupted ? 130 : 2;
            shell.flow = FLOW_ABORT;
        } else if (result == PARSE_COMMAND && command != NULL) {
            ran = true;
            execute_command(command, arena, is_last && nothing_follows(input));
        }
        arena_release(arena);
        arena_rewind(shell.temporary, mark);
        if (result == PARSE_END || !(is_console ? recover(input) : shell.flow == FLOW_NEXT))
            break;
    }
    if (!ran && shell.flow == FLOW_NEXT)
        shell.status = 0;
    return shell.status;
}

int shell_run_string(const char *text)
{
    struct input input;
    input_from_string(&input, text, strlen(text), 1);
    return run(&input, false);
}

bool shell_run_file(const char *path)
{
    struct input input;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0)
        descriptor = redirect_move_away(descriptor);
    if (descriptor < 0)
        return false;
    input_from_file(&input, descriptor, false);
    run(&input, false);
    input_close(&input);
    return true;
}

void shell_exit(void)
{
    trap_run_exit();
    _exit(shell.status & 0xff);
}

/* Take the options off the command line. Returns the index of the first operand. */
static int parse_options(int argc, char **argv, char *mode)
{
    int i = 1;
    for (; i < argc && (argv[i][0] == '-' || argv[i][0] == '+') && argv[i][1] != '\0'; i++) {
        bool value = argv[i][0] == '-';
        if (strcmp(argv[i], "--") == 0)
            return i + 1;
        for (const char *letter = argv[i] + 1; *letter != '\0'; letter++) {
            bool good = true;
            if (*letter == 'c' || *letter == 's')
                *mode = *letter;
            else if (*letter == 'i')
                shell.interactive = true;
            else if (*letter == 'o')
                good = i + 1 < argc && shell_set_named_option(argv[++i], value);
            else if (*letter != 'l')
                good = shell_set_option(*letter, value);
            if (!good)
                shell_die(2, "Illegal option -%c", *letter);
            if (*letter == 'o')
                break;
        }
    }
    return i;
}

static void run_command_argument(int argc, char **argv, int first)
{
    struct input input;
    if (first >= argc)
        shell_die(2, "-c requires an argument");
    if (first + 1 < argc) {
        shell.name = argv[first + 1];
        shell_set_parameters((size_t)(argc - first - 2), argv + first + 2);
    }
    input_from_string(&input, argv[first], strlen(argv[first]), 1);
    run(&input, !shell.interactive);
}

static void run_script(int argc, char **argv, int first)
{
    shell.name = argv[first];
    shell_set_parameters((size_t)(argc - first - 1), argv + first + 1);
    if (!shell_run_file(argv[first])) {
        int error = errno;
        shell.name = "sh";
        shell_die(error == ENOENT ? 127 : 126, "cannot open %s: %s", argv[first],
                  error == ENOENT ? "No such file" : strerror(error));
    }
}

static void run_standard_input(int argc, char **argv, int first)
{
    struct input input;
    if (first < argc)
        shell_set_parameters((size_t)(argc - first), argv + first);
    if (isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1)
        shell.interactive = true;
    if (!shell.interactive) {
        input_from_file(&input, STDIN_FILENO, true);
    } else {
        job_start_interactive();
        trap_start_interactive();
        input_from_console(&input);
    }
    run(&input, false);
}

int main(int argc, char **argv, char **environment)
{
    char mode = 0;
    shell.temporary = arena_create();
    shell.pid = getpid();
    variable_start(environment);
    int first = parse_options(argc, argv, &mode);
    if (mode == 'c') {
        run_command_argument(argc, argv, first);
    } else if (mode == 's' || first >= argc) {
        if (argc > 0)
            shell.name = argv[0];
        run_standard_input(argc, argv, first);
    } else {
        run_script(argc, argv, first);
    }
    shell_exit();
}
