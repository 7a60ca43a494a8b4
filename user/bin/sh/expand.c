/*
 * Word expansion.
 *
 * POSIX describes a sequence: tilde, parameter, command and arithmetic expansion, then splitting
 * into fields, then file names, then quote removal; and what a later step may do depends on where
 * a character came from. So the first step writes characters with a mark beside each
 * (expand.h), and the later steps read the marks. Quotes need no removal: the parser left none.
 */
#include "expand.h"
#include "arithmetic.h"
#include "job.h"
#include "lexer.h"
#include "shell.h"
#include "variable.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void expansion_add(struct expansion *expansion, const char *string, char mark)
{
    if (*string == '\0' && mark == MARK_QUOTED)
        expansion_mark(expansion, MARK_EMPTY);
    for (; *string != '\0'; string++) {
        text_add(&expansion->bytes, *string);
        text_add(&expansion->marks, mark);
    }
}

void expansion_mark(struct expansion *expansion, char mark)
{
    text_add(&expansion->bytes, ' ');
    text_add(&expansion->marks, mark);
}

void expansion_free(struct expansion *expansion)
{
    text_free(&expansion->bytes);
    text_free(&expansion->marks);
}

char *expansion_string(const struct expansion *expansion)
{
    char *string = arena_allocate(shell.temporary, expansion->bytes.length + 1), *end = string;
    for (size_t i = 0; i < expansion->bytes.length; i++) {
        if (expansion->marks.bytes[i] != MARK_EMPTY)
            *end++ = expansion->bytes.bytes[i];
    }
    return string;
}

char *expansion_pattern(const struct expansion *expansion)
{
    char *pattern = arena_allocate(shell.temporary, 2 * expansion->bytes.length + 1);
    char *end = pattern;
    for (size_t i = 0; i < expansion->bytes.length; i++) {
        char c = expansion->bytes.bytes[i], mark = expansion->marks.bytes[i];
        if (mark == MARK_EMPTY)
            continue;
        if (mark == MARK_QUOTED && !variable_is_name_character(c) && c != '/')
            *end++ = '\\';
        *end++ = c;
    }
    return pattern;
}

/* The output of a command, without the newlines at its end. */
static void expand_command(struct expansion *expansion, const struct part *part)
{
    char mark = part->quoted ? MARK_QUOTED : MARK_RESULT;
    struct text output = {0};
    pid_t pid;
    int descriptor = job_capture(part->command, &pid);
    if (descriptor < 0)
        return;
    char buffer[1024];
    ssize_t n;
    while ((n = read(descriptor, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR)) {
        for (ssize_t i = 0; i < n; i++) {
            if (buffer[i] != '\0')
                text_add(&output, buffer[i]);
        }
    }
    close(descriptor);
    shell.status = job_wait_process(pid);
    shell.captured = true;
    while (output.length > 0 && output.bytes[output.length - 1] == '\n')
        text_remove(&output, output.length - 1, 1);
    expansion_add(expansion, text_string(&output), mark);
    text_free(&output);
}

static void expand_arithmetic(struct expansion *expansion, const struct part *part)
{
    char buffer[24];
    long value = 0;
    char *text = expand_word(part->argument);
    if (shell.flow != FLOW_NEXT || !arithmetic_evaluate(text, &value))
        return;
    snprintf(buffer, sizeof(buffer), "%ld", value);
    expansion_add(expansion, buffer, part->quoted ? MARK_QUOTED : MARK_RESULT);
}

/*
 * A tilde prefix at the start of unquoted text: ~ or ~/... is $HOME. Returns how many characters
 * were taken. There are no users' homes to look up, so ~name stays as it is.
 */
static size_t expand_tilde(struct expansion *expansion, const char *text, bool more_follows)
{
    const char *home = variable_get("HOME");
    bool ends = text[1] == '/' || (text[1] == '\0' && !more_follows) ||
                (text[1] == ':' && expansion->is_assignment);
    if (text[0] != '~' || !ends || home == NULL)
        return 0;
    expansion_add(expansion, home, MARK_QUOTED);
    return 1;
}

/* Unquoted text as it stands, but for tildes. */
static void expand_plain_text(struct expansion *expansion, const struct part *part, bool is_first,
                              char mark)
{
    const char *text = part->text;
    bool at_start = is_first;
    while (*text != '\0') {
        size_t taken = at_start ? expand_tilde(expansion, text, part->next != NULL) : 0;
        if (taken == 0) {
            char character[2] = {*text, '\0'};
            expansion_add(expansion, character, mark);
            taken = 1;
        }
        at_start = expansion->is_assignment && *text == ':';
        text += taken;
    }
}

void expansion_add_word(struct expansion *expansion, const struct word *word, char mark)
{
    for (const struct part *part = word->parts; part != NULL; part = part->next) {
        if (shell.flow != FLOW_NEXT)
            return;
        switch (part->kind) {
        case PART_TEXT:
            if (part->quoted)
                expansion_add(expansion, part->text, MARK_QUOTED);
            else
                expand_plain_text(expansion, part, part == word->parts, mark);
            break;
        case PART_PARAMETER:
            parameter_expand(expansion, part);
            break;
        case PART_COMMAND:
            expand_command(expansion, part);
            break;
        case PART_ARITHMETIC:
            expand_arithmetic(expansion, part);
            break;
        }
    }
}

char **expand_words(const struct word *words, size_t *count)
{
    struct field_list list = {0};
    for (; words != NULL && shell.flow == FLOW_NEXT; words = words->next) {
        struct expansion expansion = {0};
        expansion_add_word(&expansion, words, MARK_PLAIN);
        if (shell.flow == FLOW_NEXT)
            field_split(&expansion, &list);
        expansion_free(&expansion);
    }
    *count = list.count;
    field_add(&list, NULL);
    return list.fields;
}

char *expand_word(const struct word *word)
{
    struct expansion expansion = {0};
    expansion_add_word(&expansion, word, MARK_PLAIN);
    char *result = expansion_string(&expansion);
    expansion_free(&expansion);
    return result;
}

char *expand_assignment(const struct word *word)
{
    struct expansion expansion = {.is_assignment = true};
    expansion_add_word(&expansion, word, MARK_PLAIN);
    char *result = expansion_string(&expansion);
    expansion_free(&expansion);
    return result;
}

char *expand_pattern(const struct word *word)
{
    struct expansion expansion = {0};
    expansion_add_word(&expansion, word, MARK_PLAIN);
    char *result = expansion_pattern(&expansion);
    expansion_free(&expansion);
    return result;
}

char *expand_prompt(const char *prompt)
{
    if (prompt == NULL || strpbrk(prompt, "$`\\") == NULL)
        return arena_copy(shell.temporary, prompt ? prompt : "", prompt ? strlen(prompt) : 0);
    struct input input;
    struct arena *arena = arena_create();
    int status = shell.status;
    input_from_string(&input, prompt, strlen(prompt), shell.line);
    struct parser parser = {.input = &input, .arena = arena};
    struct word *word = word_read_document(&parser);
    char *result = parser.failed ? "" : expand_word(word);
    arena_release(arena);
    shell.status = status;
    return result;
}
