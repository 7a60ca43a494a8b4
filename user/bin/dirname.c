/* dirname: a path name without its last part. */
#include <libgen.h>
#include <tool.h>

static const char help[] = "usage: dirname PATH...\n"
                           "Print what precedes the last slash, or a period.\n";

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    if (argc < 2)
        tool_usage(1);
    for (int i = 1; i < argc; i++)
        puts(dirname(argv[i]));
    return tool_finish(0);
}
