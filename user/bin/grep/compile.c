/*
 * From regular expressions to programs (pattern.c has the theory).
 *
 * The parser is one function a level of the grammar: alternatives, sequence, repeated atom.
 * A repetition is compiled by copying or shifting the instructions of its atom, whose jumps are
 * relative for that reason.
 */
#include "pattern.h"
#include "program.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>

#define PROGRAM_MAX 20000
#define REPEAT_MAX  255

struct parser {
    struct pattern *pattern;
    const struct pattern_options *options;
    const char *at;
    const char *error; /* the first one */
    int depth;         /* of open groups */
};

static void parse_alternatives(struct parser *parser);

static void set_error(struct parser *parser, const char *error)
{
    if (!parser->error)
        parser->error = error;
}

/* Add an instruction, or none after an error. Returns its index. */
static int emit(struct parser *parser, enum operation operation, int first, int second)
{
    struct pattern *pattern = parser->pattern;
    if (pattern->count == PROGRAM_MAX) {
        set_error(parser, "too long");
        return pattern->count - 1;
    }
    if (pattern->count == pattern->capacity) {
        pattern->capacity = pattern->capacity ? pattern->capacity * 2 : 32;
        pattern->program = tool_reallocate(pattern->program,
                                           (size_t)pattern->capacity * sizeof(struct instruction));
    }
    pattern->program[pattern->count] =
        (struct instruction){.operation = operation, .first = first, .second = second};
    return pattern->count++;
}

/* Make room for one instruction at `index` by moving the ones from there to the end. */
static void insert(struct parser *parser, int index, enum operation operation, int first,
                   int second)
{
    emit(parser, operation, 0, 0);
    struct instruction *program = parser->pattern->program;
    memmove(&program[index + 1], &program[index],
            (size_t)(parser->pattern->count - 1 - index) * sizeof(*program));
    program[index] = (struct instruction){.operation = operation, .first = first, .second = second};
}

/* Copy the instructions [from, to) to the end. */
static void copy(struct parser *parser, int from, int to)
{
    for (int i = from; i < to && !parser->error; i++) {
        int index = emit(parser, SET, 0, 0);
        parser->pattern->program[index] = parser->pattern->program[i];
    }
}

static void set_add(struct instruction *set, int c)
{
    set->members[c >> 6] |= 1UL << (c & 63);
}

/* The other case of every letter joins the set. */
static void set_fold(struct instruction *set)
{
    for (int c = 'a'; c <= 'z'; c++) {
        if (set_has(set, (unsigned char)c) || set_has(set, (unsigned char)toupper(c))) {
            set_add(set, c);
            set_add(set, toupper(c));
        }
    }
}

static struct instruction *emit_set(struct parser *parser)
{
    int index = emit(parser, SET, 0, 0); /* may move the program */
    return &parser->pattern->program[index];
}

static void emit_character(struct parser *parser, char c)
{
    struct instruction *set = emit_set(parser);
    set_add(set, (unsigned char)c);
    if (parser->options->ignores_case)
        set_fold(set);
}

static void emit_class(struct parser *parser, int (*is_member)(int), bool is_inverted)
{
    struct instruction *set = emit_set(parser);
    for (int c = 0; c < 256; c++) {
        if ((is_member(c) || (is_member == isalnum && c == '_')) != is_inverted)
            set_add(set, c);
    }
}

/* `[:alpha:]` inside of brackets. Returns what follows, or NULL if it is no class. */
static const char *parse_named_class(const char *at, struct instruction *set)
{
    static const struct {
        const char *name;
        int (*is_member)(int);
    } classes[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank},
                   {"cntrl", iscntrl}, {"digit", isdigit}, {"graph", isgraph},
                   {"lower", islower}, {"print", isprint}, {"punct", ispunct},
                   {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit}};

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        size_t length = strlen(classes[i].name);
        if (strncmp(at, classes[i].name, length) != 0 || strncmp(at + length, ":]", 2) != 0)
            continue;
        for (int c = 0; c < 256; c++) {
            if (classes[i].is_member(c))
                set_add(set, c);
        }
        return at + length + 2;
    }
    return NULL;
}

