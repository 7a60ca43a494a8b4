/*
 * Regular expressions: POSIX basic and extended ones, without back references.
 * Theory in pattern.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pattern;

struct pattern_options {
    bool extended; /* + ? | ( ) { } without backslashes */
    bool fixed;    /* no operators at all */
    bool ignores_case;
    bool whole_words;
    bool whole_lines;
};

/* Compile the expression. Returns NULL with *error set to what is wrong with it. */
struct pattern *pattern_compile(const char *text, const struct pattern_options *options,
                                const char **error);

/*
 * Find the leftmost match, and of those that begin there the longest, in text[0..length) from
 * `start` on. Returns whether there is one, and where: text[*from..*to).
 */
bool pattern_match(const struct pattern *pattern, const char *text, size_t length, size_t start,
                   size_t *from, size_t *to);
