/*
 * Compound commands and functions: one function for each construct of the grammar.
 */
#include "compound.h"
#include "variable.h"

#include <string.h>

static void expect_reserved(struct parser *parser, const char *word)
{
    if (lexer_at_reserved(parser, word))
        lexer_next(parser);
    else
        lexer_unexpected(parser, word);
}

/* ( list ) */
static struct node *read_subshell(struct parser *parser)
{
    struct node *node = parser_create(parser, NODE_SUBSHELL);
    lexer_next(parser);
    node->body = parser_read_body(parser);
    if (parser->token == TOKEN_CLOSE)
        lexer_next(parser);
    else
        lexer_unexpected(parser, ")");
    return node;
}

/* { list } */
static struct node *read_group(struct parser *parser)
{
    struct node *node = parser_create(parser, NODE_GROUP);
    lexer_next(parser);
    node->body = parser_read_body(parser);
    expect_reserved(parser, "}");
    return node;
}

/* if list then list { elif list then list } [ else list ] fi; an elif is an inner if */
static struct node *read_if(struct parser *parser)
{
    struct node *node = parser_create(parser, NODE_IF);
    struct node *inner = node;
    for (;;) {
        lexer_next(parser);
        inner->left = parser_read_body(parser);
        expect_reserved(parser, "then");
        inner->body = parser_read_body(parser);
        if (!lexer_at_reserved(parser, "elif"))
            break;
        inner->right = parser_create(parser, NODE_IF);
        inner = inner->right;
    }
    if (lexer_at_reserved(parser, "else")) {
        lexer_next(parser);
        inner->right = parser_read_body(parser);
    }
    expect_reserved(parser, "fi");
    return node;
}

/* do list done */
static struct node *read_do(struct parser *parser)
{
    expect_reserved(parser, "do");
    struct node *body = parser_read_body(parser);
    expect_reserved(parser, "done");
    return body;
}

/* while list do list done */
static struct node *read_loop(struct parser *parser, enum node_kind kind)
{
    struct node *node = parser_create(parser, kind);
    lexer_next(parser);
    node->left = parser_read_body(parser);
    node->body = read_do(parser);
    return node;
}

/* A chain of words up to another token. */
static struct word *read_words(struct parser *parser)
{
    struct word *words = NULL, **tail = &words;
    while (parser->token == TOKEN_WORD) {
        *tail = parser->word;
        tail = &parser->word->next;
        lexer_next(parser);
    }
    return words;
}

/* for name [ in words ] ; do list done */
static struct node *read_for(struct parser *parser)
{
    struct node *node = parser_create(parser, NODE_FOR);
    lexer_next(parser);
    const char *name = lexer_plain_text(parser);
    if (name == NULL || !variable_is_name(name)) {
        lexer_error(parser, "Bad for loop variable");
        return node;
    }
    node->name = arena_copy(parser->arena, name, strlen(name));
    lexer_next(parser);
    bool had_newline = parser->token == TOKEN_NEWLINE;
    parser_skip_newlines(parser);
    node->over_parameters = !lexer_at_reserved(parser, "in");
    if (!node->over_parameters) {
        lexer_next(parser);
        node->words = read_words(parser);
        if (parser->token != TOKEN_SEMICOLON && parser->token != TOKEN_NEWLINE)
            lexer_unexpected(parser, NULL);
    }
    if (parser->token == TOKEN_SEMICOLON && !(node->over_parameters && had_newline))
        lexer_next(parser);
    parser_skip_newlines(parser);
    node->body = read_do(parser);
    return node;
}

/* [(] pattern { | pattern } ) list [;;] */
static struct case_item *read_case_item(struct parser *parser)
{
    struct case_item *item = arena_allocate(parser->arena, sizeof(*item));
    struct word **tail = &item->patterns;
    if (parser->token == TOKEN_OPEN)
        lexer_next(parser);
    while (parser->token == TOKEN_WORD) {
        *tail = parser->word;
        tail = &parser->word->next;
        lexer_next(parser);
        if (parser->token != TOKEN_OR)
            break;
        lexer_next(parser);
    }
    if (parser->token != TOKEN_CLOSE || item->patterns == NULL) {
        lexer_unexpected(parser, ")");
        return item;
    }
    lexer_next(parser);
    item->body = parser_read_list(parser);
    return item;
}

/* case word in { item } esac */
static struct node *read_case(struct parser *parser)
{
    struct node *node = parser_create(parser, NODE_CASE);
    struct case_item **tail = &node->items;
    lexer_next(parser);
    if (parser->token != TOKEN_WORD) {
        lexer_unexpected(parser, NULL);
        return node;
    }
    node->words = parser->word;
    lexer_next(parser);
    parser_skip_newlines(parser);
    expect_reserved(parser, "in");
    parser_skip_newlines(parser);
    while (!parser->failed && !lexer_at_reserved(parser, "esac")) {
        *tail = read_case_item(parser);
        tail = &(*tail)->next;
        if (parser->token != TOKEN_CASE_END)
            break;
        lexer_next(parser);
        parser_skip_newlines(parser);
    }
    if (lexer_at_reserved(parser, "esac"))
        lexer_next(parser);
    else
        lexer_unexpected(parser, ";;");
    return node;
}

struct node *compound_read_function(struct parser *parser, const char *name)
{
    struct node *node = parser_create(parser, NODE_FUNCTION);
    if (!variable_is_name(name))
        lexer_error(parser, "Bad function name");
    node->name = arena_copy(parser->arena, name, strlen(name));
    lexer_next(parser);
    if (parser->token == TOKEN_CLOSE)
        lexer_next(parser);
    else
        lexer_unexpected(parser, ")");
    parser_skip_newlines(parser);
    if (compound_starts(parser))
        node->body = compound_read(parser);
    else
        lexer_unexpected(parser, "{");
    return node;
}

bool compound_starts(const struct parser *parser)
{
    static const char *const words[] = {"{", "if", "while", "until", "for", "case"};
    if (parser->token == TOKEN_OPEN)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (lexer_at_reserved(parser, words[i]))
            return true;
    }
    return false;
}

struct node *compound_read(struct parser *parser)
{
    struct node *node;
    if (parser->token == TOKEN_OPEN)
        node = read_subshell(parser);
    else if (lexer_at_reserved(parser, "{"))
        node = read_group(parser);
    else if (lexer_at_reserved(parser, "if"))
        node = read_if(parser);
    else if (lexer_at_reserved(parser, "while"))
        node = read_loop(parser, NODE_WHILE);
    else if (lexer_at_reserved(parser, "until"))
        node = read_loop(parser, NODE_UNTIL);
    else if (lexer_at_reserved(parser, "for"))
        node = read_for(parser);
    else
        node = read_case(parser);
    parser_read_redirections(parser, &node->redirections);
    return node;
}
