/* true: succeed. */
#include <tool.h>

static const char help[] = "usage: true\n"
                           "Do nothing, successfully.\n";

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    return 0;
}
