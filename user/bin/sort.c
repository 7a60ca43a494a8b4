/*
 * sort: sort lines. All lines are read into memory; the keys are found anew at each comparison,
 * which is simple and fast enough for what fits there.
 */
#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: sort [-bcfnru] [-k FIELD[.CHAR][FLAGS][,FIELD[.CHAR]]]... [-t C] [-o FILE] [FILE]...\n"
    "Sort the lines of files or of standard input.\n"
    "  -n  by number        -r  downwards         -u  each line (or key) once\n"
    "  -f  A equals a       -b  skip blanks before keys\n"
    "  -k  by fields FROM to TO, counted from 1; FLAGS are of n r f b\n"
    "  -t  fields are separated by C, not by blanks\n"
    "  -o  write to FILE, which may be one of the inputs\n"
    "  -c  only check that the input is sorted\n";

struct key {
    int first_field, first_char; /* from 1 */
    int last_field, last_char; /* last_field 0: to the end of the line; last_char 0: of the field */
    bool numeric, reverse, fold, skip_blanks;
    bool has_flags;
};

#define KEYS_MAX 16

static struct key keys[KEYS_MAX];
static int key_count;
static struct key defaults; /* the flags given outside of keys */
static char separator;      /* 0: blanks */
static bool unique;

static char **lines;
static size_t line_count, line_capacity;

/* --- Keys ----------------------------------------------------------------------------------- */

static bool parse_flag(struct key *key, int flag)
{
    switch (flag) {
    case 'n':
        key->numeric = true;
        break;
    case 'r':
        key->reverse = true;
        break;
    case 'f':
        key->fold = true;
        break;
    case 'b':
        key->skip_blanks = true;
        break;
    default:
        return false;
    }
    key->has_flags = true;
    return true;
}

/* FIELD[.CHAR][FLAGS] */
static const char *parse_position(const char *text, struct key *key, int *field, int *character)
{
    *field = (int)strtol(text, (char **)&text, 10);
    if (*text == '.')
        *character = (int)strtol(text + 1, (char **)&text, 10);
    while (parse_flag(key, *text))
        text++;
    return text;
}

static void parse_key(const char *text)
{
    if (key_count == KEYS_MAX)
        errx(2, "more than %d keys", KEYS_MAX);
    struct key *key = &keys[key_count++];
    const char *rest = text;

    *key = (struct key){.first_char = 1};
    rest = parse_position(rest, key, &key->first_field, &key->first_char);
    if (*rest == ',')
        rest = parse_position(rest + 1, key, &key->last_field, &key->last_char);
    if (*rest || key->first_field < 1 || key->first_char < 1 || key->last_field < 0)
        errx(2, "%s: not a key", text);
}

static const char *skip_blanks(const char *at)
{
    while (isblank((unsigned char)*at))
        at++;
    return at;
}

/* The end of the field that begins at `at`; blanks before a field belong to it. */
static const char *field_end(const char *at)
{
    if (separator)
        return strchrnul(at, separator);
    at = skip_blanks(at);
    while (*at && !isblank((unsigned char)*at))
        at++;
    return at;
}

static const char *field_start(const char *line, int field)
{
    for (; field > 1 && *line; field--) {
        line = field_end(line);
        if (separator && *line)
            line++;
    }
    return line;
}

static const char *advance(const char *at, int characters)
{
    return at + strnlen(at, (size_t)characters);
}

/* The part of the line that the key means: *start up to the returned end. */
static const char *find_key(const struct key *key, const char *line, const char **start)
{
    *start = field_start(line, key->first_field);
    if (key->skip_blanks || key->numeric)
        *start = skip_blanks(*start);
    *start = advance(*start, key->first_char - 1);
    if (key->last_field == 0)
        return line + strlen(line);
    const char *last = field_start(line, key->last_field);
    const char *end;
    if (key->last_char == 0) {
        end = field_end(last);
    } else {
        if (key->skip_blanks)
            last = skip_blanks(last);
        end = advance(last, key->last_char);
    }
    return end > *start ? end : *start;
}

/* --- Comparing ------------------------------------------------------------------------------ */

/* A decimal number at the start of the text: sign, digits without leading zeros, fraction. */
struct number {
    bool is_negative;
    const char *whole, *fraction;
    int whole_length, fraction_length;
};

static struct number parse_decimal(const char *at, const char *end)
{
    struct number number = {.is_negative = false};

    while (at < end && isblank((unsigned char)*at))
        at++;
    if (at < end && *at == '-') {
        number.is_negative = true;
        at++;
    }
    while (at < end && *at == '0')
        at++;
    for (number.whole = at; at < end && isdigit((unsigned char)*at); at++)
        number.whole_length++;
    if (at < end && *at == '.') {
        for (number.fraction = ++at; at < end && isdigit((unsigned char)*at); at++)
            number.fraction_length++;
        while (number.fraction_length > 0 && number.fraction[number.fraction_length - 1] == '0')
            number.fraction_length--;
    }
    if (number.whole_length == 0 && number.fraction_length == 0)
        number.is_negative = false;
    return number;
}

