/*
 * Patterns, as in `case`, ${x%pattern} and file names.
 *
 * The matcher is iterative: after a mismatch only the last star is tried again one character
 * further, because an earlier star could not match more than that one can make up for. So the
 * time is at most pattern times string.
 */
#include "pattern.h"

#include <stddef.h>
#include <string.h>

/* [:alpha:] and the others. */
static bool class_contains(const char *name, size_t length, int c)
{
    bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
    bool space = c == ' ' || (c >= '\t' && c <= '\r'), graph = c > ' ' && c < 127;
    bool hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    const struct {
        const char *name;
        bool contains;
    } classes[] = {
        {"alpha", lower || upper},
        {"digit", digit},
        {"alnum", lower || upper || digit},
        {"lower", lower},
        {"upper", upper},
        {"space", space},
        {"blank", c == ' ' || c == '\t'},
        {"punct", graph && !(lower || upper || digit)},
        {"print", graph || c == ' '},
        {"graph", graph},
        {"cntrl", c < ' ' || c == 127},
        {"xdigit", hex},
    };
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strlen(classes[i].name) == length && memcmp(classes[i].name, name, length) == 0)
            return classes[i].contains;
    }
    return false;
}

/* The member of a set at *p, which may stand behind a backslash. Moves *p on. */
static unsigned char set_character(const char **p)
{
    if (**p == '\\' && (*p)[1] != '\0')
        ++*p;
    return (unsigned char)*(*p)++;
}

/*
 * Match `c` with the set behind "[". Returns what follows the set, or NULL when it has no
 * closing bracket and so is none.
 */
static const char *set_match(const char *p, unsigned char c, bool *matches)
{
    bool inverted = *p == '!' || *p == '^', found = false;
    if (inverted)
        p++;
    const char *first = p;
    while (*p != ']' || p == first) {
        if (*p == '\0')
            return NULL;
        const char *end = p[0] == '[' && p[1] == ':' ? strstr(p + 2, ":]") : NULL;
        if (end != NULL) {
            found |= class_contains(p + 2, (size_t)(end - p - 2), c);
            p = end + 2;
            continue;
        }
        unsigned char low = set_character(&p), high = low;
        if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
            p++;
            high = set_character(&p);
        }
        found |= low <= c && c <= high;
    }
    *matches = found != inverted;
    return p + 1;
}

/* Match one character. Returns the rest of the pattern, or NULL. */
static const char *pattern_match_one(const char *pattern, char c)
{
    bool matches;
    const char *rest;
    switch (*pattern) {
    case '\0':
        return NULL;
    case '?':
        return pattern + 1;
    case '[':
        rest = set_match(pattern + 1, (unsigned char)c, &matches);
        if (rest != NULL)
            return matches ? rest : NULL;
        break;
    case '\\':
        if (pattern[1] != '\0')
            pattern++;
        break;
    }
    return *pattern == c ? pattern + 1 : NULL;
}

bool pattern_matches_length(const char *pattern, const char *string, unsigned long length)
{
    const char *end = string + length, *star = NULL, *star_string = NULL;
    for (;;) {
        if (*pattern == '*') {
            star = ++pattern;
            star_string = string;
            continue;
        }
        if (string == end && *pattern == '\0')
            return true;
        const char *rest = string < end ? pattern_match_one(pattern, *string) : NULL;
        if (rest != NULL) {
            pattern = rest;
            string++;
        } else if (star != NULL && star_string < end) {
            pattern = star;
            string = ++star_string;
        } else {
            return false;
        }
    }
}

bool pattern_matches(const char *pattern, const char *string)
{
    return pattern_matches_length(pattern, string, strlen(string));
}

bool pattern_is_special(const char *pattern)
{
    bool matches;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '\\' && pattern[1] != '\0')
            pattern++;
        else if (*pattern == '*' || *pattern == '?')
            return true;
        else if (*pattern == '[' && set_match(pattern + 1, 0, &matches) != NULL)
            return true;
    }
    return false;
}
