/*
 * Running the tree.
 */
#pragma once

#include "memory.h"
#include "syntax.h"

#include <stdbool.h>

/*
 * Run a chain of commands, or one. `is_last`: this process has nothing to do afterwards, so it
 * may become the last command's program. Both set and return shell.status.
 */
int execute_list(const struct node *list, bool is_last);
int execute_node(const struct node *node, bool is_last);

/* Run a complete command that lies in the arena, which functions it defines will hold. */
int execute_command(const struct node *list, struct arena *arena, bool is_last);

/* In a child process: run the commands and end. */
void execute_and_exit(const struct node *list) __attribute__((noreturn));

/* After a command that failed: with set -e the shell ends, unless the command was a condition. */
void execute_check_status(void);

/* Functions. */
bool function_exists(const char *name);
void function_remove(const char *name);
int function_call(const char *name, int argc, char **argv);

/* A simple command (command.c). */
int command_execute(const struct node *node, bool is_last);

/* Run words as a command without looking for functions. */
int command_run_words(int argc, char **argv);

/* Become the program. Returns only by exiting, with 126 or 127 after a message. */
void command_become_program(char **argv, char **environment) __attribute__((noreturn));

/* The file that a command's name stands for, in the temporary arena, or NULL. */
char *command_find_program(const char *name);
