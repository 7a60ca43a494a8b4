/* Text to numbers. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

/* The value of a digit in any base up to 36; 36 for what is none. */
static unsigned digit_value(char c)
{
    if (isdigit((unsigned char)c))
        return (unsigned)(c - '0');
    if (isalpha((unsigned char)c))
        return (unsigned)(tolower((unsigned char)c) - 'a') + 10;
    return 36;
}

/*
 * The common part: blanks, sign, prefix and digits. Without digits nothing is consumed. The
 * magnitude saturates at ULONG_MAX with *overflow set.
 */
static unsigned long parse(const char *string, char **end, int base, bool *is_negative,
                           bool *overflow)
{
    const char *at = string, *consumed = string;
    unsigned long value = 0;

    *is_negative = *overflow = false;
    while (isspace((unsigned char)*at))
        at++;
    if (*at == '-' || *at == '+')
        *is_negative = *at++ == '-';
    if ((base == 0 || base == 16) && at[0] == '0' && (at[1] | 0x20) == 'x' &&
        digit_value(at[2]) < 16) {
        at += 2;
        base = 16;
    } else if (base == 0) {
        base = *at == '0' ? 8 : 10;
    }
    for (; digit_value(*at) < (unsigned)base; consumed = ++at) {
        if (__builtin_mul_overflow(value, (unsigned long)base, &value) ||
            __builtin_add_overflow(value, (unsigned long)digit_value(*at), &value))
            *overflow = true;
    }
    if (end)
        *end = (char *)consumed;
    return *overflow ? ULONG_MAX : value;
}

unsigned long strtoul(const char *string, char **end, int base)
{
    bool is_negative, overflow;
    unsigned long value = parse(string, end, base, &is_negative, &overflow);
    if (overflow) {
        errno = ERANGE;
        return ULONG_MAX;
    }
    return is_negative ? -value : value;
}

long strtol(const char *string, char **end, int base)
{
    bool is_negative, overflow;
    unsigned long value = parse(string, end, base, &is_negative, &overflow);
    unsigned long limit = (unsigned long)LONG_MAX + is_negative;
    if (overflow || value > limit) {
        errno = ERANGE;
        value = limit;
    }
    return (long)(is_negative ? -value : value);
}

unsigned long long strtoull(const char *string, char **end, int base)
{
    return strtoul(string, end, base);
}

long long strtoll(const char *string, char **end, int base)
{
    return strtol(string, end, base);
}

int atoi(const char *string)
{
    return (int)strtol(string, NULL, 10);
}

long atol(const char *string)
{
    return strtol(string, NULL, 10);
}

long long atoll(const char *string)
{
    return strtol(string, NULL, 10);
}

/* Decimal numbers with a fraction and an exponent; no "inf", "nan" or hexadecimal. */
double strtod(const char *string, char **end)
{
    const char *at = string;
    long double value = 0;
    int power = 0;
    bool has_digits = false, is_fraction = false;

    while (isspace((unsigned char)*at))
        at++;
    bool is_negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    for (; isdigit((unsigned char)*at) || (*at == '.' && !is_fraction); at++) {
        if (*at == '.') {
            is_fraction = true;
        } else {
            value = value * 10 + (*at - '0');
            power -= is_fraction;
            has_digits = true;
        }
    }
    if (!has_digits) {
        at = string;
    } else if ((*at | 0x20) == 'e') {
        char *after;
        long exponent = strtol(at + 1, &after, 10);
        if (after > at + 1 && !isspace((unsigned char)at[1])) {
            power += (int)(exponent > 9999 ? 9999 : exponent < -9999 ? -9999 : exponent);
            at = after;
        }
    }
    for (; power > 0 && value != 0; power--)
        value *= 10;
    for (; power < 0 && value != 0; power++)
        value /= 10;
    if (end)
        *end = (char *)at;
    return (double)(is_negative ? -value : value);
}

double atof(const char *string)
{
    return strtod(string, NULL);
}

int abs(int number)
{
    return number < 0 ? -number : number;
}

long labs(long number)
{
    return number < 0 ? -number : number;
}
