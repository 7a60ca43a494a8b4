/*
 * Where commands come from: a string, a file, or the console.
 */
#pragma once

#include "memory.h"

#include <stdbool.h>
#include <stddef.h>

struct input {
    const char *text; /* the current line, or all of a string */
    size_t position, length;
    unsigned line;    /* number of the line that is read now */
    bool at_end;      /* nothing comes after `text` */
    bool interrupted; /* ^C was typed in the middle of a command */
    bool in_command;  /* a command was begun: the console shows the second prompt */
    bool (*refill)(struct input *input);

    int descriptor;
    bool shared;         /* programs read from it as well: take no more than the line */
    struct text current; /* the line of a file */
    char block[512];
    size_t block_position, block_length;
};

#define INPUT_END (-1)

void input_from_string(struct input *input, const char *text, size_t length, unsigned line);
void input_from_file(struct input *input, int descriptor, bool shared);
void input_from_console(struct input *input);
void input_close(struct input *input);

/* The next character, or INPUT_END. A backslash before a newline is skipped with it. */
int input_peek(struct input *input);
int input_get(struct input *input);

/* The same without that rule: after a backslash, in single quotes. */
int input_get_raw(struct input *input);

/* Forget the rest of the current line, after an error at the console. */
void input_discard_line(struct input *input);
