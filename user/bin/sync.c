/* sync: write everything to the disks. */
#include <err.h>
#include <fcntl.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: sync [FILE]...\n"
                           "Write what is still in memory to the disks, or only those files.\n";

int main(int argc, char **argv)
{
    int status = 0;

    tool_start(argc, argv, help);
    if (argc == 1)
        sync();
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0 || fsync(fd) < 0) {
            warn("%s", argv[i]);
            status = 1;
        }
        if (fd >= 0)
            close(fd);
    }
    return status;
}
