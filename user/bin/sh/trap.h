/*
 * Signals of the shell itself: `trap`, and ^C at the prompt.
 */
#pragma once

#include <stdbool.h>

/* Set the signals that an interactive shell does not die from. */
void trap_start_interactive(void);

/* In a child: signals with a trap get their default action back; ignored ones stay ignored. */
void trap_reset_in_child(void);

/* Signals that a background command without job control ignores. */
void trap_ignore_interrupts(void);

/* Whether a command must run here, in this process, at its end or when a signal comes. */
bool trap_is_any_set(void);

/* Run the commands of the signals that came. */
void trap_run_pending(void);

/* The number of a trapped signal that has come, or 0; its command has not run. */
int trap_pending_signal(void);

/* Whether ^C was typed since the last call of this. */
bool trap_take_interrupt(void);

/* As if it was: a foreground job died of it. */
void trap_interrupt(void);

/* Run the EXIT trap, if there is one; once. */
void trap_run_exit(void);

/* The `trap` command. */
int builtin_trap(int argc, char **argv);

/* The number of a signal given by name (with or without SIG) or number; -1 if there is none. */
int trap_signal_number(const char *name);
