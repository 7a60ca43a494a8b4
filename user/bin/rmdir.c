/* rmdir: remove empty directories. */
#include <err.h>
#include <libgen.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: rmdir [-p] DIRECTORY...\n"
                           "Remove empty directories.\n"
                           "  -p  and the ones above them\n";

static bool remove_directory(char *path, bool parents)
{
    do {
        if (rmdir(path) < 0) {
            warn("%s", path);
            return false;
        }
        path = dirname(path);
    } while (parents && strcmp(path, ".") != 0 && strcmp(path, "/") != 0);
    return true;
}

int main(int argc, char **argv)
{
    bool parents = false;
    int status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "p")) != -1;) {
        if (option != 'p')
            tool_usage(1);
        parents = true;
    }
    if (optind == argc)
        tool_usage(1);
    for (int i = optind; i < argc; i++) {
        if (!remove_directory(argv[i], parents))
            status = 1;
    }
    return status;
}
