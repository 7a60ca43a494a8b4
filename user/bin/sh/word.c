/*
 * From characters to words: quotes and $-expressions.
 *
 * A word is read into a chain of parts: text (quoted or not), parameters, commands, arithmetic.
 * The inside of $( ) is parsed at once, by the same parser on the same input, so that a closing
 * parenthesis in a string or a comment does not end it; the inside of `...` is first collected,
 * with its backslashes taken off, and then parsed as a string of its own.
 *
 * There are two sets of rules, each with its closing character:
 *
 *      plain   all quotes have their meaning      words, ${name-HERE}, patterns
 *      double  only \ $ ` have one                "HERE", "${name-HERE}", documents, $((HERE))
 */
#include "lexer.h"
#include "parser.h"
#include "variable.h"

#include <string.h>

/* A word under construction. */
struct builder {
    struct parser *parser;
    struct part **tail;
    struct part *open; /* the text part that grows in `text`, or NULL */
    struct text text;
};

enum closer {
    CLOSE_WORD,       /* whatever ends a word; it stays */
    CLOSE_QUOTE,      /* " */
    CLOSE_BRACE,      /* } */
    CLOSE_ARITHMETIC, /* )) */
    CLOSE_END,        /* the end of the input */
};

static void read_plain(struct builder *builder, enum closer closer);
static void read_double(struct builder *builder, enum closer closer);

bool word_ends_at(int c)
{
    return c == INPUT_END || strchr(" \t\n&|;<>()", c) != NULL;
}

static void builder_flush(struct builder *builder)
{
    if (builder->open == NULL)
        return;
    builder->open->text =
        arena_copy(builder->parser->arena, text_string(&builder->text), builder->text.length);
    builder->open = NULL;
    text_clear(&builder->text);
}

static struct part *builder_add_part(struct builder *builder, enum part_kind kind, bool quoted)
{
    builder_flush(builder);
    struct part *part = arena_allocate(builder->parser->arena, sizeof(*part));
    part->kind = kind;
    part->quoted = quoted;
    *builder->tail = part;
    builder->tail = &part->next;
    return part;
}

static void builder_open_text(struct builder *builder, bool quoted)
{
    if (builder->open == NULL || builder->open->quoted != quoted)
        builder->open = builder_add_part(builder, PART_TEXT, quoted);
}

static void builder_add(struct builder *builder, int c, bool quoted)
{
    builder_open_text(builder, quoted);
    text_add(&builder->text, (char)c);
}

/* Read a word by one of the two sets of rules. */
static struct word *read_word(struct parser *parser, enum closer closer, bool is_double)
{
    struct word *word = arena_allocate(parser->arena, sizeof(*word));
    struct builder builder = {.parser = parser, .tail = &word->parts};
    if (!lexer_nest(parser))
        return word;
    if (is_double)
        read_double(&builder, closer);
    else
        read_plain(&builder, closer);
    parser->nesting--;
    builder_flush(&builder);
    text_free(&builder.text);
    return word;
}

struct word *word_read(struct parser *parser)
{
    return read_word(parser, CLOSE_WORD, false);
}

struct word *word_read_document(struct parser *parser)
{
    return read_word(parser, CLOSE_END, true);
}

static void read_single_quotes(struct builder *builder)
{
    int c;
    builder_open_text(builder, true);
    while ((c = input_get_raw(builder->parser->input)) != '\'') {
        if (c == INPUT_END) {
            lexer_error(builder->parser, "Unterminated quoted string");
            return;
        }
        builder_add(builder, c, true);
    }
}

static void read_double_quotes(struct builder *builder)
{
    struct part **before = builder->tail;
    size_t length = builder->text.length;
    read_double(builder, CLOSE_QUOTE);
    if (builder->tail == before && builder->text.length == length)
        builder_open_text(builder, true);
}

/* $(command): the parser takes over until the parenthesis. */
static void read_command(struct builder *builder, bool quoted)
{
    struct part *part = builder_add_part(builder, PART_COMMAND, quoted);
    part->command = parser_read_substitution(builder->parser);
}

