/* basename: the last part of a path name. */
#include <libgen.h>
#include <string.h>
#include <tool.h>

static const char help[] = "usage: basename PATH [SUFFIX]\n"
                           "Print what follows the last slash, without the suffix.\n";

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    if (argc < 2 || argc > 3)
        tool_usage(1);
    char *name = basename(argv[1]);
    if (argc == 3) {
        size_t length = strlen(name), suffix = strlen(argv[2]);
        if (length > suffix && strcmp(name + length - suffix, argv[2]) == 0)
            name[length - suffix] = '\0';
    }
    puts(*argv[1] ? name : "");
    return tool_finish(0);
}
