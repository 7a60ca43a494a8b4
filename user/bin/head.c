/* head: the beginning of files. */
#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: head [-n LINES | -c BYTES] [FILE]...\n"
                           "Print the first ten lines of files or of standard input.\n"
                           "  -n  that many lines; -N is the same\n"
                           "  -c  that many bytes\n";

static void print_head(FILE *stream, bool by_bytes, unsigned long long count)
{
    int c;
    while (count > 0 && (c = getc(stream)) != EOF) {
        putchar(c);
        if (by_bytes || c == '\n')
            count--;
    }
    /* What was read ahead of a file that others read on goes back. */
    if (stream == stdin)
        fseek(stdin, 0, SEEK_CUR);
}

int main(int argc, char **argv)
{
    bool by_bytes = false;
    unsigned long long count = 10;
    int status = 0;

    tool_start(argc, argv, help);
    if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) {
        count = tool_number(argv[1] + 1, 1);
        optind = 2;
    }
    for (int option; (option = getopt(argc, argv, "n:c:")) != -1;) {
        if (option == '?')
            tool_usage(1);
        by_bytes = option == 'c';
        count = tool_number(optarg, 1);
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
        print_head(stream, by_bytes, count);
        if (!tool_close(stream, path))
            status = 1;
    }
    return tool_finish(status);
}