/* What follows `[`. */
static void parse_bracket(struct parser *parser)
{
    struct instruction *set = emit_set(parser);
    const char *at = parser->at;
    bool is_inverted = *at == '^';

    at += is_inverted;
    for (bool is_first = true; is_first || *at != ']'; is_first = false) {
        if (!*at) {
            set_error(parser, "`]' is missing");
            return;
        }
        const char *after = at[0] == '[' && at[1] == ':' ? parse_named_class(at + 2, set) : NULL;
        if (after) {
            at = after;
            continue;
        }
        unsigned char low = (unsigned char)*at++, high = low;
        if (at[0] == '-' && at[1] && at[1] != ']') {
            high = (unsigned char)at[1];
            at += 2;
        }
        for (int c = low; c <= high; c++)
            set_add(set, c);
    }
    parser->at = at + 1;
    if (parser->options->ignores_case)
        set_fold(set);
    for (int i = 0; is_inverted && i < 4; i++)
        set->members[i] = ~set->members[i];
}

/*
 * Whether `operator` is next: in extended expressions bare, in basic ones with a backslash.
 */
static bool next_is(const struct parser *parser, char operator)
{
    if (parser->options->extended)
        return parser->at[0] == operator;
    return parser->at[0] == '\\' && parser->at[1] == operator;
}

static bool take(struct parser *parser, char operator)
{
    if (!next_is(parser, operator))
        return false;
    parser->at += parser->options->extended ? 1 : 2;
    return true;
}

static void parse_escape(struct parser *parser)
{
    char c = *parser->at;

    if (c)
        parser->at++;
    switch (c) {
    case '\0':
        set_error(parser, "a backslash at the end");
        break;
    case 'w':
    case 'W':
        emit_class(parser, isalnum, c == 'W');
        break;
    case 's':
    case 'S':
        emit_class(parser, isspace, c == 'S');
        break;
    case '<':
        emit(parser, WORD_START, 0, 0);
        break;
    case '>':
        emit(parser, WORD_END, 0, 0);
        break;
    case 'b':
        emit(parser, WORD_EDGE, 0, 0);
        break;
    default:
        if (isdigit((unsigned char)c))
            set_error(parser, "back references are not supported");
        emit_character(parser, c);
    }
}

/* In basic expressions `$` is an operator at the end only. */
static bool is_line_end(const struct parser *parser)
{
    struct parser rest = *parser;
    rest.at++;
    return parser->options->extended || !*rest.at || next_is(&rest, ')') || next_is(&rest, '|');
}

static void parse_atom(struct parser *parser, bool is_first)
{
    bool extended = parser->options->extended;

    if (take(parser, '(')) {
        parser->depth++;
        parse_alternatives(parser);
        parser->depth--;
        if (!take(parser, ')'))
            set_error(parser, "`)' is missing");
        return;
    }
    if (*parser->at == '^' && (extended || is_first)) {
        parser->at++;
        emit(parser, LINE_START, 0, 0);
    } else if (*parser->at == '$' && is_line_end(parser)) {
        parser->at++;
        emit(parser, LINE_END, 0, 0);
    } else {
        char c = *parser->at++;
        if (c == '.') {
            memset(emit_set(parser)->members, 0xff, sizeof(((struct instruction *)0)->members));
        } else if (c == '[') {
            parse_bracket(parser);
        } else if (c == '\\') {
            parse_escape(parser);
        } else {
            emit_character(parser, c);
        }
    }
}

/* What follows `{`: N}, N,} or N,M}. Returns false if it is none of them. */
static bool parse_bounds(struct parser *parser, int *least, int *most)
{
    char *end;
    long first = strtol(parser->at, &end, 10), second = first;

    if (end == parser->at)
        first = 0;
    if (*end == ',') {
        const char *number = end + 1;
        second = strtol(number, &end, 10);
        if (end == number)
            second = INT_MAX;
    }
    parser->at = end;
    if (!take(parser, '}') || first < 0 || first > second || first > REPEAT_MAX ||
        (second > REPEAT_MAX && second != INT_MAX))
        return false;
    *least = (int)first;
    *most = (int)second;
    return true;
}

