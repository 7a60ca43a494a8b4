/*
 * Signals of the shell itself.
 *
 * A handler only sets a flag. The interpreter looks at the flags between two commands and when a
 * wait was interrupted, and runs the commands there, so a trap's command never runs in the middle
 * of something else. The interrupt of an interactive shell is a flag of its own: it makes the
 * interpreter give up whatever it runs and go back to the prompt.
 *
 * A signal that was ignored when a non-interactive shell started stays ignored whatever `trap`
 * says: nohup and background commands rely on that.
 */
#include "trap.h"
#include "builtin.h"
#include "shell.h"
#include "variable.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SIGNAL_COUNT 65 /* 0 is EXIT */

/* NULL: the default action; "": ignored; else the command. */
static char *trap_commands[SIGNAL_COUNT];
static bool trap_was_ignored[SIGNAL_COUNT], trap_is_checked[SIGNAL_COUNT];

static volatile sig_atomic_t trap_flags[SIGNAL_COUNT];
static volatile sig_atomic_t trap_any_flag, trap_interrupt_flag;

static const int interactive_signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};

#define INTERACTIVE_COUNT (sizeof(interactive_signals) / sizeof(interactive_signals[0]))

static void trap_handler(int signal)
{
    if (signal == SIGINT && shell.interactive)
        trap_interrupt_flag = 1;
    trap_flags[signal] = 1;
    trap_any_flag = 1;
}

static void trap_set_action(int signal, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    sigaction(signal, &action, NULL);
}

/* What the signal does when no trap is set. */
static void trap_set_default(int signal)
{
    bool is_special = false;
    for (size_t i = 0; i < INTERACTIVE_COUNT; i++)
        is_special |= shell.interactive && interactive_signals[i] == signal;
    if (is_special)
        trap_set_action(signal, signal == SIGINT ? trap_handler : SIG_IGN);
    else
        trap_set_action(signal, SIG_DFL);
}

void trap_start_interactive(void)
{
    for (size_t i = 0; i < INTERACTIVE_COUNT; i++)
        trap_set_default(interactive_signals[i]);
}

void trap_reset_in_child(void)
{
    bool was_interactive = shell.interactive;
    shell.interactive = false;
    for (size_t i = 0; i < INTERACTIVE_COUNT && was_interactive; i++) {
        if (trap_commands[interactive_signals[i]] == NULL)
            trap_set_action(interactive_signals[i], SIG_DFL);
    }
    if (was_interactive && trap_interrupt_flag)
        raise(SIGINT); /* it came before the default action was there */
    for (int signal = 0; signal < SIGNAL_COUNT; signal++) {
        if (trap_commands[signal] == NULL || trap_commands[signal][0] == '\0')
            continue;
        free(trap_commands[signal]);
        trap_commands[signal] = NULL;
        trap_flags[signal] = 0;
        if (signal > 0)
            trap_set_action(signal, SIG_DFL);
    }
}

void trap_ignore_interrupts(void)
{
    trap_set_action(SIGINT, SIG_IGN);
    trap_set_action(SIGQUIT, SIG_IGN);
}

bool trap_is_any_set(void)
{
    for (int signal = 0; signal < SIGNAL_COUNT; signal++) {
        if (trap_commands[signal] != NULL && trap_commands[signal][0] != '\0')
            return true;
    }
    return false;
}

/* Run a trap's command; the status of what it came between stays. */
static void trap_run(int signal)
{
    int status = shell.status;
    enum flow flow = shell.flow;
    char *command = memory_copy(trap_commands[signal]);
    shell.flow = FLOW_NEXT;
    shell_run_string(command);
    free(command);
    if (shell.flow == FLOW_NEXT) {
        shell.flow = flow;
        shell.status = status;
    }
}

void trap_run_pending(void)
{
    while (trap_any_flag) {
        trap_any_flag = 0;
        for (int signal = 1; signal < SIGNAL_COUNT; signal++) {
            if (!trap_flags[signal])
                continue;
            trap_flags[signal] = 0;
            if (trap_commands[signal] != NULL && trap_commands[signal][0] != '\0')
                trap_run(signal);
        }
    }
}

int trap_pending_signal(void)
{
    for (int signal = 1; signal < SIGNAL_COUNT && trap_any_flag; signal++) {
        if (trap_flags[signal])
            return signal;
    }
    return 0;
}

bool trap_take_interrupt(void)
{
    bool interrupted = trap_interrupt_flag;
    trap_interrupt_flag = 0;
    return interrupted && trap_commands[SIGINT] == NULL;
}

void trap_interrupt(void)
{
    trap_interrupt_flag = 1;
}

void trap_run_exit(void)
{
    if (trap_commands[0] == NULL)
        return;
    char *command = trap_commands[0];
    trap_commands[0] = NULL;
    int status = shell.status;
    shell.flow = FLOW_NEXT;
    shell_run_string(command);
    if (shell.flow != FLOW_EXIT)
        shell.status = status;
    free(command);
}

int trap_signal_number(const char *name)
{
    if (name[0] >= '0' && name[0] <= '9') {
        char *end;
        long number = strtol(name, &end, 10);
        return *end == '\0' && number < SIGNAL_COUNT ? (int)number : -1;
    }
    if (strcasecmp(name, "EXIT") == 0)
        return 0;
    return signal_number(name);
}

static void trap_set(int signal, const char *command)
{
    if (signal > 0 && !trap_is_checked[signal]) {
        struct sigaction old;
        trap_is_checked[signal] = true;
        trap_was_ignored[signal] =
            !shell.interactive && sigaction(signal, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
    }
    if (trap_was_ignored[signal])
        return;
    free(trap_commands[signal]);
    trap_commands[signal] = command != NULL ? memory_copy(command) : NULL;
    if (signal == 0)
        return;
    if (command == NULL)
        trap_set_default(signal);
    else
        trap_set_action(signal, command[0] == '\0' ? SIG_IGN : trap_handler);
}

static void trap_print(void)
{
    struct text text = {0};
    for (int signal = 0; signal < SIGNAL_COUNT; signal++) {
        if (trap_commands[signal] == NULL)
            continue;
        text_add_string(&text, "trap -- ");
        text_add_quoted(&text, trap_commands[signal]);
        text_add(&text, ' ');
        text_add_string(&text, signal == 0 ? "EXIT" : signal_name(signal));
        text_add(&text, '\n');
    }
    shell_write(STDOUT_FILENO, text_string(&text), text.length);
    text_free(&text);
}

int builtin_trap(int argc, char **argv)
{
    int first = 1, status = 0;
    if (argc > 1 && strcmp(argv[1], "--") == 0)
        first++;
    if (first >= argc) {
        trap_print();
        return 0;
    }
    const char *command = argv[first];
    bool is_default = strcmp(command, "-") == 0;
    if (first == argc - 1 || (command[0] >= '0' && command[0] <= '9'))
        is_default = true;
    else
        first++;
    for (int i = first; i < argc; i++) {
        int signal = trap_signal_number(argv[i]);
        if (signal < 0 || signal == SIGKILL || signal == SIGSTOP) {
            shell_error("trap: %s: bad trap", argv[i]);
            status = 1;
        } else {
            trap_set(signal, is_default ? NULL : command);
        }
    }
    return status;
}
