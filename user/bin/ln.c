/* ln: make links. */
#include <err.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: ln [-sfn] SOURCE [TARGET] | ln [-sfn] SOURCE... DIRECTORY\n"
                           "Make more names for files.\n"
                           "  -s  symbolic links: SOURCE is any text\n"
                           "  -f  remove what has the name TARGET\n"
                           "  -n  accepted\n";

static bool is_symbolic, is_forced;

static bool make_link(const char *source, const char *target)
{
    if (is_forced)
        unlink(target);
    if ((is_symbolic ? symlink : link)(source, target) < 0) {
        warn("%s", target);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static char dot[] = ".";
    char *one[2];

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "sfn")) != -1;) {
        if (option == 's')
            is_symbolic = true;
        else if (option == 'f')
            is_forced = true;
        else if (option != 'n')
            tool_usage(1);
    }
    if (optind == argc)
        tool_usage(1);
    if (argc - optind == 1) {
        one[0] = argv[optind];
        one[1] = dot;
        return tree_each_target(2, one, make_link) ? 0 : 1;
    }
    return tree_each_target(argc - optind, argv + optind, make_link) ? 0 : 1;
}
