/* cut: parts of each line. */
#include <ctype.h>
#include <err.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: cut {-c LIST | -b LIST | -f LIST [-d C] [-s]} [FILE]...\n"
                           "Print parts of each line. LIST is like 1,3-5,7- and counts from 1.\n"
                           "  -c -b  bytes\n"
                           "  -f     fields, which tabs separate\n"
                           "  -d     or C\n"
                           "  -s     no lines without that separator\n";

#define RANGES_MAX 64

static struct {
    unsigned long first, last;
} ranges[RANGES_MAX];
static int range_count;
static char separator = '\t';
static bool by_fields, only_separated;

static void parse_list(const char *text)
{
    for (const char *at = text;; at++) {
        char *end = (char *)at;
        unsigned long first = 1, last;

        if (range_count == RANGES_MAX)
            errx(1, "more than %d ranges", RANGES_MAX);
        if (isdigit((unsigned char)*at))
            first = strtoul(at, &end, 10);
        last = end > at ? first : 0;
        if (*end == '-') {
            const char *number = end + 1;
            last = ULONG_MAX;
            end++;
            if (isdigit((unsigned char)*number))
                last = strtoul(number, &end, 10);
            else if (number == at + 1)
                last = 0; /* only `-` */
        }
        if (first == 0 || last < first || (*end && *end != ','))
            errx(1, "%s: not a list", text);
        ranges[range_count].first = first;
        ranges[range_count++].last = last;
        if (!*end)
            return;
        at = end;
    }
}

static bool is_selected(unsigned long position)
{
    for (int i = 0; i < range_count; i++) {
        if (position >= ranges[i].first && position <= ranges[i].last)
            return true;
    }
    return false;
}

static void cut_bytes(const char *line)
{
    for (unsigned long i = 1; *line; i++, line++) {
        if (is_selected(i))
            putchar(*line);
    }
    putchar('\n');
}

static void cut_fields(const char *line)
{
    bool is_first = true;

    if (!strchr(line, separator)) {
        if (!only_separated)
            puts(line);
        return;
    }
    for (unsigned long i = 1;; i++) {
        const char *end = strchrnul(line, separator);
        if (is_selected(i)) {
            if (!is_first)
                putchar(separator);
            printf("%.*s", (int)(end - line), line);
            is_first = false;
        }
        if (!*end)
            break;
        line = end + 1;
    }
    putchar('\n');
}

static void cut(FILE *stream)
{
    char *line = NULL;
    size_t capacity = 0;

    while (getline(&line, &capacity, stream) > 0) {
        line[strcspn(line, "\n")] = '\0';
        (by_fields ? cut_fields : cut_bytes)(line);
    }
    free(line);
}

int main(int argc, char **argv)
{
    int status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "b:c:f:d:s")) != -1;) {
        if (option == 'b' || option == 'c' || option == 'f') {
            by_fields = option == 'f';
            parse_list(optarg);
        } else if (option == 'd') {
            if (!optarg[0] || optarg[1])
                errx(1, "%s: not one character", optarg);
            separator = optarg[0];
        } else if (option == 's') {
            only_separated = true;
        } else {
            tool_usage(1);
        }
    }
    if (range_count == 0)
        tool_usage(1);
    for (int i = optind; i < argc || i == optind; i++) {
        const char *path = i < argc ? argv[i] : NULL;
        FILE *stream = tool_open(path);
        if (!stream) {
            status = 1;
            continue;
        }
        cut(stream);
        if (!tool_close(stream, path))
            status = 1;
    }
    return tool_finish(status);
}
