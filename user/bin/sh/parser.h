/*
 * From tokens to a tree (syntax.h).
 */
#pragma once

#include "lexer.h"
#include "syntax.h"

enum parse_result {
    PARSE_COMMAND, /* there is one (it may be empty) */
    PARSE_END,     /* the input is at its end */
    PARSE_ERROR,   /* a syntax error was reported */
};

/* Read one complete command: up to a newline that is not inside anything. */
enum parse_result parser_read_command(struct input *input, struct arena *arena,
                                      struct node **command);

/* Read the whole input as one list. Sets *failed after a syntax error. */
struct node *parser_read_all(struct input *input, struct arena *arena, bool *failed);

/* Read the inside of $( ) and its closing parenthesis, from within a word. */
struct node *parser_read_substitution(struct parser *parser);
