/* clear: clear the terminal. */
#include <tool.h>

static const char help[] = "usage: clear\n"
                           "Clear the terminal (ECMA-48: cursor home, erase all).\n";

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    fputs("\033[H\033[2J\033[3J", stdout);
    return tool_finish(0);
}
