/*
 * Arithmetic expansion: C's integer expressions over 64-bit numbers and shell variables.
 *
 * Precedence climbing: each binary operator has a level, and an operand is read with the levels
 * above it. Both sides of && || and ?: are parsed, but only the side that counts may assign or
 * divide by zero: `skipping` is non-zero in the other. Overflow wraps around, as the machine
 * does it, so additions are made with unsigned numbers.
 */
#include "arithmetic.h"
#include "shell.h"
#include "variable.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 200

struct arithmetic {
    const char *start, *here;
    unsigned skipping, depth;
    bool failed;
};

enum operator_code {
    OPERATOR_OR,
    OPERATOR_AND,
    OPERATOR_BIT_OR,
    OPERATOR_BIT_XOR,
    OPERATOR_BIT_AND,
    OPERATOR_EQUAL,
    OPERATOR_UNEQUAL,
    OPERATOR_LESS_EQUAL,
    OPERATOR_GREATER_EQUAL,
    OPERATOR_LESS,
    OPERATOR_GREATER,
    OPERATOR_SHIFT_LEFT,
    OPERATOR_SHIFT_RIGHT,
    OPERATOR_ADD,
    OPERATOR_SUBTRACT,
    OPERATOR_MULTIPLY,
    OPERATOR_DIVIDE,
    OPERATOR_REMAINDER,
};

/* Those that begin like a shorter one stand before it. */
static const struct binary_operator {
    char text[3];
    unsigned char level;
    enum operator_code code;
} binary_operators[] = {
    {"||", 1, OPERATOR_OR},         {"&&", 2, OPERATOR_AND},
    {"==", 6, OPERATOR_EQUAL},      {"!=", 6, OPERATOR_UNEQUAL},
    {"<<", 8, OPERATOR_SHIFT_LEFT}, {">>", 8, OPERATOR_SHIFT_RIGHT},
    {"<=", 7, OPERATOR_LESS_EQUAL}, {">=", 7, OPERATOR_GREATER_EQUAL},
    {"|", 3, OPERATOR_BIT_OR},      {"^", 4, OPERATOR_BIT_XOR},
    {"&", 5, OPERATOR_BIT_AND},     {"<", 7, OPERATOR_LESS},
    {">", 7, OPERATOR_GREATER},     {"+", 9, OPERATOR_ADD},
    {"-", 9, OPERATOR_SUBTRACT},    {"*", 10, OPERATOR_MULTIPLY},
    {"/", 10, OPERATOR_DIVIDE},     {"%", 10, OPERATOR_REMAINDER},
};

#define BINARY_OPERATOR_COUNT (sizeof(binary_operators) / sizeof(binary_operators[0]))

static long arithmetic_assignment(struct arithmetic *a);

static long arithmetic_fail(struct arithmetic *a, const char *message)
{
    if (!a->failed)
        shell_abort("arithmetic expression: %s: \"%s\"", message, a->start);
    a->failed = true;
    a->here = "";
    return 0;
}

static void arithmetic_skip_space(struct arithmetic *a)
{
    a->here += strspn(a->here, " \t\n");
}

static long arithmetic_apply(struct arithmetic *a, enum operator_code code, long x, long y)
{
    unsigned long ux = (unsigned long)x, uy = (unsigned long)y;
    switch (code) {
    case OPERATOR_OR:
        return x || y;
    case OPERATOR_AND:
        return x && y;
    case OPERATOR_BIT_OR:
        return x | y;
    case OPERATOR_BIT_XOR:
        return x ^ y;
    case OPERATOR_BIT_AND:
        return x & y;
    case OPERATOR_EQUAL:
        return x == y;
    case OPERATOR_UNEQUAL:
        return x != y;
    case OPERATOR_LESS_EQUAL:
        return x <= y;
    case OPERATOR_GREATER_EQUAL:
        return x >= y;
    case OPERATOR_LESS:
        return x < y;
    case OPERATOR_GREATER:
        return x > y;
    case OPERATOR_SHIFT_LEFT:
        return (long)(ux << (uy & 63));
    case OPERATOR_SHIFT_RIGHT:
        return x >> (uy & 63);
    case OPERATOR_ADD:
        return (long)(ux + uy);
    case OPERATOR_SUBTRACT:
        return (long)(ux - uy);
    case OPERATOR_MULTIPLY:
        return (long)(ux * uy);
    case OPERATOR_DIVIDE:
    case OPERATOR_REMAINDER:
        if (y == 0)
            return a->skipping ? 0 : arithmetic_fail(a, "division by zero");
        if (y == -1)
            return code == OPERATOR_DIVIDE ? (long)(0 - ux) : 0;
        return code == OPERATOR_DIVIDE ? x / y : x % y;
    }
    return 0;
}

/* A number in the text; all of it must be one where `is_value`. */
static long arithmetic_number(struct arithmetic *a, const char *text, const char **end)
{
    char *stop;
    errno = 0;
    long value = strtol(text, &stop, 0);
    if (errno == ERANGE)
        value = LONG_MAX;
    if (stop == text || variable_is_name_character(*stop))
        return arithmetic_fail(a, "expecting a number");
    *end = stop;
    return value;
}

