/* cmp: compare two files byte by byte. */
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: cmp [-sl] FILE1 [FILE2]\n"
    "Say where two files (standard input, if there is one name) first differ.\n"
    "The status is 0 if they are equal, 1 if not, 2 after an error.\n"
    "  -s  say nothing      -l  all differences, in octal\n";

static int compare(FILE *a, const char *a_name, FILE *b, const char *b_name, bool silent,
                   bool lists_all)
{
    unsigned long long position = 1, line = 1;
    int status = 0;

    for (;; position++) {
        int x = getc(a), y = getc(b);
        if (x == EOF && y == EOF)
            return status;
        if (x == EOF || y == EOF) {
            fflush(stdout);
            if (!silent)
                fprintf(stderr, "cmp: EOF on %s after byte %llu\n", x == EOF ? a_name : b_name,
                        position - 1);
            return 1;
        }
        if (x != y && lists_all)
            printf("%llu %3o %3o\n", position, (unsigned)x, (unsigned)y);
        else if (x != y && !silent)
            printf("%s %s differ: char %llu, line %llu\n", a_name, b_name, position, line);
        if (x != y)
            status = 1;
        if (x != y && !lists_all)
            return status;
        line += x == '\n';
    }
}

int main(int argc, char **argv)
{
    bool silent = false, lists_all = false;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "sl")) != -1;) {
        if (option == 's')
            silent = true;
        else if (option == 'l')
            lists_all = true;
        else
            tool_usage(2);
    }
    if (argc - optind < 1 || argc - optind > 2)
        tool_usage(2);
    const char *a_name = argv[optind], *b_name = argc - optind == 2 ? argv[optind + 1] : "-";
    FILE *a = tool_open(a_name), *b = tool_open(b_name);
    if (!a || !b)
        return 2;
    int status = compare(a, a_name, b, b_name, silent, lists_all);
    if (!tool_close(a, a_name) || !tool_close(b, b_name))
        status = 2;
    return tool_finish(status) ? (status ? status : 2) : 0;
}
