/*
 * Variables: values, export, read-only, local to a function.
 */
#pragma once

#include "memory.h"

#include <stdbool.h>
#include <stddef.h>

bool variable_is_name_start(int c);
bool variable_is_name_character(int c);
size_t variable_name_length(const char *string); /* 0 when no name begins there */
bool variable_is_name(const char *string);

/* Take over the environment and set what a shell sets itself. */
void variable_start(char *const environment[]);

/* The value, or NULL when it is not set. Valid until it is assigned. */
const char *variable_get(const char *name);

/* Assign; NULL takes the value away. Returns false, after a message and shell_abort, when it is
 * read-only. */
bool variable_set(const char *name, const char *value);
bool variable_unset(const char *name);

void variable_export(const char *name);
void variable_make_readonly(const char *name);

/* Print the variables, sorted: all of them, the exported, or the read-only ones. */
enum variable_selection { VARIABLE_ALL, VARIABLE_EXPORTED, VARIABLE_READONLY };
void variable_print(enum variable_selection selection);

/* The environment for a program: NULL-terminated, in the temporary arena. */
char **variable_environment(void);

/*
 * Scopes: what variable_save() remembers is put back when the scope ends. For `local` and for the
 * assignments in front of a command.
 */
void variable_scope_begin(void);
void variable_scope_end(void);
void variable_save(const char *name);

/* The value of $name with the special parameters. NULL when it is not set. */
const char *parameter_get(const char *name);

/* Add a string in single quotes, as the shell would read it back. */
void text_add_quoted(struct text *text, const char *string);
