/*
 * From words to strings: parameters, commands, arithmetic, field splitting, file names.
 *
 * Results lie in the temporary arena. After an error shell.flow is not FLOW_NEXT and the result
 * is to be thrown away.
 */
#pragma once

#include "memory.h"
#include "syntax.h"

#include <stddef.h>

/* All expansions: any number of fields from a chain of words. NULL-terminated. */
char **expand_words(const struct word *words, size_t *count);

/* One string from one word: no splitting, no file names. */
char *expand_word(const struct word *word);

/* The same for the value of an assignment, where a tilde also stands behind colons. */
char *expand_assignment(const struct word *word);

/* The same for a pattern: quoted characters come out behind backslashes. */
char *expand_pattern(const struct word *word);

/* A prompt or $PS4: a string as in double quotes. */
char *expand_prompt(const char *prompt);

/*
 * Characters under expansion, each with a mark that says what may still happen to it.
 */
struct expansion {
    struct text bytes;
    struct text marks; /* one of the following for each byte */
    bool is_assignment;
};

#define MARK_PLAIN  'p' /* written without quotes: may be part of a file name pattern */
#define MARK_QUOTED 'q' /* nothing happens to it */
#define MARK_RESULT 'r' /* from an unquoted expansion: is split into fields, may be a pattern */
#define MARK_BREAK  'b' /* no character: here "$@" ends a field */
#define MARK_EMPTY  'e' /* no character: quotes around nothing, which make a field */

void expansion_add(struct expansion *expansion, const char *string, char mark);
void expansion_mark(struct expansion *expansion, char mark);
void expansion_free(struct expansion *expansion);

/* Expand a word's parts. `mark` is what unquoted text gets: MARK_PLAIN or MARK_RESULT. */
void expansion_add_word(struct expansion *expansion, const struct word *word, char mark);

/* The whole expansion as a string or as a pattern. */
char *expansion_string(const struct expansion *expansion);
char *expansion_pattern(const struct expansion *expansion);

/* One ${...} (parameter.c). */
void parameter_expand(struct expansion *expansion, const struct part *part);

/* Split the expansion and add the fields, file names expanded, to a list (field.c). */
struct field_list {
    char **fields;
    size_t count, capacity;
};

void field_split(const struct expansion *expansion, struct field_list *list);
void field_add(struct field_list *list, char *field);

/* Add the files that a pattern matches, sorted; false when there is none (glob.c). */
bool glob_expand(const char *pattern, struct field_list *list);
