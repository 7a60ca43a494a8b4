/*
 * Reading a line from the console, with editing, history and completion.
 */
#pragma once

#include "memory.h"

#include <stdbool.h>

enum edit_result {
    EDIT_LINE,        /* there is one; it ends with a newline */
    EDIT_END,         /* ^D in an empty line, or the end of the file */
    EDIT_INTERRUPTED, /* ^C */
};

enum edit_result edit_read_line(const char *prompt, struct text *line);

/*
 * History (history.c). Entries are counted back from the newest, which is 1.
 */

/* Remember a line, unless it is empty or the same as the one before. */
void history_add(const char *line, size_t length);
const char *history_get(unsigned back); /* NULL when there is none so old */

/* The newest entry at `back` or older that contains the text; 0 when there is none. */
unsigned history_search(const char *text, unsigned back);

/*
 * Completion (complete.c).
 */

/*
 * Find out how the word before `cursor` may go on: `insertion` gets what all possibilities have
 * in common, with a slash or a space behind a single one, and `listing` the possibilities, if
 * there are several. Uses the temporary arena.
 */
void complete_word(const char *line, size_t cursor, struct text *insertion, struct text *listing);