static long arithmetic_variable_value(struct arithmetic *a, const char *name)
{
    const char *value = parameter_get(name), *end = "";
    if (value == NULL && shell.unset_is_error && !a->skipping) {
        shell_abort("%s: parameter not set", name);
        a->failed = true;
        return 0;
    }
    if (value == NULL || value[strspn(value, " \t\n")] == '\0')
        return 0;
    long number = arithmetic_number(a, value, &end);
    if (end[strspn(end, " \t\n")] != '\0')
        return arithmetic_fail(a, "Illegal number");
    return number;
}

static char *arithmetic_name(struct arithmetic *a)
{
    size_t length = variable_name_length(a->here);
    char *name = arena_copy(shell.temporary, a->here, length);
    a->here += length;
    arithmetic_skip_space(a);
    return name;
}

static long arithmetic_primary(struct arithmetic *a)
{
    arithmetic_skip_space(a);
    if (*a->here == '(') {
        a->here++;
        long value = arithmetic_assignment(a);
        arithmetic_skip_space(a);
        if (*a->here != ')')
            return arithmetic_fail(a, "expecting ')'");
        a->here++;
        return value;
    }
    if (variable_is_name_start(*a->here))
        return arithmetic_variable_value(a, arithmetic_name(a));
    return arithmetic_number(a, a->here, &a->here);
}

static long arithmetic_unary(struct arithmetic *a)
{
    if (a->depth++ > MAX_DEPTH)
        return arithmetic_fail(a, "nested too deeply");
    arithmetic_skip_space(a);
    char c = *a->here;
    long value;
    if (c != '\0' && strchr("+-!~", c) != NULL) {
        a->here++;
        value = arithmetic_unary(a);
        value = c == '-'   ? (long)(0 - (unsigned long)value)
                : c == '!' ? !value
                : c == '~' ? ~value
                           : value;
    } else {
        value = arithmetic_primary(a);
    }
    a->depth--;
    return value;
}

/* The binary operator here, if it is not the beginning of an assignment. */
static const struct binary_operator *arithmetic_operator(struct arithmetic *a)
{
    arithmetic_skip_space(a);
    for (size_t i = 0; i < BINARY_OPERATOR_COUNT; i++) {
        const struct binary_operator *op = &binary_operators[i];
        if (strncmp(a->here, op->text, strlen(op->text)) == 0)
            return op;
    }
    return NULL;
}

static long arithmetic_binary(struct arithmetic *a, unsigned level)
{
    long left = arithmetic_unary(a);
    const struct binary_operator *op;
    while ((op = arithmetic_operator(a)) != NULL && op->level >= level) {
        a->here += strlen(op->text);
        bool decided =
            (op->code == OPERATOR_OR && left != 0) || (op->code == OPERATOR_AND && left == 0);
        a->skipping += decided;
        long right = arithmetic_binary(a, op->level + 1);
        a->skipping -= decided;
        left = arithmetic_apply(a, op->code, left, right);
    }
    return left;
}

static long arithmetic_conditional(struct arithmetic *a)
{
    long condition = arithmetic_binary(a, 1);
    arithmetic_skip_space(a);
    if (*a->here != '?')
        return condition;
    a->here++;
    a->skipping += condition == 0;
    long first = arithmetic_assignment(a);
    a->skipping -= condition == 0;
    arithmetic_skip_space(a);
    if (*a->here != ':')
        return arithmetic_fail(a, "expecting ':'");
    a->here++;
    a->skipping += condition != 0;
    long second = arithmetic_conditional(a);
    a->skipping -= condition != 0;
    return condition != 0 ? first : second;
}

/* If "=" or "op=" is here, take it. *op is NULL for the plain one. */
static bool arithmetic_take_assignment(struct arithmetic *a, const struct binary_operator **op)
{
    *op = NULL;
    if (a->here[0] == '=' && a->here[1] != '=') {
        a->here++;
        return true;
    }
    *op = arithmetic_operator(a);
    if (*op == NULL)
        return false;
    size_t length = strlen((*op)->text);
    bool is_comparison = (*op)->level == 6 || (*op)->level == 7;
    if (is_comparison || (*op)->level <= 2 || a->here[length] != '=')
        return false;
    a->here += length + 1;
    return true;
}

static long arithmetic_assignment(struct arithmetic *a)
{
    arithmetic_skip_space(a);
    const char *before = a->here;
    const struct binary_operator *op;
    if (a->depth > MAX_DEPTH)
        return arithmetic_fail(a, "nested too deeply");
    if (!variable_is_name_start(*a->here))
        return arithmetic_conditional(a);
    const char *name = arithmetic_name(a);
    if (!arithmetic_take_assignment(a, &op)) {
        a->here = before;
        return arithmetic_conditional(a);
    }
    long old = op != NULL ? arithmetic_variable_value(a, name) : 0;
    a->depth++;
    long value = arithmetic_assignment(a);
    a->depth--;
    if (op != NULL)
        value = arithmetic_apply(a, op->code, old, value);
    if (a->skipping == 0 && !a->failed) {
        char number[24];
        snprintf(number, sizeof(number), "%ld", value);
        a->failed = !variable_set(name, number);
    }
    return value;
}

bool arithmetic_evaluate(const char *text, long *result)
{
    struct arithmetic a = {.start = text, .here = text};
    arithmetic_skip_space(&a);
    *result = *a.here != '\0' ? arithmetic_assignment(&a) : 0;
    arithmetic_skip_space(&a);
    if (*a.here != '\0')
        arithmetic_fail(&a, "syntax error");
    return !a.failed;
}
