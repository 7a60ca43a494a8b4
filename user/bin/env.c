/* env: run a program in a changed environment, or show it. */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: env [-i] [-u NAME]... [NAME=VALUE]... [COMMAND [ARGUMENT]...]\n"
                           "Run the command with these variables set, or show all variables.\n"
                           "  -i  begin with no variables\n"
                           "  -u  without this one\n";

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "iu:")) != -1;) {
        if (option == 'i')
            clearenv();
        else if (option != 'u')
            tool_usage(125);
        else if (unsetenv(optarg) < 0)
            err(125, "%s", optarg);
    }
    for (; optind < argc && strchr(argv[optind], '='); optind++)
        putenv(argv[optind]);
    if (optind < argc) {
        execvp(argv[optind], argv + optind);
        err(errno == ENOENT ? 127 : 126, "%s", argv[optind]);
    }
    for (char **variable = environ; *variable; variable++)
        puts(*variable);
    return tool_finish(0);
}
