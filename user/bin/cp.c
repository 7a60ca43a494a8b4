/* cp: copy files and trees. */
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: cp [-rpfv] SOURCE TARGET | cp [-rpfv] SOURCE... DIRECTORY\n"
                           "Copy files.\n"
                           "  -r  copy directories with all that is in them (also -R)\n"
                           "  -p  keep mode, owner and times\n"
                           "  -a  both\n"
                           "  -f  replace targets that cannot be written\n"
                           "  -v  say what is copied\n";

static struct tree_options options;

static bool copy(const char *source, const char *target)
{
    return tree_copy(source, target, &options);
}

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "rRpafv")) != -1;) {
        switch (option) {
        case 'r':
        case 'R':
            options.recursive = true;
            break;
        case 'p':
            options.preserve = true;
            break;
        case 'a':
            options.recursive = options.preserve = true;
            break;
        case 'f':
            options.force = true;
            break;
        case 'v':
            options.verbose = true;
            break;
        default:
            tool_usage(1);
        }
    }
    if (argc - optind < 2)
        tool_usage(1);
    return tool_finish(tree_each_target(argc - optind, argv + optind, copy) ? 0 : 1);
}
