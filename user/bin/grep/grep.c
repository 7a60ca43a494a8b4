/* grep: print the lines that match a pattern. */
#include "pattern.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: grep [-EFivnclLqrosxwhH] [-m NUMBER] {-e PATTERN... | PATTERN} [FILE]...\n"
    "Print the lines of files, or of standard input, that match a regular expression.\n"
    "  -E  extended expressions: + ? | ( ) { } without backslashes    -F  no expression: text\n"
    "  -i  A equals a       -v  lines that do not match\n"
    "  -w  whole words      -x  whole lines          -o  only what matches\n"
    "  -n  line numbers     -c  only how many        -l  only names of files    -L  without any\n"
    "  -h  no names         -H  names always         -r  directories, all files below\n"
    "  -q  no output        -s  no messages          -m  stop after so many lines\n";

#define PATTERNS_MAX 32

static const char *texts[PATTERNS_MAX];
static struct pattern *patterns[PATTERNS_MAX];
static int pattern_count;

static bool inverted, show_numbers, only_count, list_matching, list_others, quiet, recursive;
static bool only_matches, silent, show_names, hide_names;
static unsigned long most = ~0UL;
static bool any_selected, any_error;

static void report(const char *path)
{
    any_error = true;
    if (!silent)
        warn("%s", path);
}

/* Patterns are one a line of the argument. */
static void add_patterns(char *text)
{
    for (char *line; (line = strsep(&text, "\n"));) {
        if (pattern_count == PATTERNS_MAX)
            errx(2, "more than %d patterns", PATTERNS_MAX);
        texts[pattern_count++] = line;
    }
}

/* The leftmost, then longest, match of any pattern. */
static bool match_any(const char *line, size_t length, size_t start, size_t *from, size_t *to)
{
    bool is_found = false;

    for (int i = 0; i < pattern_count; i++) {
        size_t this_from, this_to;
        if (!pattern_match(patterns[i], line, length, start, &this_from, &this_to))
            continue;
        if (!is_found || this_from < *from || (this_from == *from && this_to > *to)) {
            *from = this_from;
            *to = this_to;
        }
        is_found = true;
    }
    return is_found;
}

static void print_prefix(const char *name, unsigned long number)
{
    if (show_names)
        printf("%s:", name);
    if (show_numbers)
        printf("%lu:", number);
}

static void print_matches(const char *name, unsigned long number, const char *line, size_t length)
{
    size_t from, to;
    for (size_t start = 0; match_any(line, length, start, &from, &to); start = to) {
        if (from == to) {
            if (++to > length)
                return;
            continue;
        }
        print_prefix(name, number);
        printf("%.*s\n", (int)(to - from), line + from);
    }
}

static void search(FILE *stream, const char *name)
{
    char *line = NULL;
    size_t capacity = 0, from, to;
    unsigned long number = 0, selected = 0;
    bool says_more = !only_count && !list_matching && !list_others && !quiet;

    for (ssize_t length; selected < most && (length = getline(&line, &capacity, stream)) > 0;) {
        number++;
        if (line[length - 1] == '\n')
            line[--length] = '\0';
        if (match_any(line, (size_t)length, 0, &from, &to) == inverted)
            continue;
        selected++;
        if (quiet || list_matching || list_others)
            break;
        if (says_more && only_matches && !inverted) {
            print_matches(name, number, line, (size_t)length);
        } else if (says_more) {
            print_prefix(name, number);
            fwrite(line, 1, (size_t)length, stdout);
            putchar('\n');
        }
    }
    free(line);
    if (selected > 0)
        any_selected = true;
    if (only_count && !quiet) {
        if (show_names)
            printf("%s:", name);
        printf("%lu\n", selected);
    }
    if (!quiet && (list_matching ? selected > 0 : list_others && selected == 0))
        puts(name);
}

static void search_path(const char *path);

static void search_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory) {
        report(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stat status;
        if (tool_is_dot(entry->d_name))
            continue;
        char *name = tool_join(path, entry->d_name);
        /* Links and devices are not followed. */
        if (lstat(name, &status) < 0)
            report(name);
        else if (S_ISDIR(status.st_mode) || S_ISREG(status.st_mode))
            search_path(name);
        free(name);
    }
    closedir(directory);
}

static void search_path(const char *path)
{
    struct stat status;

    if (recursive && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        search_directory(path);
        return;
    }
    FILE *stream = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (!stream) {
        report(path);
        return;
    }
    search(stream, stream == stdin ? "(standard input)" : path);
    if (ferror(stream))
        report(path);
    if (stream != stdin)
        fclose(stream);
}

static void parse_option(int option, struct pattern_options *options)
{
    switch (option) {
    case 'E':
        options->extended = true;
        break;
    case 'F':
        options->fixed = true;
        break;
    case 'G':
        options->extended = options->fixed = false;
        break;
    case 'i':
        options->ignores_case = true;
        break;
    case 'w':
        options->whole_words = true;
        break;
    case 'x':
        options->whole_lines = true;
        break;
    case 'v':
        inverted = true;
        break;
    case 'n':
        show_numbers = true;
        break;
    case 'c':
        only_count = true;
        break;
    case 'l':
        list_matching = true;
        break;
    case 'L':
        list_others = true;
        break;
    case 'q':
        quiet = true;
        break;
    case 'r':
        recursive = true;
        break;
    case 'o':
        only_matches = true;
        break;
    case 's':
        silent = true;
        break;
    case 'h':
        hide_names = true;
        break;
    case 'H':
        show_names = true;
        break;
    case 'm':
        most = tool_number(optarg, 2);
        break;
    case 'e':
        add_patterns(optarg);
        break;
    default:
        tool_usage(2);
    }
}

int main(int argc, char **argv)
{
    struct pattern_options options = {.extended = false};
    static char *standard_input[] = {"-", NULL}, *here[] = {".", NULL};

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "EFGivnclLqrosxwhHm:e:")) != -1;)
        parse_option(option, &options);
    if (pattern_count == 0) {
        if (optind == argc)
            tool_usage(2);
        add_patterns(argv[optind++]);
    }
    for (int i = 0; i < pattern_count; i++) {
        const char *error;
        patterns[i] = pattern_compile(texts[i], &options, &error);
        if (!patterns[i])
            errx(2, "%s: %s", texts[i], error);
    }
    if (recursive || argc - optind > 1)
        show_names = true;
    if (hide_names)
        show_names = false;
    char **path = optind < argc ? argv + optind : recursive ? here : standard_input;
    for (; *path; path++)
        search_path(*path);
    int status = any_error && !(quiet && any_selected) ? 2 : any_selected ? 0 : 1;
    return tool_finish(status) > status ? 2 : status;
}
