/*
 * Formatted output. One function reads the format and hands pieces of text to an output, which
 * is a stream or a piece of memory; the printf family are its faces.
 *
 * Conversions: d i u x X o c s p n-less, with flags - + space 0 #, width and precision (also *),
 * lengths hh h l ll j z t; e f g (double) are in printf_float.c.
 */
#include "printf_internal.h"
#include "stdio_internal.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the text goes: a stream, or `memory` of `size` bytes. `length` counts all of it. */
struct output {
    FILE *stream;
    char *memory;
    size_t size;
    size_t length;
    bool has_failed;
};

static void put(struct output *output, const char *text, size_t length)
{
    if (output->stream) {
        if (!output->has_failed && !stream_put(output->stream, text, length))
            output->has_failed = true;
    } else if (output->length < output->size) {
        size_t room = output->size - output->length;
        memcpy(output->memory + output->length, text, length < room ? length : room);
    }
    output->length += length;
}

static void pad(struct output *output, char c, int count)
{
    char block[32];
    memset(block, c, sizeof(block));
    for (; count > 0; count -= (int)sizeof(block))
        put(output, block, count < (int)sizeof(block) ? (size_t)count : sizeof(block));
}

/* Sign or 0x, zeros up to the precision or width, digits; blanks around them. */
static void put_number(struct output *output, const struct conversion *conversion,
                       const char *prefix, const char *digits, size_t length)
{
    int zeros = conversion->precision - (int)length;
    int used = (int)(strlen(prefix) + length);

    if (conversion->precision < 0 && conversion->zero && !conversion->left)
        zeros = conversion->width - used;
    if (zeros < 0)
        zeros = 0;
    int blanks = conversion->width - used - zeros;
    if (!conversion->left)
        pad(output, ' ', blanks);
    put(output, prefix, strlen(prefix));
    pad(output, '0', zeros);
    put(output, digits, length);
    if (conversion->left)
        pad(output, ' ', blanks);
}

static const char *sign_prefix(const struct conversion *conversion, bool is_negative)
{
    if (is_negative)
        return "-";
    return conversion->plus ? "+" : conversion->space ? " " : "";
}

static void put_integer(struct output *output, const struct conversion *conversion, uint64_t value,
                        unsigned base, const char *prefix)
{
    const char *letters = conversion->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[24], *first = digits + sizeof(digits);

    for (uint64_t rest = value; rest > 0; rest /= base)
        *--first = letters[rest % base];
    if (value == 0 && conversion->precision != 0)
        *--first = '0';
    if (base == 8 && conversion->alternate && (first == digits + sizeof(digits) || *first != '0'))
        *--first = '0';
    put_number(output, conversion, prefix, first, (size_t)(digits + sizeof(digits) - first));
}

static void put_text(struct output *output, const struct conversion *conversion, const char *text,
                     size_t length)
{
    int blanks = conversion->width > (int)length ? conversion->width - (int)length : 0;
    if (!conversion->left)
        pad(output, ' ', blanks);
    put(output, text, length);
    if (conversion->left)
        pad(output, ' ', blanks);
}

static int64_t signed_argument(const struct conversion *conversion, va_list *arguments)
{
    switch (conversion->length) {
    case 'l':
        return va_arg(*arguments, long);
    case 'h':
        return (short)va_arg(*arguments, int);
    case 'H':
        return (signed char)va_arg(*arguments, int);
    default:
        return va_arg(*arguments, int);
    }
}

static uint64_t unsigned_argument(const struct conversion *conversion, va_list *arguments)
{
    switch (conversion->length) {
    case 'l':
        return va_arg(*arguments, unsigned long);
    case 'h':
        return (unsigned short)va_arg(*arguments, unsigned);
    case 'H':
        return (unsigned char)va_arg(*arguments, unsigned);
    default:
        return va_arg(*arguments, unsigned);
    }
}

/* The digits of a number in the format, or of a `*` argument. */
static int parse_number(const char **format, va_list *arguments)
{
    int number = 0;
    if (**format == '*') {
        (*format)++;
        return va_arg(*arguments, int);
    }
    while (**format >= '0' && **format <= '9')
        number = number * 10 + *(*format)++ - '0';
    return number;
}

/* Read one conversion behind its percent sign. Returns what follows it. */
static const char *parse_conversion(const char *format, va_list *arguments,
                                    struct conversion *conversion)
{
    *conversion = (struct conversion){.precision = -1};
    for (bool is_flag = true; is_flag;) {
        switch (*format) {
        case '-':
            conversion->left = true;
            break;
        case '+':
            conversion->plus = true;
            break;
        case ' ':
            conversion->space = true;
            break;
        case '0':
            conversion->zero = true;
            break;
        case '#':
            conversion->alternate = true;
            break;
        default:
            is_flag = false;
        }
        format += is_flag;
    }
    conversion->width = parse_number(&format, arguments);
    if (conversion->width < 0) {
        conversion->left = true;
        conversion->width = -conversion->width;
    }
    if (*format == '.') {
        format++;
        conversion->precision = parse_number(&format, arguments);
    }
    for (; *format && strchr("hljzt", *format); format++) {
        if (*format == 'h')
            conversion->length = conversion->length == 'h' ? 'H' : 'h';
        else
            conversion->length = 'l';
    }
    conversion->kind = *format;
    return *format ? format + 1 : format;
}

