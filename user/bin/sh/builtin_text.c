/*
 * Builtins that read and write text: echo, printf, read.
 */
#include "builtin.h"
#include "expand.h"
#include "shell.h"
#include "trap.h"
#include "variable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Write what was put together. Returns the command's status. */
static int finish_output(const char *command, struct text *text)
{
    int result = shell_write(STDOUT_FILENO, text_string(text), text->length);
    if (result < 0)
        shell_error("%s: I/O error", command);
    text_free(text);
    return result < 0;
}

/*
 * Add what the escape behind a backslash stands for. In echo and %b an octal number may have
 * a zero more in front. Returns what follows it, or NULL at \c, which ends all output.
 */
static const char *add_escape(struct text *text, const char *p, bool is_echo)
{
    static const char letters[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
    const char *found = *p != '\0' ? strchr(letters, *p) : NULL;
    if (*p == 'c' && is_echo)
        return NULL;
    if (found != NULL) {
        text_add(text, values[found - letters]);
        return p + 1;
    }
    if (*p >= '0' && *p <= '7') {
        unsigned value = 0;
        size_t digits = 3;
        if (is_echo && *p == '0')
            p++;
        while (digits-- > 0 && *p >= '0' && *p <= '7')
            value = value * 8 + (unsigned)(*p++ - '0');
        text_add(text, (char)value);
        return p;
    }
    text_add(text, '\\');
    return p;
}

/* Add a string with its escapes. Returns false at \c. */
static bool add_escaped(struct text *text, const char *string)
{
    while (string != NULL && *string != '\0') {
        if (*string == '\\')
            string = add_escape(text, string + 1, true);
        else
            text_add(text, *string++);
    }
    return string != NULL;
}

int builtin_echo(int argc, char **argv)
{
    struct text text = {0};
    bool newline = argc < 2 || strcmp(argv[1], "-n") != 0;
    for (int i = newline ? 1 : 2; i < argc; i++) {
        if (!add_escaped(&text, argv[i])) {
            newline = false;
            break;
        }
        if (i + 1 < argc)
            text_add(&text, ' ');
    }
    if (newline)
        text_add(&text, '\n');
    return finish_output("echo", &text);
}

/* The state of one printf command. */
struct format {
    struct text output;
    char **argv; /* the argument that comes next; NULL-terminated */
    int status;
    bool used_argument, stopped;
};

static const char *format_argument(struct format *format)
{
    if (*format->argv == NULL)
        return NULL;
    format->used_argument = true;
    return *format->argv++;
}

/* The number in an argument; a leading quote gives the character behind it. */
static long long format_number(struct format *format, bool is_signed)
{
    const char *text = format_argument(format);
    char *end;
    if (text == NULL || *text == '\0')
        return 0;
    if (*text == '\'' || *text == '"')
        return (unsigned char)text[1];
    errno = 0;
    long long value = is_signed ? strtoll(text, &end, 0) : (long long)strtoull(text, &end, 0);
    if (*end != '\0' || end == text || errno != 0) {
        shell_error("printf: %s: %s", text,
                    errno == ERANGE ? "Result too large"
                    : end == text   ? "expected numeric value"
                                    : "not completely converted");
        format->status = 1;
    }
    return value;
}

/* %b: a string with escapes; the width and precision of `specification` count. */
static void format_escaped(struct format *format, const char *specification)
{
    const char *text = format_argument(format);
    struct text expanded = {0};
    char small[256];
    format->stopped = !add_escaped(&expanded, text != NULL ? text : "");
    if (strcmp(specification, "%s") == 0) {
        text_add_bytes(&format->output, text_string(&expanded), expanded.length);
    } else {
        snprintf(small, sizeof(small), specification, text_string(&expanded));
        text_add_string(&format->output, small);
    }
    text_free(&expanded);
}

/* Read "%...": flags, width and precision, with numbers for stars. Returns what follows it. */
static const char *format_specification(struct format *format, const char *p, char *to, size_t size)
{
    size_t length = 0;
    to[length++] = *p++;
    while (*p != '\0' && strchr("-+ #0123456789.*", *p) != NULL && length < size - 24) {
        if (*p == '*')
            length += (size_t)snprintf(to + length, 24, "%d", (int)format_number(format, true));
        else
            to[length++] = *p;
        p++;
    }
    to[length] = '\0';
    return p;
}

/* One conversion. Returns what follows it in the format. */
static const char *format_conversion(struct format *format, const char *p)
{
    char specification[80], *buffer;
    p = format_specification(format, p, specification, sizeof(specification));
    size_t length = strlen(specification), size = 600;
    char conversion = *p;
    if (conversion == '\0' || strchr("diouxXcsb%", conversion) == NULL) {
        shell_error("printf: %s%c: invalid directive", specification, conversion);
        format->status = 1;
        format->stopped = true;
        return p + strlen(p);
    }
    if (conversion == '%') {
        text_add(&format->output, '%');
        return p + 1;
    }
    snprintf(specification + length, sizeof(specification) - length, "%s%c",
             strchr("diouxX", conversion) != NULL ? "ll" : "",
             conversion == 'b' ? 's' : conversion);
    if (conversion == 'b') {
        format_escaped(format, specification);
        return p + 1;
    }
    if (conversion == 'c' || conversion == 's') {
        const char *text = format_argument(format);
        text = text != NULL ? text : "";
        size += strlen(text);
        buffer = memory_allocate(size);
        if (conversion == 'c')
            strcpy(specification + length, "s");
        char first[2] = {text[0], '\0'};
        snprintf(buffer, size, specification, conversion == 'c' ? first : text);
    } else {
        buffer = memory_allocate(size);
        snprintf(buffer, size, specification, format_number(format, strchr("di", conversion)));
    }
    text_add_string(&format->output, buffer);
    free(buffer);
    return p + 1;
}

int builtin_printf(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--") == 0) {
        argc--;
        argv++;
    }
    if (argc < 2) {
        shell_error("usage: printf format [arg ...]");
        return 2;
    }
    struct format format = {.argv = argv + 2};
    do {
        format.used_argument = false;
        for (const char *p = argv[1]; *p != '\0' && !format.stopped;) {
            if (*p == '%')
                p = format_conversion(&format, p);
            else if (*p == '\\')
                p = add_escape(&format.output, p + 1, false);
            else
                text_add(&format.output, *p++);
        }
    } while (*format.argv != NULL && format.used_argument && !format.stopped);
    return finish_output("printf", &format.output) != 0 ? 1 : format.status;
}

