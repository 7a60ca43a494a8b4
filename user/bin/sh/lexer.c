/*
 * From characters to tokens.
 *
 * A token is an operator, a newline or a word. The parser looks one token ahead. Reserved words
 * are words like others here: only the parser knows where `then` has a meaning.
 *
 * Here-documents: the operator stands in one line and the text begins in the next. The parser
 * hands over the redirection when it has read the delimiter, and whoever reads the newline token
 * reads the waiting documents with it. The text is kept as a word, so that its $-expressions are
 * expanded when the command runs.
 */
#include "lexer.h"
#include "shell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum token token;
    const char *text;
} lexer_operators[] = {
    /* Those that begin like a shorter one stand before it. */
    {TOKEN_AND_AND, "&&"},   {TOKEN_AND, "&"},          {TOKEN_OR_OR, "||"},
    {TOKEN_OR, "|"},         {TOKEN_CASE_END, ";;"},    {TOKEN_SEMICOLON, ";"},
    {TOKEN_OPEN, "("},       {TOKEN_CLOSE, ")"},        {TOKEN_LESS_DASH, "<<-"},
    {TOKEN_LESS_LESS, "<<"}, {TOKEN_LESS_AND, "<&"},    {TOKEN_LESS_GREAT, "<>"},
    {TOKEN_LESS, "<"},       {TOKEN_GREAT_GREAT, ">>"}, {TOKEN_GREAT_AND, ">&"},
    {TOKEN_CLOBBER, ">|"},   {TOKEN_GREAT, ">"},
};

#define MAX_NESTING 500

#define OPERATOR_COUNT (sizeof(lexer_operators) / sizeof(lexer_operators[0]))

void lexer_error(struct parser *parser, const char *format, ...)
{
    char message[200];
    va_list arguments;
    if (parser->failed)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    parser->failed = true;
    parser->token = TOKEN_END;
    shell.line = parser->input->line;
    if (!parser->input->interrupted)
        shell_error("Syntax error: %s", message);
}

void lexer_unexpected(struct parser *parser, const char *expected)
{
    const char *found = "word";
    if (parser->token == TOKEN_END)
        found = "end of file";
    else if (parser->token == TOKEN_NEWLINE)
        found = "newline";
    else if (lexer_plain_text(parser) != NULL)
        found = lexer_plain_text(parser);
    else if (parser->token == TOKEN_NUMBER)
        found = "redirection";
    for (size_t i = 0; i < OPERATOR_COUNT; i++) {
        if (lexer_operators[i].token == parser->token)
            found = lexer_operators[i].text;
    }
    const char *quote = parser->token < TOKEN_WORD ? "" : "\"";
    if (expected != NULL)
        lexer_error(parser, "%s%s%s unexpected (expecting \"%s\")", quote, found, quote, expected);
    else
        lexer_error(parser, "%s%s%s unexpected", quote, found, quote);
}

bool lexer_nest(struct parser *parser)
{
    if (++parser->nesting > MAX_NESTING)
        lexer_error(parser, "nested too deeply");
    return !parser->failed;
}

const char *lexer_plain_text(const struct parser *parser)
{
    if (parser->token != TOKEN_WORD)
        return NULL;
    const struct part *part = parser->word->parts;
    bool plain = part != NULL && part->kind == PART_TEXT && !part->quoted && part->next == NULL;
    return plain ? part->text : NULL;
}

bool lexer_at_reserved(const struct parser *parser, const char *word)
{
    const char *text = lexer_plain_text(parser);
    return text != NULL && strcmp(text, word) == 0;
}

void lexer_add_document(struct parser *parser, struct redirection *document)
{
    struct redirection **end = &parser->pending;
    while (*end != NULL)
        end = &(*end)->next_pending;
    *end = document;
}

