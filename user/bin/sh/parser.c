/*
 * From tokens to a tree: recursive descent over POSIX's shell grammar.
 *
 *      list      = and-or { (";" | "&" | newline) and-or }
 *      and-or    = pipeline { ("&&" | "||") pipeline }
 *      pipeline  = ["!"] command { "|" command }
 *      command   = simple | compound redirections | name "(" ")" compound      (compound.c)
 *
 * Each function begins at the current token and leaves the first one that is not its own. After
 * an error the lexer gives only TOKEN_END, so every loop ends by itself and the half-built tree
 * is thrown away with its arena.
 */
#include "parser.h"
#include "compound.h"
#include "variable.h"

#include <string.h>

struct node *parser_create(struct parser *parser, enum node_kind kind)
{
    struct node *node = arena_allocate(parser->arena, sizeof(*node));
    node->kind = kind;
    node->line = parser->line;
    return node;
}

void parser_skip_newlines(struct parser *parser)
{
    while (parser->token == TOKEN_NEWLINE)
        lexer_next(parser);
}

/* The file descriptor in front of a redirection, the operator, and the word behind it. */
static struct redirection *parse_redirection(struct parser *parser)
{
    struct redirection *new = arena_allocate(parser->arena, sizeof(*new));
    bool has_number = parser->token == TOKEN_NUMBER;
    if (has_number)
        lexer_next(parser);
    enum token token = parser->token;
    new->descriptor = has_number ? parser->number : token >= TOKEN_GREAT;
    switch (token) {
    case TOKEN_LESS:
        new->kind = REDIRECT_INPUT;
        break;
    case TOKEN_LESS_GREAT:
        new->kind = REDIRECT_READ_WRITE;
        break;
    case TOKEN_GREAT_GREAT:
        new->kind = REDIRECT_APPEND;
        break;
    case TOKEN_LESS_AND:
    case TOKEN_GREAT_AND:
        new->kind = REDIRECT_DUPLICATE;
        break;
    case TOKEN_LESS_LESS:
    case TOKEN_LESS_DASH:
        new->kind = REDIRECT_DOCUMENT;
        new->strip_tabs = token == TOKEN_LESS_DASH;
        break;
    default:
        new->kind = REDIRECT_OUTPUT;
    }
    lexer_next(parser);
    if (parser->token != TOKEN_WORD) {
        lexer_unexpected(parser, NULL);
        return new;
    }
    if (new->kind == REDIRECT_DOCUMENT) {
        new->delimiter = word_delimiter(parser, parser->word, &new->delimiter_quoted);
        lexer_add_document(parser, new);
    } else {
        new->target = parser->word;
    }
    lexer_next(parser);
    return new;
}

static bool at_redirection(const struct parser *parser)
{
    return parser->token == TOKEN_NUMBER || parser->token >= TOKEN_LESS;
}

void parser_read_redirections(struct parser *parser, struct redirection **tail)
{
    while (*tail != NULL)
        tail = &(*tail)->next;
    while (at_redirection(parser)) {
        *tail = parse_redirection(parser);
        tail = &(*tail)->next;
    }
}

/* If the current word is name=value, the assignment; else NULL. */
static struct assignment *parse_assignment(struct parser *parser)
{
    struct part *first = parser->word->parts;
    if (first == NULL || first->kind != PART_TEXT || first->quoted)
        return NULL;
    size_t length = variable_name_length(first->text);
    if (length == 0 || first->text[length] != '=')
        return NULL;
    struct assignment *new = arena_allocate(parser->arena, sizeof(*new));
    new->name = arena_copy(parser->arena, first->text, length);
    new->value = arena_allocate(parser->arena, sizeof(*new->value));
    if (first->text[length + 1] == '\0') {
        new->value->parts = first->next;
    } else {
        struct part *rest = arena_allocate(parser->arena, sizeof(*rest));
        *rest = *first;
        rest->text = first->text + length + 1;
        new->value->parts = rest;
    }
    return new;
}

static struct node *parse_simple(struct parser *parser)
{
    struct node *node = parser_create(parser, NODE_SIMPLE);
    struct assignment **assignment_tail = &node->assignments;
    struct word **word_tail = &node->words;
    while (parser->token == TOKEN_WORD || at_redirection(parser)) {
        if (at_redirection(parser)) {
            parser_read_redirections(parser, &node->redirections);
            continue;
        }
        struct assignment *assignment = node->words == NULL ? parse_assignment(parser) : NULL;
        if (assignment != NULL) {
            *assignment_tail = assignment;
            assignment_tail = &assignment->next;
        } else {
            *word_tail = parser->word;
            word_tail = &parser->word->next;
        }
        const char *text = lexer_plain_text(parser);
        lexer_next(parser);
        if (parser->token == TOKEN_OPEN && assignment == NULL && node->words->next == NULL &&
            text != NULL && node->assignments == NULL && node->redirections == NULL)
            return compound_read_function(parser, text);
    }
    if (node->words == NULL && node->assignments == NULL && node->redirections == NULL)
        lexer_unexpected(parser, NULL);
    return node;
}

