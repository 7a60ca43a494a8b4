/*
 * The checks of native unit tests: each failure is printed with its place, and the last line
 * says how many checks there were.
 */
#pragma once

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern unsigned check_count, check_failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        check_count++;                                                                             \
        if (!(condition)) {                                                                        \
            check_failures++;                                                                      \
            printf("%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);                   \
        }                                                                                          \
    } while (0)

/* Where panic() jumps to, when the test expects one. */
extern jmp_buf check_panic_jump;
extern int check_panic_expected;
extern char check_panic_message[256];

/* Check that `statement` panics with a message that contains `text`. */
#define CHECK_PANICS(statement, text)                                                              \
    do {                                                                                           \
        check_panic_expected = 1;                                                                  \
        if (setjmp(check_panic_jump) == 0) {                                                       \
            statement;                                                                             \
            check_panic_expected = 0;                                                              \
            CHECK(!"it panics: " #statement);                                                      \
        } else {                                                                                   \
            CHECK(strstr(check_panic_message, text) != NULL);                                      \
        }                                                                                          \
    } while (0)

/* Print the closing line; the test's exit status. */
int check_report(void);
