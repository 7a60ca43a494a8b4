/*
 * From characters to tokens.
 */
#pragma once

#include "input.h"
#include "memory.h"
#include "syntax.h"

#include <stdbool.h>
#include <stddef.h>

enum token {
    TOKEN_END,
    TOKEN_NEWLINE,
    TOKEN_WORD,
    TOKEN_NUMBER,      /* a digit right before < or > */
    TOKEN_AND,         /* & */
    TOKEN_AND_AND,     /* && */
    TOKEN_OR,          /* | */
    TOKEN_OR_OR,       /* || */
    TOKEN_SEMICOLON,   /* ; */
    TOKEN_CASE_END,    /* ;; */
    TOKEN_OPEN,        /* ( */
    TOKEN_CLOSE,       /* ) */
    TOKEN_LESS,        /* < */
    TOKEN_LESS_LESS,   /* << */
    TOKEN_LESS_DASH,   /* <<- */
    TOKEN_LESS_AND,    /* <& */
    TOKEN_LESS_GREAT,  /* <> */
    TOKEN_GREAT,       /* > */
    TOKEN_GREAT_GREAT, /* >> */
    TOKEN_GREAT_AND,   /* >& */
    TOKEN_CLOBBER,     /* >| */
};

struct parser {
    struct input *input;
    struct arena *arena; /* everything parsed goes here */
    bool failed;         /* a syntax error was reported; only TOKEN_END follows */

    enum token token; /* the current one: read, and not yet taken */
    struct word *word;
    int number;
    unsigned line;       /* where it stands */
    size_t token_start;  /* in input->text */
    size_t previous_end; /* the end of the token before, in input->text */
    unsigned nesting;    /* of compound commands and substitutions */

    struct redirection *pending; /* here-documents whose lines come after the next newline */
};

/* Read the next token. */
void lexer_next(struct parser *parser);

/* Whether the current token is this reserved word. */
bool lexer_at_reserved(const struct parser *parser, const char *word);

/* If the current token is a word of unquoted characters only, they; else NULL. */
const char *lexer_plain_text(const struct parser *parser);

/* Report a syntax error, once. */
void lexer_error(struct parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Report the current token as unexpected; `expected` may be NULL. */
void lexer_unexpected(struct parser *parser, const char *expected);

/*
 * Count one level of nesting more; the caller counts it down again. Returns false after an error
 * when they are too many: a hostile script must not overflow the stack.
 */
bool lexer_nest(struct parser *parser);

/* The document's lines will be read behind the next newline. */
void lexer_add_document(struct parser *parser, struct redirection *document);

/*
 * Words (word.c).
 */

/* Whether this character ends an unquoted word. */
bool word_ends_at(int c);

/* Read an unquoted word; the next character does not end one. */
struct word *word_read(struct parser *parser);

/* Read all of the input as the inside of a here-document. */
struct word *word_read_document(struct parser *parser);

/* The delimiter of a here-document: the word without its quotes. */
char *word_delimiter(struct parser *parser, const struct word *word, bool *quoted);