static void put_conversion(struct output *output, const struct conversion *conversion,
                           va_list *arguments)
{
    switch (conversion->kind) {
    case 'd':
    case 'i': {
        int64_t value = signed_argument(conversion, arguments);
        put_integer(output, conversion, value < 0 ? -(uint64_t)value : (uint64_t)value, 10,
                    sign_prefix(conversion, value < 0));
        break;
    }
    case 'u':
        put_integer(output, conversion, unsigned_argument(conversion, arguments), 10, "");
        break;
    case 'o':
        put_integer(output, conversion, unsigned_argument(conversion, arguments), 8, "");
        break;
    case 'x':
    case 'X': {
        uint64_t value = unsigned_argument(conversion, arguments);
        bool has_prefix = conversion->alternate && value != 0;
        put_integer(output, conversion, value, 16,
                    !has_prefix               ? ""
                    : conversion->kind == 'x' ? "0x"
                                              : "0X");
        break;
    }
    case 'p': {
        void *pointer = va_arg(*arguments, void *);
        if (pointer)
            put_integer(output, conversion, (uint64_t)pointer, 16, "0x");
        else
            put_text(output, conversion, "(nil)", 5);
        break;
    }
    case 'c': {
        char c = (char)va_arg(*arguments, int);
        put_text(output, conversion, &c, 1);
        break;
    }
    case 's': {
        const char *text = va_arg(*arguments, const char *);
        if (!text)
            text = "(null)";
        put_text(output, conversion, text,
                 conversion->precision < 0 ? strlen(text)
                                           : strnlen(text, (size_t)conversion->precision));
        break;
    }
    case 'e':
    case 'f':
    case 'g': {
        char digits[FLOAT_TEXT_MAX];
        double value = va_arg(*arguments, double);
        bool is_negative = __builtin_signbit(value);
        struct conversion number = *conversion;
        bool is_finite = format_float(digits, conversion, is_negative ? -value : value);
        number.precision = -1;
        number.zero = number.zero && is_finite;
        put_number(output, &number, sign_prefix(conversion, is_negative), digits, strlen(digits));
        break;
    }
    default:
        put(output, &conversion->kind, conversion->kind ? 1 : 0);
    }
}

static void format_output(struct output *output, const char *format, va_list arguments)
{
    va_list rest;

    va_copy(rest, arguments);
    while (*format) {
        const char *percent = strchrnul(format, '%');
        put(output, format, (size_t)(percent - format));
        if (!*percent)
            break;
        struct conversion conversion;
        format = parse_conversion(percent + 1, &rest, &conversion);
        put_conversion(output, &conversion, &rest);
    }
    va_end(rest);
}

/* --- The family ----------------------------------------------------------------------------- */

int vfprintf(FILE *stream, const char *format, va_list arguments)
{
    struct output output = {.stream = stream};
    format_output(&output, format, arguments);
    return output.has_failed || !stream_settle(stream) ? -1 : (int)output.length;
}

int vprintf(const char *format, va_list arguments)
{
    return vfprintf(stdout, format, arguments);
}

int vsnprintf(char *string, size_t size, const char *format, va_list arguments)
{
    struct output output = {.memory = string, .size = size};
    format_output(&output, format, arguments);
    if (size > 0)
        string[output.length < size ? output.length : size - 1] = '\0';
    return (int)output.length;
}

int vsprintf(char *string, const char *format, va_list arguments)
{
    return vsnprintf(string, INT32_MAX, format, arguments);
}

int vasprintf(char **string, const char *format, va_list arguments)
{
    int length = vsnprintf(NULL, 0, format, arguments);
    *string = malloc((size_t)length + 1);
    if (!*string)
        return -1;
    return vsnprintf(*string, (size_t)length + 1, format, arguments);
}

/* Straight to a descriptor, without the heap: also for the allocator's last words. */
int vdprintf(int fd, const char *format, va_list arguments)
{
    unsigned char buffer[512];
    struct stream stream = {
        .fd = fd, .mode = _IONBF, .can_write = true, .buffer = buffer, .size = sizeof(buffer)};
    return vfprintf(&stream, format, arguments);
}

#define FORWARD(function, last, ...)                                                               \
    va_list arguments;                                                                             \
    va_start(arguments, last);                                                                     \
    int length = function(__VA_ARGS__, last, arguments);                                           \
    va_end(arguments);                                                                             \
    return length

int printf(const char *format, ...)
{
    FORWARD(vfprintf, format, stdout);
}

int fprintf(FILE *stream, const char *format, ...)
{
    FORWARD(vfprintf, format, stream);
}

int dprintf(int fd, const char *format, ...)
{
    FORWARD(vdprintf, format, fd);
}

int snprintf(char *string, size_t size, const char *format, ...)
{
    FORWARD(vsnprintf, format, string, size);
}

int sprintf(char *string, const char *format, ...)
{
    FORWARD(vsprintf, format, string);
}

int asprintf(char **string, const char *format, ...)
{
    FORWARD(vasprintf, format, string);
}
