/* uniq: leave out lines that repeat the line before. */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: uniq [-cdui] [INPUT [OUTPUT]]\n"
                           "Print each run of equal lines once.\n"
                           "  -c  with how often it was there\n"
                           "  -d  only lines that were repeated\n"
                           "  -u  only lines that were not\n"
                           "  -i  upper and lower case are the same\n";

static bool counts, only_repeated, only_unique, ignores_case;

static void print(const char *line, unsigned long count)
{
    if ((only_repeated && count == 1) || (only_unique && count > 1))
        return;
    if (counts)
        printf("%7lu ", count);
    printf("%s\n", line);
}

int main(int argc, char **argv)
{
    char *line = NULL, *previous = NULL;
    size_t capacity = 0, previous_capacity = 0;
    unsigned long count = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "cdui")) != -1;) {
        if (option == 'c')
            counts = true;
        else if (option == 'd')
            only_repeated = true;
        else if (option == 'u')
            only_unique = true;
        else if (option == 'i')
            ignores_case = true;
        else
            tool_usage(1);
    }
    if (argc - optind > 2)
        tool_usage(1);
    const char *path = optind < argc ? argv[optind] : NULL;
    FILE *stream = tool_open(path);
    if (!stream)
        return 1;
    if (argc - optind == 2) {
        FILE *output = fopen(argv[optind + 1], "w");
        if (!output || dup2(fileno(output), STDOUT_FILENO) < 0)
            err(1, "%s", argv[optind + 1]);
    }
    for (ssize_t length; (length = getline(&line, &capacity, stream)) > 0; count++) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (count > 0 && (ignores_case ? strcasecmp : strcmp)(line, previous) == 0)
            continue;
        if (count > 0)
            print(previous, count);
        count = 0;
        char *swap = previous;
        size_t swap_capacity = previous_capacity;
        previous = line;
        previous_capacity = capacity;
        line = swap;
        capacity = swap_capacity;
    }
    if (count > 0)
        print(previous, count);
    return tool_finish(tool_close(stream, path) ? 0 : 1);
}