/*
 * Read a line from standard input, byte by byte: what follows the newline is for others.
 * Escaped characters are marked as quoted. Returns false at the end of the input.
 */
static bool read_line(struct expansion *line, bool raw)
{
    char c;
    for (;;) {
        ssize_t n = read(STDIN_FILENO, &c, 1);
        if (n < 0 && errno == EINTR && trap_pending_signal() == 0)
            continue;
        if (n <= 0)
            return false;
        if (c == '\n')
            return true;
        char mark = MARK_RESULT;
        if (c == '\\' && !raw) {
            if (read(STDIN_FILENO, &c, 1) != 1)
                return false;
            if (c == '\n')
                continue;
            mark = MARK_QUOTED;
        }
        char string[2] = {c, '\0'};
        if (c != '\0')
            expansion_add(line, string, mark);
    }
}

/* Whether the character at `i` separates fields, and whether as white space does. */
static bool line_separates(const struct expansion *line, size_t i, const char *ifs, bool *is_space)
{
    char c = line->bytes.bytes[i];
    *is_space = strchr(" \t\n", c) != NULL;
    return line->marks.bytes[i] == MARK_RESULT && strchr(ifs, c) != NULL;
}

/*
 * Take the next field off the line, from *at on; the last variable gets all the rest, without the
 * white space around it, and without a single separator at its end.
 */
static char *line_take(const struct expansion *line, size_t *at, const char *ifs, bool is_last)
{
    size_t i = *at, end, length = line->bytes.length;
    bool is_space;
    while (i < length && line_separates(line, i, ifs, &is_space) && is_space)
        i++;
    size_t start = i;
    while (i < length && !line_separates(line, i, ifs, &is_space))
        i++;
    end = i;
    while (i < length && line_separates(line, i, ifs, &is_space) && is_space)
        i++;
    if (i < length && line_separates(line, i, ifs, &is_space))
        i++;
    while (i < length && line_separates(line, i, ifs, &is_space) && is_space)
        i++;
    if (is_last && i < length) {
        end = length;
        while (end > start && line_separates(line, end - 1, ifs, &is_space) && is_space)
            end--;
    }
    *at = i;
    return arena_copy(shell.temporary, text_string(&line->bytes) + start, end - start);
}

int builtin_read(int argc, char **argv)
{
    struct expansion line = {0};
    const char *ifs = variable_get("IFS");
    size_t at = 0;
    int first = 1;
    bool raw = false;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "-r") == 0)
            raw = true;
        else if (strcmp(argv[first], "-p") == 0 && first + 1 < argc)
            shell_print(STDERR_FILENO, "%s", argv[++first]);
    }
    if (first >= argc) {
        shell_error("read: arg count");
        return 2;
    }
    bool complete = read_line(&line, raw);
    char *separators = memory_copy(ifs != NULL ? ifs : " \t\n");
    int status = !complete;
    for (int i = first; i < argc && shell.flow == FLOW_NEXT; i++) {
        char *value = line_take(&line, &at, separators, i == argc - 1);
        if (!variable_is_name(argv[i]))
            shell_abort("read: %s: bad variable name", argv[i]);
        else if (!variable_set(argv[i], value))
            status = 2;
    }
    free(separators);
    expansion_free(&line);
    return status;
}
