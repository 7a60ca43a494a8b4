/*
 * Formatting text: the printf family without its locale and floating point.
 *
 * One conversion is parsed into a struct spec, and each kind of argument is turned into a
 * prefix (sign, 0x) and digits or characters, which emit_field() pads. Output past the end of
 * the buffer is counted and dropped, as vsnprintf() promises.
 */
#include "kern/print.h"
#include "kern/string.h"

struct output {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, cut or not */
};

struct spec {
    bool left, zero, alternate;
    char plus; /* '+', ' ' or 0 */
    int width;
    int precision; /* -1: none given */
    int size;      /* bytes of an integer argument */
    char conversion;
};

static void emit(struct output *out, char c)
{
    if (out->length + 1 < out->size)
        out->buffer[out->length] = c;
    out->length++;
}

static void emit_repeated(struct output *out, char c, int count)
{
    while (count-- > 0)
        emit(out, c);
}

/* Print prefix and text in the field that `spec` asks for, with at least `zeros` leading zeros. */
static void emit_field(struct output *out, const struct spec *spec, const char *prefix,
                       const char *text, size_t length, int zeros)
{
    int used = (int)strlen(prefix) + zeros + (int)length;
    int padding = spec->width > used ? spec->width - used : 0;

    if (!spec->left)
        emit_repeated(out, ' ', padding);
    while (*prefix != '\0')
        emit(out, *prefix++);
    emit_repeated(out, '0', zeros);
    for (size_t i = 0; i < length; i++)
        emit(out, text[i]);
    if (spec->left)
        emit_repeated(out, ' ', padding);
}

static void emit_number(struct output *out, const struct spec *spec, uint64_t value,
                        const char *prefix)
{
    const char *alphabet = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = 10;
    char digits[24];
    size_t first = sizeof(digits);

    if (spec->conversion == 'x' || spec->conversion == 'X' || spec->conversion == 'p')
        base = 16;
    else if (spec->conversion == 'o')
        base = 8;
    if (base == 16 && ((spec->alternate && value != 0) || spec->conversion == 'p'))
        prefix = spec->conversion == 'X' ? "0X" : "0x";

    for (uint64_t rest = value; rest != 0; rest /= base)
        digits[--first] = alphabet[rest % base];
    if (value == 0 && spec->precision != 0)
        digits[--first] = '0';

    int length = (int)(sizeof(digits) - first);
    int zeros = 0;

    if (spec->precision > length)
        zeros = spec->precision - length;
    else if (spec->precision < 0 && spec->zero && !spec->left)
        zeros = max(spec->width - length - (int)strlen(prefix), 0);
    emit_field(out, spec, prefix, digits + first, (size_t)length, zeros);
}

static int64_t signed_argument(const struct spec *spec, va_list *arguments)
{
    switch (spec->size) {
    case 1:
        return (signed char)va_arg(*arguments, int);
    case 2:
        return (short)va_arg(*arguments, int);
    case 8:
        return va_arg(*arguments, int64_t);
    default:
        return va_arg(*arguments, int);
    }
}

static uint64_t unsigned_argument(const struct spec *spec, va_list *arguments)
{
    switch (spec->size) {
    case 1:
        return (unsigned char)va_arg(*arguments, unsigned);
    case 2:
        return (unsigned short)va_arg(*arguments, unsigned);
    case 8:
        return va_arg(*arguments, uint64_t);
    default:
        return va_arg(*arguments, unsigned);
    }
}

static int parse_number(const char **format, va_list *arguments)
{
    int number = 0;

    if (**format == '*') {
        (*format)++;
        return va_arg(*arguments, int);
    }
    while (**format >= '0' && **format <= '9')
        number = number * 10 + (*(*format)++ - '0');
    return number;
}

/* Parse what follows a '%', leaving *format behind the conversion character. */
static struct spec parse_spec(const char **format, va_list *arguments)
{
    struct spec spec = {.precision = -1, .size = sizeof(int)};

    for (;; (*format)++) {
        if (**format == '-')
            spec.left = true;
        else if (**format == '0')
            spec.zero = true;
        else if (**format == '#')
            spec.alternate = true;
        else if (**format == '+' || (**format == ' ' && spec.plus == 0))
            spec.plus = **format;
        else
            break;
    }
    spec.width = parse_number(format, arguments);
    if (spec.width < 0) {
        spec.left = true;
        spec.width = -spec.width;
    }
    if (**format == '.') {
        (*format)++;
        spec.precision = parse_number(format, arguments);
    }
    for (;; (*format)++) {
        if (**format == 'h')
            spec.size /= 2;
        else if (strchr("lzjt", **format) != NULL && **format != '\0')
            spec.size = sizeof(int64_t);
        else
            break;
    }
    spec.conversion = **format;
    if (spec.conversion != '\0')
        (*format)++;
    return spec;
}

static void emit_string(struct output *out, const struct spec *spec, const char *text)
{
    if (text == NULL)
        text = "(null)";
    emit_field(out, spec, "", text,
               spec->precision < 0 ? strlen(text) : strnlen(text, (size_t)spec->precision), 0);
}

static void emit_conversion(struct output *out, const struct spec *spec, va_list *arguments)
{
    char character;
    int64_t value;

    switch (spec->conversion) {
    case 'd':
    case 'i':
        value = signed_argument(spec, arguments);
        emit_number(out, spec, value < 0 ? -(uint64_t)value : (uint64_t)value,
                    value < 0           ? "-"
                    : spec->plus == '+' ? "+"
                    : spec->plus == ' ' ? " "
                                        : "");
        break;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        emit_number(out, spec, unsigned_argument(spec, arguments), "");
        break;
    case 'p':
        emit_number(out, spec, (uint64_t)va_arg(*arguments, void *), "");
        break;
    case 'c':
        character = (char)va_arg(*arguments, int);
        emit_field(out, spec, "", &character, 1, 0);
        break;
    case 's':
        emit_string(out, spec, va_arg(*arguments, const char *));
        break;
    case '\0':
        break;
    default:
        emit(out, spec->conversion);
        break;
    }
}

int format_v(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct output out = {.buffer = buffer, .size = size};
    va_list copy;

    va_copy(copy, arguments);
    while (*format != '\0') {
        if (*format != '%') {
            emit(&out, *format++);
            continue;
        }
        format++;
        struct spec spec = parse_spec(&format, &copy);
        emit_conversion(&out, &spec, &copy);
    }
    va_end(copy);
    if (size > 0)
        buffer[min(out.length, size - 1)] = '\0';
    return (int)out.length;
}

int format(char *buffer, size_t size, const char *fmt, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, fmt);
    length = format_v(buffer, size, fmt, arguments);
    va_end(arguments);
    return length;
}

size_t string_copy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size > 0) {
        size_t copied = min(length, size - 1);

        memcpy(to, from, copied);
        to[copied] = '\0';
    }
    return length;
}