/* `command` */
static void read_backquotes(struct builder *builder, bool quoted)
{
    struct parser *parser = builder->parser;
    struct text inside = {0};
    unsigned line = parser->input->line;
    int c;
    while ((c = input_get(parser->input)) != '`' && c != INPUT_END) {
        if (c == '\\') {
            c = input_get_raw(parser->input);
            if (c == INPUT_END)
                break;
            bool escapes = c == '$' || c == '`' || c == '\\' || (quoted && c == '"');
            if (!escapes)
                text_add(&inside, '\\');
        }
        text_add(&inside, (char)c);
    }
    if (c == INPUT_END)
        lexer_error(parser, "EOF in backquote substitution");
    struct part *part = builder_add_part(builder, PART_COMMAND, quoted);
    struct input input;
    input_from_string(&input, text_string(&inside), inside.length, line);
    if (!parser->failed)
        part->command = parser_read_all(&input, parser->arena, &parser->failed);
    text_free(&inside);
}

/* The name or the special character of a parameter. Returns NULL when there is none. */
static char *read_parameter_name(struct parser *parser, bool in_braces)
{
    struct input *input = parser->input;
    struct text name = {0};
    int c = input_peek(input);
    if (variable_is_name_start(c)) {
        while (variable_is_name_character(c)) {
            text_add(&name, (char)input_get(input));
            c = input_peek(input);
        }
    } else if (c >= '0' && c <= '9') {
        do {
            text_add(&name, (char)input_get(input));
            c = input_peek(input);
        } while (in_braces && c >= '0' && c <= '9');
    } else if (c > 0 && strchr("@*#?-$!", c) != NULL) {
        text_add(&name, (char)input_get(input));
    }
    char *result = name.length > 0 ? arena_copy(parser->arena, name.bytes, name.length) : NULL;
    text_free(&name);
    return result;
}

/* The operator behind the name in ${name...}. Returns false when there is none such. */
static bool read_operation(struct parser *parser, struct part *part)
{
    static const char letters[] = "-=?+#%";
    static const enum parameter_operation operations[] = {
        PARAMETER_DEFAULT,     PARAMETER_ASSIGN, PARAMETER_ERROR,
        PARAMETER_ALTERNATIVE, PARAMETER_PREFIX, PARAMETER_SUFFIX,
    };
    struct input *input = parser->input;
    int c = input_get(input);
    if (c == ':') {
        part->empty_is_unset = true;
        c = input_get(input);
    }
    const char *found = c > 0 ? strchr(letters, c) : NULL;
    if (found == NULL)
        return false;
    part->operation = operations[found - letters];
    bool is_pattern = c == '#' || c == '%';
    if (is_pattern && part->empty_is_unset)
        return false;
    if (is_pattern && input_peek(input) == c) {
        input_get(input);
        part->operation++;
    }
    part->argument = read_word(parser, CLOSE_BRACE, part->quoted && !is_pattern);
    return true;
}

/* What follows "${". */
static void read_braces(struct builder *builder, bool quoted)
{
    struct parser *parser = builder->parser;
    struct part *part = builder_add_part(builder, PART_PARAMETER, quoted);
    part->text = read_parameter_name(parser, true);
    bool good = part->text != NULL;
    int next = input_peek(parser->input);
    if (good && strcmp(part->text, "#") == 0 && next != '}' && strchr(":%=+", next) == NULL) {
        part->operation = PARAMETER_LENGTH;
        part->text = read_parameter_name(parser, true);
        good = part->text != NULL && input_get(parser->input) == '}';
    } else if (good && next == '}') {
        input_get(parser->input);
    } else if (good) {
        good = read_operation(parser, part);
    }
    if (!good)
        lexer_error(parser, "Bad substitution");
}

