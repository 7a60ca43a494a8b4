/* A compiled regular expression, as compile.c makes it and pattern.c runs it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum operation { SET, SPLIT, JUMP, LINE_START, LINE_END, WORD_START, WORD_END, WORD_EDGE, MATCH };

struct instruction {
    enum operation operation;
    int first, second;   /* SPLIT: both ways, JUMP: the way; relative to this instruction */
    uint64_t members[4]; /* SET: a bit a character */
};

struct pattern {
    struct instruction *program;
    int count, capacity;
    bool whole_words, whole_lines;
    int *threads, *next_threads, *stack; /* for pattern_match: `count` each, stack twice */
    unsigned *seen;                      /* the step at which an instruction was last reached */
};

static inline bool set_has(const struct instruction *set, unsigned char c)
{
    return set->members[c >> 6] >> (c & 63) & 1;
}
