/* hexdump: show the bytes of files. Lines that repeat the one before are shown as one `*`. */
#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: hexdump [-C] [-v] [-n LENGTH] [-s OFFSET] [FILE]...\n"
                           "Show files, or standard input, as hexadecimal 16-bit words.\n"
                           "  -C  as bytes, with the characters beside them\n"
                           "  -v  repeated lines too\n"
                           "  -n  that many bytes only        -s  skip that many first\n";

#define LINE 16

static bool canonical;

static void print_canonical(unsigned long long offset, const unsigned char *bytes, size_t count)
{
    printf("%08llx ", offset);
    for (size_t i = 0; i < LINE; i++) {
        if (i % 8 == 0)
            putchar(' ');
        if (i < count)
            printf("%02x ", bytes[i]);
        else
            printf("   ");
    }
    printf(" |");
    for (size_t i = 0; i < count; i++)
        putchar(isprint(bytes[i]) ? bytes[i] : '.');
    printf("|\n");
}

static void print_words(unsigned long long offset, const unsigned char *bytes, size_t count)
{
    printf("%07llx", offset);
    for (size_t i = 0; i < LINE; i += 2) {
        if (i < count)
            printf(" %04x", bytes[i] | (i + 1 < count ? bytes[i + 1] << 8 : 0));
        else
            printf("     ");
    }
    putchar('\n');
}

/* The files as one stream: the next byte or EOF. */
static char **paths;
static FILE *stream;
static int status;

static int next_byte(void)
{
    for (;;) {
        int c;
        if (stream && (c = getc(stream)) != EOF)
            return c;
        if (stream && !tool_close(stream, *paths++))
            status = 1;
        stream = NULL;
        while (*paths && !(stream = tool_open(*paths))) {
            status = 1;
            paths++;
        }
        if (!*paths)
            return EOF;
    }
}

int main(int argc, char **argv)
{
    static char *standard_input[] = {"-", NULL};
    unsigned long long offset = 0, length = ~0ULL;
    bool shows_all = false, in_repetition = false, has_previous = false;
    unsigned char previous[LINE], bytes[LINE];

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "Cvn:s:")) != -1;) {
        if (option == 'C')
            canonical = true;
        else if (option == 'v')
            shows_all = true;
        else if (option == 'n')
            length = tool_number(optarg, 1);
        else if (option == 's')
            offset = tool_number(optarg, 1);
        else
            tool_usage(1);
    }
    paths = optind < argc ? argv + optind : standard_input;
    for (unsigned long long i = 0; i < offset; i++) {
        if (next_byte() == EOF)
            break;
    }
    for (size_t count = LINE; count == LINE; offset += count) {
        int c;
        for (count = 0; count < LINE && length > 0 && (c = next_byte()) != EOF; length--)
            bytes[count++] = (unsigned char)c;
        if (count == 0)
            break;
        bool repeats =
            !shows_all && has_previous && count == LINE && memcmp(bytes, previous, LINE) == 0;
        if (!repeats)
            (canonical ? print_canonical : print_words)(offset, bytes, count);
        else if (!in_repetition)
            puts("*");
        in_repetition = repeats;
        memcpy(previous, bytes, LINE);
        has_previous = true;
    }
    if (has_previous)
        printf(canonical ? "%08llx\n" : "%07llx\n", offset);
    return tool_finish(status);
}