/* Repeat the instructions from `start` to the end; they are there once now. */
static void repeat(struct parser *parser, int start, int least, int most)
{
    struct pattern *pattern = parser->pattern;
    int length = pattern->count - start;

    if (most == 0) {
        pattern->count = start;
        return;
    }
    for (int i = 1; i < least; i++)
        copy(parser, start, start + length);
    if (most == INT_MAX) {
        if (least == 0) { /* SPLIT over it, atom, JUMP back */
            insert(parser, start, SPLIT, 1, length + 2);
            emit(parser, JUMP, -(length + 1), 0);
        } else { /* atom, SPLIT back */
            emit(parser, SPLIT, -length, 1);
        }
        return;
    }
    int optional = most - least;
    if (least == 0) { /* the atom that is there is the first optional one */
        insert(parser, start, SPLIT, 1, length + 1);
        start++;
        optional--;
    }
    for (int i = 0; i < optional; i++) {
        emit(parser, SPLIT, 1, length + 1);
        copy(parser, start, start + length);
    }
}

static void parse_repeated(struct parser *parser, bool is_first)
{
    int start = parser->pattern->count;

    /* An asterisk with nothing before it is an ordinary character. */
    if (*parser->at == '*' && is_first) {
        parser->at++;
        emit_character(parser, '*');
    } else {
        parse_atom(parser, is_first);
    }
    while (!parser->error) {
        int least, most;
        if (*parser->at == '*') {
            parser->at++;
            least = 0;
            most = INT_MAX;
        } else if (take(parser, '+')) {
            least = 1;
            most = INT_MAX;
        } else if (take(parser, '?')) {
            least = 0;
            most = 1;
        } else if (take(parser, '{')) {
            if (!parse_bounds(parser, &least, &most))
                set_error(parser, "wrong repetition count");
        } else {
            return;
        }
        if (!parser->error)
            repeat(parser, start, least, most);
    }
}

static bool at_end_of_sequence(const struct parser *parser)
{
    return !*parser->at || next_is(parser, '|') || (parser->depth > 0 && next_is(parser, ')'));
}

static void parse_sequence(struct parser *parser)
{
    for (bool is_first = true; !parser->error && !at_end_of_sequence(parser);) {
        bool was_anchor = is_first && *parser->at == '^';
        parse_repeated(parser, is_first);
        is_first = was_anchor;
    }
}

static void parse_alternatives(struct parser *parser)
{
    int start = parser->pattern->count;

    parse_sequence(parser);
    if (parser->error || !take(parser, '|'))
        return;
    int length = parser->pattern->count - start;
    insert(parser, start, SPLIT, 1, length + 2);
    int jump = emit(parser, JUMP, 0, 0);
    parse_alternatives(parser);
    parser->pattern->program[jump].first = parser->pattern->count - jump;
}

static void pattern_free(struct pattern *pattern)
{
    free(pattern->program);
    free(pattern);
}

struct pattern *pattern_compile(const char *text, const struct pattern_options *options,
                                const char **error)
{
    struct pattern *pattern = tool_allocate(sizeof(*pattern));
    struct parser parser = {.pattern = pattern, .options = options, .at = text};

    *pattern =
        (struct pattern){.whole_words = options->whole_words, .whole_lines = options->whole_lines};
    if (options->fixed) {
        for (; *parser.at; parser.at++)
            emit_character(&parser, *parser.at);
    } else {
        parse_alternatives(&parser);
        if (*parser.at)
            set_error(&parser, "`(' is missing");
    }
    emit(&parser, MATCH, 0, 0);
    *error = parser.error;
    if (parser.error) {
        pattern_free(pattern);
        return NULL;
    }
    size_t count = (size_t)pattern->count;
    pattern->threads = tool_allocate(count * sizeof(int));
    pattern->next_threads = tool_allocate(count * sizeof(int));
    pattern->stack = tool_allocate((2 * count + 1) * sizeof(int));
    pattern->seen = tool_allocate(count * sizeof(unsigned));
    return pattern;
}
