/*
 * What all parts of the shell use: messages, output, options, positional parameters.
 *
 * Output goes straight to write(2): what a builtin printed must be out before the next program
 * starts, and a forked child must not print it again.
 */
#include "shell.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    char letter;
    const char *name;
    bool *value;
} shell_options[] = {
    {'e', "errexit", &shell.exit_on_error},  {'f', "noglob", &shell.no_glob},
    {'m', "monitor", &shell.job_control},    {'n', "noexec", &shell.no_execution},
    {'u', "nounset", &shell.unset_is_error}, {'v', "verbose", &shell.verbose},
    {'x', "xtrace", &shell.trace},
};

#define OPTION_COUNT (sizeof(shell_options) / sizeof(shell_options[0]))

int shell_write(int descriptor, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(descriptor, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

/* Format, and write in one piece: "name: line: " in front, a newline behind. */
static void shell_message(const char *format, va_list arguments)
{
    char message[1024];
    int length = snprintf(message, sizeof(message), "%.200s: %u: ", shell.name, shell.line);
    vsnprintf(message + length, sizeof(message) - (size_t)length - 1, format, arguments);
    strcat(message, "\n");
    shell_write(STDERR_FILENO, message, strlen(message));
}

int shell_print(int descriptor, const char *format, ...)
{
    va_list arguments;
    char small[256];
    va_start(arguments, format);
    int length = vsnprintf(small, sizeof(small), format, arguments);
    va_end(arguments);
    if (length < (int)sizeof(small))
        return shell_write(descriptor, small, (size_t)length);
    char *large = memory_allocate((size_t)length + 1);
    va_start(arguments, format);
    vsnprintf(large, (size_t)length + 1, format, arguments);
    va_end(arguments);
    int result = shell_write(descriptor, large, (size_t)length);
    free(large);
    return result;
}

void shell_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    shell_message(format, arguments);
    va_end(arguments);
}

void shell_abort(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    shell_message(format, arguments);
    va_end(arguments);
    shell.status = 2;
    shell.flow = FLOW_ABORT;
}

void shell_die(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    shell_message(format, arguments);
    va_end(arguments);
    _exit(status);
}

void shell_set_parameters(size_t count, char *const values[])
{
    char **copies = memory_allocate(count * sizeof(*copies));
    for (size_t i = 0; i < count; i++)
        copies[i] = memory_copy(values[i]);
    for (size_t i = 0; i < shell.parameter_count; i++)
        free(shell.parameters[i]);
    free(shell.parameters);
    shell.parameters = copies;
    shell.parameter_count = count;
}

bool shell_set_option(char letter, bool value)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (shell_options[i].letter == letter) {
            /* Job control needs the terminal, which only an interactive shell took. */
            if (letter != 'm' || !value)
                *shell_options[i].value = value;
            return true;
        }
    }
    return false;
}

bool shell_set_named_option(const char *name, bool value)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(shell_options[i].name, name) == 0)
            return shell_set_option(shell_options[i].letter, value);
    }
    return false;
}

void shell_option_letters(struct text *text)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (*shell_options[i].value)
            text_add(text, shell_options[i].letter);
    }
    if (shell.interactive)
        text_add(text, 'i');
}

void shell_print_options(void)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        shell_print(STDOUT_FILENO, "%-15s %s\n", shell_options[i].name,
                    *shell_options[i].value ? "on" : "off");
}
