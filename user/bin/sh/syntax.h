/*
 * The tree that the parser builds and the interpreter walks. All of it lies in one arena.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct node;

/* A word is a chain of parts; quotes are gone, but each part remembers whether it was quoted. */
enum part_kind {
    PART_TEXT,       /* text */
    PART_PARAMETER,  /* $text, ${text operation argument} */
    PART_COMMAND,    /* $(command), `command` */
    PART_ARITHMETIC, /* $((argument)) */
};

enum parameter_operation {
    PARAMETER_PLAIN,
    PARAMETER_LENGTH,         /* ${#name} */
    PARAMETER_DEFAULT,        /* ${name-word} */
    PARAMETER_ASSIGN,         /* ${name=word} */
    PARAMETER_ERROR,          /* ${name?word} */
    PARAMETER_ALTERNATIVE,    /* ${name+word} */
    PARAMETER_PREFIX,         /* ${name#pattern} */
    PARAMETER_LONGEST_PREFIX, /* ${name##pattern} */
    PARAMETER_SUFFIX,         /* ${name%pattern} */
    PARAMETER_LONGEST_SUFFIX, /* ${name%%pattern} */
};

struct part {
    struct part *next;
    enum part_kind kind;
    bool quoted;
    bool empty_is_unset; /* the operation was written with a colon */
    enum parameter_operation operation;
    char *text;
    struct word *argument;
    struct node *command;
};

struct word {
    struct word *next;
    struct part *parts;
};

struct assignment {
    struct assignment *next;
    char *name;
    struct word *value;
};

enum redirection_kind {
    REDIRECT_INPUT,      /* < */
    REDIRECT_OUTPUT,     /* >, >| */
    REDIRECT_APPEND,     /* >> */
    REDIRECT_READ_WRITE, /* <> */
    REDIRECT_DUPLICATE,  /* <&, >&; the target "-" closes */
    REDIRECT_DOCUMENT,   /* <<, <<- */
};

struct redirection {
    struct redirection *next;
    enum redirection_kind kind;
    int descriptor;
    struct word *target; /* the file's name, the other descriptor, the document's text */

    /* Only while the parser waits for the document's lines. */
    struct redirection *next_pending;
    char *delimiter;
    bool delimiter_quoted, strip_tabs;
};

struct case_item {
    struct case_item *next;
    struct word *patterns;
    struct node *body;
};

enum node_kind {
    NODE_SIMPLE,   /* assignments, words */
    NODE_PIPELINE, /* the chain `body`; negated */
    NODE_AND,      /* left && right */
    NODE_OR,       /* left || right */
    NODE_SUBSHELL, /* ( body ) */
    NODE_GROUP,    /* { body } */
    NODE_IF,       /* if left, then body, else right */
    NODE_WHILE,    /* while left, do body */
    NODE_UNTIL,
    NODE_FOR,      /* for name in words, do body */
    NODE_CASE,     /* case words in items */
    NODE_FUNCTION, /* name() body */
};

/* A list of commands is a chain of nodes by `next`. */
struct node {
    struct node *next;
    enum node_kind kind;
    bool background;      /* followed by & */
    bool negated;         /* ! */
    bool over_parameters; /* `for name` without `in` */
    unsigned line;
    char *name;
    char *source; /* as it was typed, for the list of jobs; may be NULL */
    struct node *left, *right, *body;
    struct assignment *assignments;
    struct word *words;
    struct case_item *items;
    struct redirection *redirections;
};
