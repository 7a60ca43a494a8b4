/*
 * The lines that were typed, in a ring; the oldest is forgotten first.
 */
#include "edit.h"

#include <stdlib.h>
#include <string.h>

#define HISTORY_SIZE 500

static char *history_lines[HISTORY_SIZE];
static unsigned history_count; /* of all lines ever added */

const char *history_get(unsigned back)
{
    if (back == 0 || back > history_count || back > HISTORY_SIZE)
        return NULL;
    return history_lines[(history_count - back) % HISTORY_SIZE];
}

void history_add(const char *line, size_t length)
{
    const char *last = history_get(1);
    if (length == 0 || (last != NULL && strcmp(last, line) == 0))
        return;
    char **slot = &history_lines[history_count++ % HISTORY_SIZE];
    free(*slot);
    *slot = memory_copy(line);
}

unsigned history_search(const char *text, unsigned back)
{
    for (const char *line; (line = history_get(back)) != NULL; back++) {
        if (strstr(line, text) != NULL)
            return back;
    }
    return 0;
}