/* What follows a dollar sign. */
static void read_dollar(struct builder *builder, bool quoted)
{
    struct parser *parser = builder->parser;
    struct input *input = parser->input;
    int c = input_peek(input);
    if (c == '(') {
        input_get(input);
        if (input_peek(input) == '(') {
            input_get(input);
            struct part *part = builder_add_part(builder, PART_ARITHMETIC, quoted);
            part->argument = read_word(parser, CLOSE_ARITHMETIC, true);
        } else {
            read_command(builder, quoted);
        }
    } else if (c == '{') {
        input_get(input);
        read_braces(builder, quoted);
    } else {
        char *name = read_parameter_name(parser, false);
        if (name == NULL)
            builder_add(builder, '$', quoted);
        else
            builder_add_part(builder, PART_PARAMETER, quoted)->text = name;
    }
}

static void read_plain(struct builder *builder, enum closer closer)
{
    struct input *input = builder->parser->input;
    while (!builder->parser->failed) {
        int c = input_peek(input);
        if (closer == CLOSE_WORD && word_ends_at(c))
            return;
        if (c == INPUT_END) {
            lexer_error(builder->parser, "Missing '}'");
            return;
        }
        input_get(input);
        if (closer == CLOSE_BRACE && c == '}')
            return;
        if (c == '\\') {
            c = input_get_raw(input);
            builder_add(builder, c == INPUT_END ? '\\' : c, true);
        } else if (c == '\'') {
            read_single_quotes(builder);
        } else if (c == '"') {
            read_double_quotes(builder);
        } else if (c == '$') {
            read_dollar(builder, false);
        } else if (c == '`') {
            read_backquotes(builder, false);
        } else {
            builder_add(builder, c, false);
        }
    }
}

/* A backslash inside double quotes escapes few characters and is itself before others. */
static void read_double_backslash(struct builder *builder, enum closer closer)
{
    int c = input_get_raw(builder->parser->input);
    bool escapes = c == '$' || c == '`' || c == '\\' || (c == '"' && closer != CLOSE_END) ||
                   (c == '}' && closer == CLOSE_BRACE);
    if (!escapes)
        builder_add(builder, '\\', true);
    if (c != INPUT_END)
        builder_add(builder, c, true);
}

/* Whether `c`, already taken, ends this part. Counts parentheses in arithmetic. */
static bool closes_double(struct builder *builder, enum closer closer, int c, unsigned *depth)
{
    struct input *input = builder->parser->input;
    if (closer == CLOSE_QUOTE)
        return c == '"';
    if (closer == CLOSE_BRACE)
        return c == '}';
    if (closer != CLOSE_ARITHMETIC)
        return false;
    if (c == '(')
        ++*depth;
    if (c != ')')
        return false;
    if (*depth > 0) {
        --*depth;
        return false;
    }
    if (input_peek(input) == ')') {
        input_get(input);
        return true;
    }
    lexer_error(builder->parser, "Missing '))'");
    return true;
}

static void read_double(struct builder *builder, enum closer closer)
{
    struct input *input = builder->parser->input;
    unsigned depth = 0;
    while (!builder->parser->failed) {
        int c = input_get(input);
        if (c == INPUT_END) {
            if (closer != CLOSE_END)
                lexer_error(builder->parser, closer == CLOSE_QUOTE   ? "Unterminated quoted string"
                                             : closer == CLOSE_BRACE ? "Missing '}'"
                                                                     : "Missing '))'");
            return;
        }
        if (closes_double(builder, closer, c, &depth))
            return;
        if (c == '\\')
            read_double_backslash(builder, closer);
        else if (c == '$')
            read_dollar(builder, true);
        else if (c == '`')
            read_backquotes(builder, true);
        else if (c == '"' && closer == CLOSE_BRACE)
            read_double_quotes(builder);
        else
            builder_add(builder, c, true);
    }
}

char *word_delimiter(struct parser *parser, const struct word *word, bool *quoted)
{
    struct text text = {0};
    *quoted = false;
    for (const struct part *part = word->parts; part != NULL; part = part->next) {
        *quoted |= part->quoted;
        if (part->kind == PART_TEXT)
            text_add_string(&text, part->text);
    }
    char *delimiter = arena_copy(parser->arena, text_string(&text), text.length);
    text_free(&text);
    return delimiter;
}
