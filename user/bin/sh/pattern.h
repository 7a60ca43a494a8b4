/*
 * Patterns: * ? [...] and backslash.
 */
#pragma once

#include <stdbool.h>

/* Whether the pattern matches all of the string. */
bool pattern_matches(const char *pattern, const char *string);

/* The same for the first `length` characters of the string. */
bool pattern_matches_length(const char *pattern, const char *string, unsigned long length);

/* Whether it has a special character that no backslash makes an ordinary one. */
bool pattern_is_special(const char *pattern);
