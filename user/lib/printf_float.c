/*
 * Doubles as decimal text, by long double arithmetic: exact to about 18 significant digits, which
 * is more than a double has.
 */
#include "printf_internal.h"

#include <stdint.h>
#include <string.h>

#define DIGITS_MAX 18

/*
 * value = 0.d1 d2 d3... * 10^*exponent, rounded to `count` digits (1..DIGITS_MAX). Rounding up
 * 9.99 makes one more digit before the point.
 */
static void decimal_digits(long double value, int count, char *digits, int *exponent)
{
    *exponent = 0;
    if (value > 0) {
        for (; value >= 1.0L; ++*exponent)
            value /= 10.0L;
        for (; value < 0.1L; --*exponent)
            value *= 10.0L;
    }
    long double scale = 1.0L;
    for (int i = 0; i < count; i++)
        scale *= 10.0L;
    uint64_t number = (uint64_t)(value * scale), half = 0;
    long double rest = value * scale - (long double)number;
    if (rest > 0.5L || (rest == 0.5L && (number & 1)))
        half = 1;
    number += half;
    if (number >= (uint64_t)scale) {
        number /= 10;
        ++*exponent;
    }
    for (int i = count - 1; i >= 0; i--, number /= 10)
        digits[i] = (char)('0' + number % 10);
}

/* Digit number `position` counted from the decimal point: 0 is the first behind it. */
static char digit_at(const char *digits, int count, int exponent, int position)
{
    int index = position + exponent;
    return index >= 0 && index < count ? digits[index] : '0';
}

static char *write_fixed(char *text, const char *digits, int count, int exponent, int decimals)
{
    for (int position = exponent > 0 ? -exponent : -1; position < decimals; position++) {
        if (position == 0)
            *text++ = '.';
        *text++ = digit_at(digits, count, exponent, position);
    }
    return text;
}

static char *write_scientific(char *text, const char *digits, int count, int exponent, int decimals)
{
    text = write_fixed(text, digits, count, 1, decimals);
    int power = digits[0] == '0' ? 0 : exponent - 1;
    *text++ = 'e';
    *text++ = power < 0 ? '-' : '+';
    power = power < 0 ? -power : power;
    if (power >= 100)
        *text++ = (char)('0' + power / 100);
    *text++ = (char)('0' + power / 10 % 10);
    *text++ = (char)('0' + power % 10);
    return text;
}

static int clamp_digits(int count)
{
    return count < 1 ? 1 : count > DIGITS_MAX ? DIGITS_MAX : count;
}

/* %g leaves out zeros at the end of the decimals. */
static int significant_decimals(const char *digits, int count, int exponent, int decimals)
{
    while (decimals > 0 && digit_at(digits, count, exponent, decimals - 1) == '0')
        decimals--;
    return decimals;
}

bool format_float(char *text, const struct conversion *conversion, double value)
{
    if (__builtin_isnan(value) || __builtin_isinf(value)) {
        strcpy(text, __builtin_isnan(value) ? "nan" : "inf");
        return false;
    }
    int precision = conversion->precision < 0 ? 6 : conversion->precision;
    if (precision > FLOAT_DECIMALS_MAX)
        precision = FLOAT_DECIMALS_MAX;
    char digits[DIGITS_MAX];
    int exponent, count;

    switch (conversion->kind) {
    case 'f':
        decimal_digits(value, DIGITS_MAX, digits, &exponent);
        count = exponent + precision;
        if (count < 0 || (count == 0 && digits[0] < '5')) {
            memset(digits, '0', sizeof(digits));
            count = 1;
            exponent = 0;
        } else if (count == 0) { /* 0.5..0.99 to no decimals */
            digits[0] = value > 0.5 || precision > 0 ? '1' : '0';
            count = 1;
            exponent++;
        } else {
            count = clamp_digits(count);
            decimal_digits(value, count, digits, &exponent);
        }
        text = write_fixed(text, digits, count, exponent, precision);
        break;
    case 'e':
        count = clamp_digits(precision + 1);
        decimal_digits(value, count, digits, &exponent);
        text = write_scientific(text, digits, count, exponent, precision);
        break;
    default:
        count = clamp_digits(precision);
        decimal_digits(value, count, digits, &exponent);
        if (digits[0] != '0' && (exponent - 1 < -4 || exponent > (precision ? precision : 1))) {
            int decimals = significant_decimals(digits, count, 1, count - 1);
            text = write_scientific(text, digits, count, exponent, decimals);
        } else {
            int decimals = count - exponent > 0 ? count - exponent : 0;
            decimals = significant_decimals(digits, count, exponent, decimals);
            text = write_fixed(text, digits, count, exponent, decimals);
        }
    }
    *text = '\0';
    return true;
}
