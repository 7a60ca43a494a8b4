/* mkfifo: make named pipes. */
#include <err.h>
#include <tool.h>

static const char help[] = "usage: mkfifo PATH...\n"
                           "Make named pipes.\n";

int main(int argc, char **argv)
{
    int status = 0;

    tool_start(argc, argv, help);
    if (argc < 2)
        tool_usage(1);
    for (int i = 1; i < argc; i++) {
        if (mkfifo(argv[i], 0666) < 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
