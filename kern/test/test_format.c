/* unit: kern/format.c kern/test/check.c */
/*
 * format() against the host's snprintf(): the same text and the same length for every
 * combination of flags, width, precision and value.
 */
#include "kern/test/check.h"

#include "kern/print.h"
#include "kern/string.h"

#include <limits.h>

static void compare(const char *specification, long value, bool is_long)
{
    char expected[128], got[128];
    int expected_length, got_length;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    if (is_long) {
        expected_length = snprintf(expected, sizeof(expected), specification, value);
        got_length = format(got, sizeof(got), specification, value);
    } else {
        expected_length = snprintf(expected, sizeof(expected), specification, (int)value);
        got_length = format(got, sizeof(got), specification, (int)value);
    }
#pragma GCC diagnostic pop
    if (strcmp(expected, got) != 0)
        printf("%s of %ld: '%s', not '%s'\n", specification, value, got, expected);
    CHECK(strcmp(expected, got) == 0);
    CHECK(expected_length == got_length);
}

static void test_integers(void)
{
    static const char *const flags[] = {"", "-", "0", "+", " ", "#", "-0", "+0", "#0", "-#"};
    static const char *const widths[] = {"", "1", "9"};
    static const char *const precisions[] = {"", ".0", ".5"};
    static const char *const lengths[] = {"", "h", "hh", "l"};
    static const long values[] = {0, 1, -1, 42, -12345, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN};
    char specification[32];

    for (size_t f = 0; f < array_length(flags); f++)
        for (size_t w = 0; w < array_length(widths); w++)
            for (size_t p = 0; p < array_length(precisions); p++)
                for (size_t l = 0; l < array_length(lengths); l++)
                    for (const char *c = "diuxX"; *c != '\0'; c++)
                        for (size_t v = 0; v < array_length(values); v++) {
                            snprintf(specification, sizeof(specification), "<%%%s%s%s%s%c>",
                                     flags[f], widths[w], precisions[p], lengths[l], *c);
                            compare(specification, values[v], lengths[l][0] == 'l');
                        }
}

static void test_text(void)
{
    char text[64];

    CHECK(format(text, sizeof(text), "%s|%5s|%-5s|%.2s|%c|%%", "abc", "x", "y", "long", 'z') == 22);
    CHECK(strcmp(text, "abc|    x|y    |lo|z|%") == 0);
    CHECK(format(text, 4, "%s", "abcdef") == 6);
    CHECK(strcmp(text, "abc") == 0);
    CHECK(format(text, sizeof(text), "%*d|%-*d|%.*s", 4, 7, 4, 7, 1, "no") == 11);
    CHECK(strcmp(text, "   7|7   |n") == 0);
}

static void test_string_copy(void)
{
    char text[4] = "???";

    CHECK(string_copy(text, "ab", sizeof(text)) == 2);
    CHECK(strcmp(text, "ab") == 0);
    CHECK(string_copy(text, "abcdef", sizeof(text)) == 6);
    CHECK(strcmp(text, "abc") == 0);
    CHECK(string_copy(NULL, "abc", 0) == 3);
}

int main(void)
{
    test_integers();
    test_text();
    test_string_copy();
    return check_report();
}
