/* tr: replace or remove characters. */
#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: tr [-cds] SET1 [SET2]\n"
    "Copy standard input, with characters of SET1 replaced by those of SET2\n"
    "in the same place. Sets have ranges (a-z), classes ([:upper:]) and\n"
    "escapes (\\n, \\t, \\\\, \\NNN).\n"
    "  -d  remove characters of SET1\n"
    "  -s  runs of one character of the last set become one\n"
    "  -c  SET1 is all other characters\n";

struct set {
    unsigned char members[512];
    size_t count;
};

static void set_add(struct set *set, int c)
{
    if (set->count < sizeof(set->members))
        set->members[set->count++] = (unsigned char)c;
}

static bool set_has(const struct set *set, int c)
{
    return memchr(set->members, c, set->count) != NULL;
}

/* One character, with escapes; advances *text. */
static int parse_character(const char **text)
{
    static const char letters[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
    int c = (unsigned char)*(*text)++;

    if (c != '\\' || !**text)
        return c;
    if (**text >= '0' && **text <= '7') {
        int value = 0;
        for (int i = 0; i < 3 && **text >= '0' && **text <= '7'; i++)
            value = value * 8 + *(*text)++ - '0';
        return value & 255;
    }
    c = (unsigned char)*(*text)++;
    const char *letter = strchr(letters, c);
    return letter ? values[letter - letters] : c;
}

/* `[:upper:]`. Returns what follows or NULL. */
static const char *parse_class(const char *text, struct set *set)
{
    static const struct {
        const char *name;
        int (*is_member)(int);
    } classes[] = {{"[:alnum:]", isalnum}, {"[:alpha:]", isalpha}, {"[:blank:]", isblank},
                   {"[:cntrl:]", iscntrl}, {"[:digit:]", isdigit}, {"[:graph:]", isgraph},
                   {"[:lower:]", islower}, {"[:print:]", isprint}, {"[:punct:]", ispunct},
                   {"[:space:]", isspace}, {"[:upper:]", isupper}, {"[:xdigit:]", isxdigit}};

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strncmp(text, classes[i].name, strlen(classes[i].name)) != 0)
            continue;
        for (int c = 0; c < 256; c++) {
            if (classes[i].is_member(c))
                set_add(set, c);
        }
        return text + strlen(classes[i].name);
    }
    return NULL;
}

static void parse_set(const char *text, struct set *set)
{
    while (*text) {
        const char *after = parse_class(text, set);
        if (after) {
            text = after;
            continue;
        }
        int low = parse_character(&text), high = low;
        if (text[0] == '-' && text[1]) {
            text++;
            high = parse_character(&text);
            if (high < low)
                errx(1, "a range goes downwards");
        }
        for (int c = low; c <= high; c++)
            set_add(set, c);
    }
}

static void complement(struct set *set)
{
    struct set other = {.count = 0};
    for (int c = 0; c < 256; c++) {
        if (!set_has(set, c))
            set_add(&other, c);
    }
    *set = other;
}

int main(int argc, char **argv)
{
    bool is_complement = false, deletes = false, squeezes = false;
    struct set first = {.count = 0}, second = {.count = 0};
    unsigned char replacement[256];

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "cCds")) != -1;) {
        if (option == 'c' || option == 'C')
            is_complement = true;
        else if (option == 'd')
            deletes = true;
        else if (option == 's')
            squeezes = true;
        else
            tool_usage(1);
    }
    int count = argc - optind;
    bool translates = count == 2 && !deletes;
    if (count < 1 || count > 2 || (count == 1 && !deletes && !squeezes) ||
        (count == 2 && deletes && !squeezes))
        tool_usage(1);
    parse_set(argv[optind], &first);
    if (is_complement)
        complement(&first);
    if (count == 2)
        parse_set(argv[optind + 1], &second);
    if (translates && second.count == 0)
        errx(1, "SET2 is empty");

    for (int c = 0; c < 256; c++)
        replacement[c] = (unsigned char)c;
    for (size_t i = 0; translates && i < first.count; i++) /* SET2's last one is repeated */
        replacement[first.members[i]] = second.members[i < second.count ? i : second.count - 1];

    const struct set *squeezed = count == 2 ? &second : &first;
    int previous = EOF;
    for (int c; (c = getchar()) != EOF;) {
        if (deletes && set_has(&first, c))
            continue;
        c = replacement[c];
        if (squeezes && c == previous && set_has(squeezed, c))
            continue;
        putchar(c);
        previous = c;
    }
    return tool_finish(tool_close(stdin, "standard input") ? 0 : 1);
}
