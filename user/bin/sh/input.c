/*
 * Where commands come from.
 *
 * The lexer sees one line at a time and asks for the next one only when it needs it: a command
 * runs before the line behind it is read. A shell whose commands come from its standard input
 * shares that with the programs that it starts, so there it reads byte by byte and stops at the
 * newline; a program then finds its input where the shell's ends. Null bytes are dropped.
 */
#include "input.h"
#include "edit.h"
#include "expand.h"
#include "job.h"
#include "shell.h"
#include "trap.h"
#include "variable.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void input_from_string(struct input *input, const char *text, size_t length, unsigned line)
{
    memset(input, 0, sizeof(*input));
    input->text = text;
    input->length = length;
    input->line = line;
    input->at_end = true;
    input->descriptor = -1;
}

/* One byte of the file. Returns false at the end or after an error. */
static bool input_byte(struct input *input, char *byte)
{
    if (input->block_position == input->block_length) {
        ssize_t n;
        do {
            n = read(input->descriptor, input->block, input->shared ? 1 : sizeof(input->block));
        } while (n < 0 && errno == EINTR);
        if (n <= 0)
            return false;
        input->block_position = 0;
        input->block_length = (size_t)n;
    }
    *byte = input->block[input->block_position++];
    return true;
}

static bool input_refill_file(struct input *input)
{
    char c = 0;
    text_clear(&input->current);
    while (c != '\n' && input_byte(input, &c)) {
        if (c != '\0')
            text_add(&input->current, c);
    }
    if (shell.verbose)
        shell_write(STDERR_FILENO, text_string(&input->current), input->current.length);
    input->text = text_string(&input->current);
    input->length = input->current.length;
    return input->length > 0;
}

void input_from_file(struct input *input, int descriptor, bool shared)
{
    memset(input, 0, sizeof(*input));
    input->descriptor = descriptor;
    input->shared = shared;
    input->refill = input_refill_file;
    input->text = "";
}

static bool input_refill_console(struct input *input)
{
    if (!input->in_command)
        job_report();
    const char *name = input->in_command ? "PS2" : "PS1";
    char *prompt = expand_prompt(variable_get(name));
    text_clear(&input->current);
    enum edit_result result = edit_read_line(prompt, &input->current);
    input->interrupted = result == EDIT_INTERRUPTED;
    if (result != EDIT_LINE) {
        text_clear(&input->current);
        return false;
    }
    input->text = text_string(&input->current);
    input->length = input->current.length;
    return true;
}

void input_from_console(struct input *input)
{
    input_from_file(input, STDIN_FILENO, true);
    input->refill = input_refill_console;
}

void input_close(struct input *input)
{
    text_free(&input->current);
    if (input->descriptor > STDERR_FILENO)
        close(input->descriptor);
}

/* Make text[position] valid. Returns false at the end of the input. */
static bool input_fill(struct input *input)
{
    while (input->position >= input->length) {
        if (input->at_end || !input->refill(input)) {
            input->at_end = true;
            return false;
        }
        input->position = 0;
        input->line++;
        input->in_command = true;
    }
    return true;
}

int input_peek(struct input *input)
{
    while (input_fill(input)) {
        const char *here = input->text + input->position;
        bool continues = here[0] == '\\' && input->position + 1 < input->length && here[1] == '\n';
        if (!continues)
            return (unsigned char)here[0];
        input->position += 2;
        if (input->refill == NULL)
            input->line++;
    }
    return INPUT_END;
}

int input_get(struct input *input)
{
    if (input_peek(input) == INPUT_END)
        return INPUT_END;
    return input_get_raw(input);
}

int input_get_raw(struct input *input)
{
    if (!input_fill(input))
        return INPUT_END;
    int c = (unsigned char)input->text[input->position++];
    if (c == '\n' && input->refill == NULL)
        input->line++;
    return c;
}

void input_discard_line(struct input *input)
{
    input->position = input->length;
}
