/*
 * tail: the end of files. The input is read once, and the newest lines (or bytes) are kept in a
 * ring; with -f the file is looked at again and again.
 */
#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: tail [-f] [-n [+]LINES | -c [+]BYTES] [FILE]...\n"
                           "Print the last ten lines of files or of standard input.\n"
                           "  -n  that many lines, or with + from that line on; -N is the same\n"
                           "  -c  the same in bytes\n"
                           "  -f  go on, as the (last) file grows\n";

static bool by_bytes, from_start;
static unsigned long long wanted = 10;

static void parse_count(const char *text)
{
    from_start = *text == '+';
    wanted = tool_number(text + (*text == '+' || *text == '-'), 1);
}

static void print_rest(FILE *stream)
{
    int c;
    while ((c = getc(stream)) != EOF)
        putchar(c);
}

static void print_from_start(FILE *stream)
{
    int c;
    for (unsigned long long skip = wanted > 0 ? wanted - 1 : 0; skip > 0;) {
        if ((c = getc(stream)) == EOF)
            return;
        skip -= by_bytes || c == '\n';
    }
    print_rest(stream);
}

static void print_last_bytes(FILE *stream)
{
    char *ring = tool_allocate(wanted);
    unsigned long long total = 0;
    int c;

    while ((c = getc(stream)) != EOF)
        ring[total++ % wanted] = (char)c;
    for (unsigned long long i = total > wanted ? total - wanted : 0; i < total; i++)
        putchar(ring[i % wanted]);
    free(ring);
}

static void print_last_lines(FILE *stream)
{
    struct line {
        char *text;
        size_t capacity;
        size_t length;
    };
    struct line *ring = NULL;
    unsigned long long total = 0, slots = 0;

    for (;;) {
        if (total == slots && slots < wanted) { /* grows up to what is asked for */
            unsigned long long more = slots ? slots : 16;
            if (more > wanted - slots)
                more = wanted - slots;
            ring = tool_reallocate(ring, (slots + more) * sizeof(*ring));
            memset(ring + slots, 0, more * sizeof(*ring));
            slots += more;
        }
        struct line *line = &ring[total % slots];
        ssize_t length = getline(&line->text, &line->capacity, stream);
        if (length < 0)
            break;
        line->length = (size_t)length;
        total++;
    }
    for (unsigned long long i = total > wanted ? total - wanted : 0; i < total; i++)
        fwrite(ring[i % slots].text, 1, ring[i % slots].length, stdout);
    for (unsigned long long i = 0; i < slots; i++)
        free(ring[i].text);
    free(ring);
}

static _Noreturn void follow(FILE *stream)
{
    static const struct timespec pause_time = {0, 200000000};
    for (;;) {
        fflush(stdout);
        nanosleep(&pause_time, NULL);
        clearerr(stream);
        print_rest(stream);
    }
}

int main(int argc, char **argv)
{
    bool follows = false;
    int status = 0;

    tool_start(argc, argv, help);
    if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) {
        parse_count(argv[1]);
        optind = 2;
    }
    for (int option; (option = getopt(argc, argv, "fn:c:")) != -1;) {
        if (option == '?')
            tool_usage(1);
        if (option == 'f') {
            follows = true;
        } else {
            by_bytes = option == 'c';
            parse_count(optarg);
        }
    }
    for (int i = optind; i < argc || i == optind; i++) {
        const char *path = i < argc ? argv[i] : NULL;
        FILE *stream = tool_open(path);
        if (!stream) {
            status = 1;
            continue;
        }
        if (argc - optind > 1)
            printf("%s==> %s <==\n", i > optind ? "\n" : "", path);
        if (from_start)
            print_from_start(stream);
        else if (wanted > 0)
            (by_bytes ? print_last_bytes : print_last_lines)(stream);
        if (follows && i >= argc - 1) {
            if (wanted == 0)
                fseek(stream, 0, SEEK_END);
            follow(stream);
        }
        if (!tool_close(stream, path))
            status = 1;
    }
    return tool_finish(status);
}
