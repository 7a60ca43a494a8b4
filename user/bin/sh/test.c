/*
 * test and [: POSIX's rules by the number of arguments up to four, and above that an expression
 * with -a, -o, ! and parentheses.
 */
#include "builtin.h"
#include "shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct test {
    char **argv;
    int count, at;
    bool failed;
};

static bool test_or(struct test *test);

static bool test_fail(struct test *test, const char *what, const char *text)
{
    if (!test->failed)
        shell_error("test: %s%s%s", text, *text != '\0' ? ": " : "", what);
    test->failed = true;
    return false;
}

static long test_number(struct test *test, const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    while (*end == ' ' || *end == '\t')
        end++;
    if (*end != '\0' || end == text || errno != 0)
        test_fail(test, "Illegal number", text);
    return number;
}

static bool is_unary(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && text[2] == '\0' &&
           strchr("bcdefghknprstuwxzLOGS", text[1]) != NULL;
}

static bool is_binary(const char *text)
{
    static const char *const operators[] = {"=",   "==",  "!=",  "<",   ">",   "-eq", "-ne",
                                            "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"};
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (strcmp(operators[i], text) == 0)
            return true;
    }
    return false;
}

static bool test_file(char operation, const char *path)
{
    struct stat status;
    if (operation == 'r' || operation == 'w' || operation == 'x')
        return access(path, operation == 'r' ? R_OK : operation == 'w' ? W_OK : X_OK) == 0;
    bool link = operation == 'L' || operation == 'h';
    if ((link ? lstat(path, &status) : stat(path, &status)) != 0)
        return false;
    switch (operation) {
    case 'b':
        return S_ISBLK(status.st_mode);
    case 'c':
        return S_ISCHR(status.st_mode);
    case 'd':
        return S_ISDIR(status.st_mode);
    case 'f':
        return S_ISREG(status.st_mode);
    case 'g':
        return (status.st_mode & S_ISGID) != 0;
    case 'h':
    case 'L':
        return S_ISLNK(status.st_mode);
    case 'k':
        return (status.st_mode & S_ISVTX) != 0;
    case 'p':
        return S_ISFIFO(status.st_mode);
    case 's':
        return status.st_size > 0;
    case 'u':
        return (status.st_mode & S_ISUID) != 0;
    case 'S':
        return S_ISSOCK(status.st_mode);
    case 'O':
        return status.st_uid == geteuid();
    case 'G':
        return status.st_gid == getegid();
    default:
        return true;
    }
}

static bool test_unary(struct test *test, const char *operation, const char *operand)
{
    switch (operation[1]) {
    case 'n':
        return *operand != '\0';
    case 'z':
        return *operand == '\0';
    case 't':
        return isatty((int)test_number(test, operand)) == 1;
    default:
        return test_file(operation[1], operand);
    }
}

/* -nt, -ot, -ef: a file that is not there is older than one that is. */
static bool test_files(const char *left, char operation, const char *right)
{
    struct stat a, b;
    bool has_a = stat(left, &a) == 0, has_b = stat(right, &b) == 0;
    if (operation == 'e')
        return has_a && has_b && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
    if (operation == 'o') {
        struct stat swapped = a;
        bool has_swapped = has_a;
        a = b, has_a = has_b;
        b = swapped, has_b = has_swapped;
    }
    if (!has_a || !has_b)
        return has_a;
    return a.st_mtim.tv_sec != b.st_mtim.tv_sec ? a.st_mtim.tv_sec > b.st_mtim.tv_sec
                                                : a.st_mtim.tv_nsec > b.st_mtim.tv_nsec;
}

static bool test_binary(struct test *test, const char *left, const char *operation,
                        const char *right)
{
    if (operation[0] != '-') {
        int order = strcmp(left, right);
        return operation[0] == '='   ? order == 0
               : operation[0] == '!' ? order != 0
               : operation[0] == '<' ? order < 0
                                     : order > 0;
    }
    if (operation[2] == 'f' || (operation[2] == 't' && strchr("no", operation[1]) != NULL))
        return test_files(left, operation[1], right);
    long a = test_number(test, left), b = test_number(test, right);
    if (strcmp(operation, "-eq") == 0)
        return a == b;
    if (strcmp(operation, "-ne") == 0)
        return a != b;
    if (strcmp(operation, "-lt") == 0)
        return a < b;
    if (strcmp(operation, "-le") == 0)
        return a <= b;
    return strcmp(operation, "-gt") == 0 ? a > b : a >= b;
}

static const char *test_peek(const struct test *test, int ahead)
{
    return test->at + ahead < test->count ? test->argv[test->at + ahead] : NULL;
}

static bool test_primary(struct test *test)
{
    const char *first = test_peek(test, 0), *second = test_peek(test, 1),
               *third = test_peek(test, 2);
    if (first == NULL)
        return test_fail(test, "argument expected", "");
    if (third != NULL && is_binary(second)) {
        test->at += 3;
        return test_binary(test, first, second, third);
    }
    if (second != NULL && is_unary(first)) {
        test->at += 2;
        return test_unary(test, first, second);
    }
    test->at++;
    if (strcmp(first, "(") == 0 && second != NULL) {
        bool result = test_or(test);
        const char *closing = test_peek(test, 0);
        if (closing == NULL || strcmp(closing, ")") != 0)
            return test_fail(test, "closing paren expected", "");
        test->at++;
        return result;
    }
    return *first != '\0';
}

static bool test_not(struct test *test)
{
    bool negated = false;
    while (test_peek(test, 0) != NULL && strcmp(test_peek(test, 0), "!") == 0 &&
           test_peek(test, 1) != NULL &&
           !(test_peek(test, 2) != NULL && is_binary(test_peek(test, 1)))) {
        negated = !negated;
        test->at++;
    }
    return test_primary(test) != negated;
}

static bool test_and(struct test *test)
{
    bool result = test_not(test);
    while (test_peek(test, 0) != NULL && strcmp(test_peek(test, 0), "-a") == 0) {
        test->at++;
        bool right = test_not(test);
        result = result && right;
    }
    return result;
}

static bool test_or(struct test *test)
{
    bool result = test_and(test);
    while (test_peek(test, 0) != NULL && strcmp(test_peek(test, 0), "-o") == 0) {
        test->at++;
        bool right = test_and(test);
        result = result || right;
    }
    return result;
}

int builtin_test(int argc, char **argv)
{
    struct test test = {.argv = argv + 1, .count = argc - 1};
    if (argv[0][0] == '[') {
        if (argc < 2 || strcmp(argv[argc - 1], "]") != 0) {
            shell_error("[: missing ]");
            return 2;
        }
        test.count--;
    }
    if (test.count == 0)
        return 1;
    bool result;
    bool is_negated = test.count == 4 && strcmp(test.argv[0], "!") == 0;
    if (test.count == 1) {
        test.at = 1;
        result = *test.argv[0] != '\0';
    } else if (is_negated && is_binary(test.argv[2])) {
        test.at = 4;
        result = !test_binary(&test, test.argv[1], test.argv[2], test.argv[3]);
    } else {
        result = test_or(&test);
    }
    if (!test.failed && test.at < test.count)
        test_fail(&test, "unexpected operator", test.argv[test.at]);
    return test.failed ? 2 : !result;
}
