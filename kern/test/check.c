/*
 * What native unit tests share: counting checks, and a panic() that a test can expect.
 */
#include "kern/test/check.h"

#include "kern/print.h"

unsigned check_count, check_failures;
jmp_buf check_panic_jump;
int check_panic_expected;
char check_panic_message[256];

int check_report(void)
{
    if (check_failures > 0)
        printf("%u of %u checks failed\n", check_failures, check_count);
    else
        printf("ok %u checks\n", check_count);
    return check_failures > 0 ? 1 : 0;
}

void panic(const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    vsnprintf(check_panic_message, sizeof(check_panic_message), fmt, arguments);
    va_end(arguments);
    if (check_panic_expected) {
        check_panic_expected = 0;
        longjmp(check_panic_jump, 1);
    }
    printf("unexpected panic: %s\n", check_panic_message);
    abort();
}
