/* yes: print a line for ever. */
#include <tool.h>

static const char help[] = "usage: yes [STRING]...\n"
                           "Print the strings, or `y', on line after line until stopped.\n";

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    do {
        if (argc < 2)
            putchar('y');
        for (int i = 1; i < argc; i++)
            printf("%s%s", i > 1 ? " " : "", argv[i]);
    } while (putchar('\n') != EOF);
    return tool_finish(1);
}