/* Digits are compared as text, so no number is too long. */
static int compare_numbers(const char *a, const char *a_end, const char *b, const char *b_end)
{
    struct number x = parse_decimal(a, a_end), y = parse_decimal(b, b_end);
    if (x.is_negative != y.is_negative)
        return x.is_negative ? -1 : 1;

    int result = x.whole_length - y.whole_length;
    if (result == 0)
        result = memcmp(x.whole, y.whole, (size_t)x.whole_length);
    if (result == 0) {
        int common = x.fraction_length < y.fraction_length ? x.fraction_length : y.fraction_length;
        if (common > 0)
            result = memcmp(x.fraction, y.fraction, (size_t)common);
        if (result == 0)
            result = x.fraction_length - y.fraction_length;
    }
    return x.is_negative ? -result : result;
}

static int compare_text(const char *a, const char *a_end, const char *b, const char *b_end,
                        bool fold)
{
    for (; a < a_end && b < b_end; a++, b++) {
        int x = (unsigned char)*a, y = (unsigned char)*b;
        if (fold) {
            x = toupper(x);
            y = toupper(y);
        }
        if (x != y)
            return x - y;
    }
    return (a < a_end) - (b < b_end);
}

static int compare_keys(const char *a, const char *b)
{
    for (int i = 0; i < key_count; i++) {
        const struct key *key = &keys[i];
        const char *a_start, *b_start;
        const char *a_end = find_key(key, a, &a_start), *b_end = find_key(key, b, &b_start);
        int result = key->numeric ? compare_numbers(a_start, a_end, b_start, b_end)
                                  : compare_text(a_start, a_end, b_start, b_end, key->fold);
        if (result != 0)
            return key->reverse ? -result : result;
    }
    return 0;
}

/* Lines with equal keys are put in the order of their bytes, unless -u makes them one. */
static int compare_lines(const void *first, const void *second)
{
    const char *a = *(char *const *)first, *b = *(char *const *)second;
    int result = compare_keys(a, b);
    if (result == 0 && !unique) {
        result = strcmp(a, b);
        if (defaults.reverse)
            result = -result;
    }
    return result;
}

/* --- Reading and writing -------------------------------------------------------------------- */

static void read_lines(FILE *stream)
{
    char *line = NULL;
    size_t capacity = 0;

    for (ssize_t length; (length = getline(&line, &capacity, stream)) > 0;) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (line_count == line_capacity) {
            line_capacity = line_capacity ? line_capacity * 2 : 1024;
            lines = tool_reallocate(lines, line_capacity * sizeof(char *));
        }
        lines[line_count++] = tool_copy_string(line);
    }
    free(line);
}

static int check_order(const char *path)
{
    for (size_t i = 1; i < line_count; i++) {
        int result = compare_lines(&lines[i - 1], &lines[i]);
        if (result > 0 || (unique && result == 0)) {
            warnx("%s:%zu: disorder: %s", path ? path : "-", i + 1, lines[i]);
            return 1;
        }
    }
    return 0;
}

static int write_lines(const char *output_path)
{
    if (output_path && !freopen(output_path, "w", stdout))
        err(2, "%s", output_path);
    for (size_t i = 0; i < line_count; i++) {
        if (unique && i > 0 && compare_keys(lines[i - 1], lines[i]) == 0)
            continue;
        puts(lines[i]);
    }
    return tool_finish(0) ? 2 : 0;
}

/* Without -k the whole line is the key; keys without flags of their own have the general ones. */
static void finish_keys(void)
{
    if (key_count == 0)
        keys[key_count++] = (struct key){.first_field = 1, .first_char = 1};
    for (int i = 0; i < key_count; i++) {
        if (keys[i].has_flags)
            continue;
        keys[i].numeric = defaults.numeric;
        keys[i].reverse = defaults.reverse;
        keys[i].fold = defaults.fold;
        keys[i].skip_blanks = defaults.skip_blanks;
    }
}

int main(int argc, char **argv)
{
    const char *output_path = NULL;
    bool only_check = false;
    int status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "bcfnruk:t:o:")) != -1;) {
        if (option == 'k') {
            parse_key(optarg);
        } else if (option == 't') {
            if (!optarg[0] || optarg[1])
                errx(2, "%s: not one character", optarg);
            separator = optarg[0];
        } else if (option == 'o') {
            output_path = optarg;
        } else if (option == 'u') {
            unique = true;
        } else if (option == 'c') {
            only_check = true;
        } else if (!parse_flag(&defaults, option)) {
            tool_usage(2);
        }
    }
    finish_keys();
    for (int i = optind; i < argc || i == optind; i++) {
        const char *path = i < argc ? argv[i] : NULL;
        FILE *stream = tool_open(path);
        if (!stream)
            return 2;
        read_lines(stream);
        if (!tool_close(stream, path))
            status = 2;
    }
    if (status)
        return status;
    if (only_check)
        return check_order(optind < argc ? argv[optind] : NULL);
    qsort(lines, line_count, sizeof(char *), compare_lines);
    return write_lines(output_path);
}