/* One line of a here-document, without its newline. Returns false at the end of the input. */
static bool lexer_document_line(struct parser *parser, bool quoted, struct text *line)
{
    int c;
    text_clear(line);
    while ((c = quoted ? input_get_raw(parser->input) : input_get(parser->input)) != INPUT_END) {
        if (c == '\n')
            return true;
        text_add(line, (char)c);
        if (c == '\\' && !quoted) {
            c = input_get_raw(parser->input);
            if (c == '\n')
                return true;
            if (c != INPUT_END)
                text_add(line, (char)c);
        }
    }
    return line->length > 0;
}

static struct word *lexer_document_word(struct parser *parser, const struct text *body, bool quoted)
{
    if (quoted) {
        struct word *word = arena_allocate(parser->arena, sizeof(*word));
        word->parts = arena_allocate(parser->arena, sizeof(*word->parts));
        word->parts->quoted = true;
        word->parts->text = arena_copy(parser->arena, text_string(body), body->length);
        return word;
    }
    struct input input;
    input_from_string(&input, text_string(body), body->length, parser->input->line);
    struct parser inner = {.input = &input, .arena = parser->arena};
    struct word *word = word_read_document(&inner);
    parser->failed |= inner.failed;
    return word;
}

static void lexer_read_document(struct parser *parser, struct redirection *document)
{
    struct text body = {0}, line = {0};
    while (lexer_document_line(parser, document->delimiter_quoted, &line)) {
        size_t tabs = document->strip_tabs ? strspn(text_string(&line), "\t") : 0;
        const char *content = text_string(&line) + tabs;
        if (strcmp(content, document->delimiter) == 0)
            break;
        text_add_string(&body, content);
        text_add(&body, '\n');
    }
    document->target = lexer_document_word(parser, &body, document->delimiter_quoted);
    text_free(&body);
    text_free(&line);
}

static void lexer_read_pending_documents(struct parser *parser)
{
    while (parser->pending != NULL) {
        struct redirection *document = parser->pending;
        parser->pending = document->next_pending;
        lexer_read_document(parser, document);
    }
}

static void lexer_skip_blanks(struct input *input)
{
    int c = input_peek(input);
    while (c == ' ' || c == '\t') {
        input_get(input);
        c = input_peek(input);
    }
    if (c == '#') {
        while (input->position < input->length && input->text[input->position] != '\n')
            input->position++;
    }
}

/* Read an operator by its longest match. Returns false when none begins here. */
static bool lexer_take_operator(struct parser *parser)
{
    struct input *input = parser->input;
    for (size_t i = 0; i < OPERATOR_COUNT; i++) {
        const char *text = lexer_operators[i].text;
        size_t length = strlen(text);
        if (input->length - input->position >= length &&
            memcmp(input->text + input->position, text, length) == 0) {
            input->position += length;
            parser->token = lexer_operators[i].token;
            return true;
        }
    }
    return false;
}

void lexer_next(struct parser *parser)
{
    struct input *input = parser->input;
    if (parser->failed) {
        parser->token = TOKEN_END;
        return;
    }
    parser->previous_end = input->position;
    lexer_skip_blanks(input);
    int c = input_peek(input);
    parser->line = input->line;
    parser->token_start = input->position;
    if (c == INPUT_END) {
        lexer_read_pending_documents(parser);
        parser->token = TOKEN_END;
    } else if (c == '\n') {
        input_get(input);
        lexer_read_pending_documents(parser);
        parser->token = TOKEN_NEWLINE;
    } else if (!lexer_take_operator(parser)) {
        parser->word = word_read(parser);
        parser->token = parser->failed ? TOKEN_END : TOKEN_WORD;
        const char *text = lexer_plain_text(parser);
        int next = input_peek(input);
        if (text != NULL && text[0] >= '0' && text[0] <= '9' && text[1] == '\0' &&
            (next == '<' || next == '>')) {
            parser->token = TOKEN_NUMBER;
            parser->number = text[0] - '0';
        }
    }
}
