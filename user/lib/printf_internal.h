/* One conversion of a printf format, as printf.c and printf_float.c see it. */
#pragma once

#include <stdbool.h>

struct conversion {
    bool left, plus, space, zero, alternate;
    int width;
    int precision; /* -1: none */
    char length;   /* 'l': 64 bits, 'h': short, 'H': char, 0: int */
    char kind;     /* the letter; 0 at the end of the format */
};

/* Integer digits of a double (at most 309), the point, and as many decimals as we give. */
#define FLOAT_DECIMALS_MAX 60
#define FLOAT_TEXT_MAX     (309 + 1 + FLOAT_DECIMALS_MAX + 8)

/*
 * Write the non-negative `value` as %e, %f or %g say, without sign and padding, into `text` of
 * FLOAT_TEXT_MAX bytes. Returns whether it is finite.
 */
bool format_float(char *text, const struct conversion *conversion, double value);
