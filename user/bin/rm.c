/* rm: remove files and trees. */
#include <err.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: rm [-rfv] PATH...\n"
                           "Remove files.\n"
                           "  -r  directories too, with all that is in them (also -R)\n"
                           "  -f  say nothing of files that do not exist\n"
                           "  -v  say what is removed\n";

/* `.`, `..` and `/` are surely a mistake. */
static bool is_refused(const char *path)
{
    char *copy = tool_copy_string(path);
    const char *name = basename(copy);
    bool is_bad = tool_is_dot(name) || strcmp(name, "/") == 0;

    if (is_bad)
        warnx("%s: refused", path);
    free(copy);
    return is_bad;
}

int main(int argc, char **argv)
{
    struct tree_options options = {.recursive = false};
    int status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "rRfv")) != -1;) {
        if (option == 'r' || option == 'R')
            options.recursive = true;
        else if (option == 'f')
            options.force = true;
        else if (option == 'v')
            options.verbose = true;
        else
            tool_usage(1);
    }
    if (optind == argc && !options.force)
        tool_usage(1);
    for (int i = optind; i < argc; i++) {
        if (is_refused(argv[i]) || !tree_remove(argv[i], &options))
            status = 1;
    }
    return tool_finish(status);
}
