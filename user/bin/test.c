/*
 * test, also called [: evaluate a condition by its exit status: 0 true, 1 false, 2 an error.
 *
 * POSIX decides by the number of arguments what is an operator; beyond four, the grammar is
 *      or:  and  { -o and }
 *      and: not  { -a not }
 *      not: [ ! ] primary
 * and a primary is ( or ), STRING OPERATOR STRING, OPERATOR STRING or STRING, tried in that order.
 */
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: test EXPRESSION | [ EXPRESSION ]\n"
    "Evaluate a condition; the exit status is the answer.\n"
    "  -e -f -d -L -b -c -p -S FILE   exists; is a file, directory, link, device, pipe, socket\n"
    "  -r -w -x -s FILE               readable, writable, executable, not empty\n"
    "  -t FD                          is a terminal\n"
    "  FILE -nt -ot -ef FILE          newer, older, the same\n"
    "  -z -n STRING                   empty, not empty\n"
    "  STRING = != < > STRING\n"
    "  NUMBER -eq -ne -lt -le -gt -ge NUMBER\n"
    "  ! E    E -a E    E -o E    ( E )\n";

static char **arguments; /* what has not been read */
static int count;

static bool parse_or(void);

static _Noreturn void fail(const char *message, const char *argument)
{
    errx(2, "%s: %s", argument, message);
}

static long number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    while (isspace((unsigned char)*end))
        end++;
    if (end == text || *end)
        fail("not a number", text);
    return value;
}

static bool is_newer(const char *a, const char *b)
{
    struct stat x, y;
    if (stat(a, &x) < 0)
        return false;
    if (stat(b, &y) < 0)
        return true;
    return x.st_mtime != y.st_mtime ? x.st_mtime > y.st_mtime
                                    : x.st_mtim.tv_nsec > y.st_mtim.tv_nsec;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Evaluate `a OPERATOR b`. Returns false if that is no operator. */
static bool evaluate_binary(const char *a, const char *operator, const char * b, bool *result)
{
    static const char *const operators[] = {"=",   "==",  "!=",  "<",   ">",   "-eq", "-ne",
                                            "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"};
    size_t i = 0;
    while (i < sizeof(operators) / sizeof(operators[0]) && strcmp(operator, operators[i]) != 0)
        i++;
    switch (i) {
    case 0:
    case 1:
        *result = strcmp(a, b) == 0;
        return true;
    case 2:
        *result = strcmp(a, b) != 0;
        return true;
    case 3:
        *result = strcmp(a, b) < 0;
        return true;
    case 4:
        *result = strcmp(a, b) > 0;
        return true;
    case 5:
        *result = number(a) == number(b);
        return true;
    case 6:
        *result = number(a) != number(b);
        return true;
    case 7:
        *result = number(a) < number(b);
        return true;
    case 8:
        *result = number(a) <= number(b);
        return true;
    case 9:
        *result = number(a) > number(b);
        return true;
    case 10:
        *result = number(a) >= number(b);
        return true;
    case 11:
        *result = is_newer(a, b);
        return true;
    case 12:
        *result = is_newer(b, a);
        return true;
    case 13:
        *result = is_same_file(a, b);
        return true;
    default:
        return false;
    }
}

static bool has_type(const char *path, mode_t type)
{
    struct stat status;
    int result = type == S_IFLNK ? lstat(path, &status) : stat(path, &status);
    return result == 0 && (type == 0 || (status.st_mode & S_IFMT) == type);
}

static bool is_unary(const char *operator)
{
    return operator[0] == '-' && operator[1] && !operator[2] &&
        strchr("efdLhbcpSrwxstzn", operator[1]);
}

static bool evaluate_unary(char operator, const char * operand)
{
    struct stat status;

    switch (operator) {
    case 'e':
        return has_type(operand, 0);
    case 'f':
        return has_type(operand, S_IFREG);
    case 'd':
        return has_type(operand, S_IFDIR);
    case 'L':
    case 'h':
        return has_type(operand, S_IFLNK);
    case 'b':
        return has_type(operand, S_IFBLK);
    case 'c':
        return has_type(operand, S_IFCHR);
    case 'p':
        return has_type(operand, S_IFIFO);
    case 'S':
        return has_type(operand, S_IFSOCK);
    case 'r':
        return access(operand, R_OK) == 0;
    case 'w':
        return access(operand, W_OK) == 0;
    case 'x':
        return access(operand, X_OK) == 0;
    case 's':
        return stat(operand, &status) == 0 && status.st_size > 0;
    case 't':
        return isatty((int)number(operand));
    case 'z':
        return !*operand;
    default:
        return *operand;
    }
}

static void skip(int words)
{
    arguments += words;
    count -= words;
}

static bool next_is(const char *word)
{
    return count > 0 && strcmp(*arguments, word) == 0;
}

static bool parse_primary(void)
{
    bool result;

    if (count == 0)
        errx(2, "an argument is missing");
    if (count >= 3 && evaluate_binary(arguments[0], arguments[1], arguments[2], &result)) {
        skip(3);
    } else if (count >= 2 && next_is("(")) {
        skip(1);
        result = parse_or();
        if (!next_is(")"))
            errx(2, "`)' is missing");
        skip(1);
    } else if (count >= 2 && is_unary(arguments[0])) {
        result = evaluate_unary(arguments[0][1], arguments[1]);
        skip(2);
    } else {
        result = **arguments;
        skip(1);
    }
    return result;
}

static bool parse_not(void)
{
    bool result;

    /* `! = x` compares; `!` alone is a string. */
    if (count >= 2 && next_is("!") &&
        !(count == 3 && evaluate_binary(arguments[0], arguments[1], arguments[2], &result))) {
        skip(1);
        return !parse_not();
    }
    return parse_primary();
}

static bool parse_and(void)
{
    bool result = parse_not();
    while (next_is("-a")) {
        skip(1);
        result = parse_not() && result;
    }
    return result;
}

static bool parse_or(void)
{
    bool result = parse_and();
    while (next_is("-o")) {
        skip(1);
        result = parse_and() || result;
    }
    return result;
}

int main(int argc, char **argv)
{
    bool is_bracket = strcmp(getprogname(), "[") == 0;

    if (argc == 2 && !is_bracket)
        tool_start(argc, argv, help);
    arguments = argv + 1;
    count = argc - 1;
    if (is_bracket) {
        if (count == 0 || strcmp(arguments[count - 1], "]") != 0)
            errx(2, "`]' is missing");
        count--;
    }
    if (count == 0)
        return 1;
    bool result = parse_or();
    if (count > 0)
        fail("unexpected", *arguments);
    return result ? 0 : 1;
}
