/* mv: rename files; between file systems, copy and remove. */
#include <err.h>
#include <errno.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: mv [-fv] SOURCE TARGET | mv [-fv] SOURCE... DIRECTORY\n"
                           "Rename files, or move them into a directory.\n"
                           "  -f  accepted: there are no questions\n"
                           "  -v  say what is moved\n";

static bool verbose;

static bool move(const char *source, const char *target)
{
    static const struct tree_options options = {.recursive = true, .preserve = true, .force = true};

    if (rename(source, target) < 0) {
        if (errno != EXDEV) {
            warn("%s to %s", source, target);
            return false;
        }
        if (!tree_copy(source, target, &options) || !tree_remove(source, &options))
            return false;
    }
    if (verbose)
        printf("%s -> %s\n", source, target);
    return true;
}

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "fv")) != -1;) {
        if (option == 'v')
            verbose = true;
        else if (option != 'f')
            tool_usage(1);
    }
    if (argc - optind < 2)
        tool_usage(1);
    return tool_finish(tree_each_target(argc - optind, argv + optind, move) ? 0 : 1);
}
