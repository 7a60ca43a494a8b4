/* umount: take a mounted file system away. */
#include <err.h>
#include <sys/mount.h>
#include <tool.h>

static const char help[] = "usage: umount DIRECTORY...\n"
                           "Take the file systems mounted there away; what is cached is written.\n";

int main(int argc, char **argv)
{
    int status = 0;

    tool_start(argc, argv, help);
    if (argc < 2)
        tool_usage(1);
    for (int i = 1; i < argc; i++) {
        if (umount(argv[i]) < 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
