/*
 * The parser's second half: commands that contain commands, and what the two halves share.
 */
#pragma once

#include "lexer.h"
#include "syntax.h"

/* Whether a compound command begins at the current token. */
bool compound_starts(const struct parser *parser);

/* Read one, with its redirections. */
struct node *compound_read(struct parser *parser);

/* Read "() body" behind the function's name. */
struct node *compound_read_function(struct parser *parser, const char *name);

/* parser.c */
struct node *parser_create(struct parser *parser, enum node_kind kind);
void parser_skip_newlines(struct parser *parser);
void parser_read_redirections(struct parser *parser, struct redirection **tail);

/* Read commands up to a token that ends a list; parser_read_body wants at least one. */
struct node *parser_read_list(struct parser *parser);
struct node *parser_read_body(struct parser *parser);
