/* pwd: print the current directory. */
#include <err.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: pwd\n"
                           "Print the path of the current directory.\n";

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    char *path = getcwd(NULL, 0);
    if (!path)
        err(1, ".");
    puts(path);
    return tool_finish(0);
}
