/* false: fail. */
#include <tool.h>

static const char help[] = "usage: false\n"
                           "Do nothing, unsuccessfully.\n";

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    return 1;
}