/* Whether the current token can only end a list. */
static bool at_list_end(const struct parser *parser)
{
    static const char *const words[] = {"then", "else", "elif", "fi", "do", "done", "esac", "}"};
    if (parser->token == TOKEN_END || parser->token == TOKEN_CLOSE ||
        parser->token == TOKEN_CASE_END)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (lexer_at_reserved(parser, words[i]))
            return true;
    }
    return false;
}

static struct node *parse_command(struct parser *parser)
{
    struct node *node = NULL;
    if (!lexer_nest(parser) || at_list_end(parser))
        lexer_unexpected(parser, NULL);
    else if (compound_starts(parser))
        node = compound_read(parser);
    else
        node = parse_simple(parser);
    parser->nesting--;
    return node;
}

static struct node *parse_pipeline(struct parser *parser)
{
    bool negated = false;
    while (lexer_at_reserved(parser, "!")) {
        negated = !negated;
        lexer_next(parser);
    }
    struct node *first = parse_command(parser);
    if (parser->token != TOKEN_OR && !negated)
        return first;
    struct node *pipeline = parser_create(parser, NODE_PIPELINE);
    pipeline->negated = negated;
    pipeline->body = first;
    for (struct node *last = first; parser->token == TOKEN_OR && last != NULL; last = last->next) {
        lexer_next(parser);
        parser_skip_newlines(parser);
        last->next = parse_command(parser);
    }
    return pipeline;
}

/* The text of the command between two positions of the current line, for the list of jobs. */
static char *parser_source(struct parser *parser, unsigned line, size_t start)
{
    struct input *input = parser->input;
    size_t end = parser->previous_end;
    if (input->line == line && start < end && end <= input->length)
        return arena_copy(parser->arena, input->text + start, end - start);
    return NULL;
}

static struct node *parse_and_or(struct parser *parser)
{
    unsigned line = parser->input->line;
    size_t start = parser->token_start;
    struct node *left = parse_pipeline(parser);
    while (parser->token == TOKEN_AND_AND || parser->token == TOKEN_OR_OR) {
        bool is_and = parser->token == TOKEN_AND_AND;
        struct node *node = parser_create(parser, is_and ? NODE_AND : NODE_OR);
        lexer_next(parser);
        parser_skip_newlines(parser);
        node->left = left;
        node->right = parse_pipeline(parser);
        left = node;
    }
    if (left != NULL)
        left->source = parser_source(parser, line, start);
    return left;
}

struct node *parser_read_list(struct parser *parser)
{
    struct node *list = NULL, **tail = &list;
    parser_skip_newlines(parser);
    while (!at_list_end(parser)) {
        struct node *node = parse_and_or(parser);
        if (parser->failed)
            break;
        *tail = node;
        tail = &node->next;
        node->background = parser->token == TOKEN_AND;
        if (parser->token == TOKEN_AND || parser->token == TOKEN_SEMICOLON)
            lexer_next(parser);
        else if (parser->token != TOKEN_NEWLINE)
            break;
        parser_skip_newlines(parser);
    }
    return list;
}

struct node *parser_read_body(struct parser *parser)
{
    struct node *list = parser_read_list(parser);
    if (list == NULL)
        lexer_unexpected(parser, NULL);
    return list;
}

enum parse_result parser_read_command(struct input *input, struct arena *arena,
                                      struct node **command)
{
    struct parser parser = {.input = input, .arena = arena};
    struct node **tail = command;
    *command = NULL;
    input->in_command = false;
    lexer_next(&parser);
    if (parser.token == TOKEN_END)
        return parser.failed || input->interrupted ? PARSE_ERROR : PARSE_END;
    while (parser.token != TOKEN_NEWLINE && parser.token != TOKEN_END) {
        struct node *node = at_list_end(&parser) ? NULL : parse_and_or(&parser);
        if (node == NULL || parser.failed) {
            lexer_unexpected(&parser, NULL);
            break;
        }
        *tail = node;
        tail = &node->next;
        node->background = parser.token == TOKEN_AND;
        if (parser.token == TOKEN_AND || parser.token == TOKEN_SEMICOLON)
            lexer_next(&parser);
        else if (parser.token != TOKEN_NEWLINE && parser.token != TOKEN_END)
            lexer_unexpected(&parser, NULL);
    }
    return parser.failed ? PARSE_ERROR : PARSE_COMMAND;
}

struct node *parser_read_all(struct input *input, struct arena *arena, bool *failed)
{
    struct parser parser = {.input = input, .arena = arena};
    lexer_next(&parser);
    struct node *list = parser_read_list(&parser);
    if (parser.token != TOKEN_END)
        lexer_unexpected(&parser, NULL);
    *failed |= parser.failed;
    return list;
}

struct node *parser_read_substitution(struct parser *parser)
{
    struct parser inner = {
        .input = parser->input, .arena = parser->arena, .nesting = parser->nesting + 1};
    lexer_next(&inner);
    struct node *list = parser_read_list(&inner);
    if (inner.token != TOKEN_CLOSE)
        lexer_unexpected(&inner, ")");
    parser->failed |= inner.failed;
    lexer_add_document(parser, inner.pending);
    return list;
}
