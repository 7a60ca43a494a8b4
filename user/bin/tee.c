/* tee: copy standard input to standard output and to files. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: tee [-a] [FILE]...\n"
                           "Copy standard input to standard output and to files.\n"
                           "  -a  append to the files\n";

int main(int argc, char **argv)
{
    static char buffer[65536];
    int flags = O_TRUNC, count = 0, status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "a")) != -1;) {
        if (option != 'a')
            tool_usage(1);
        flags = O_APPEND;
    }
    struct {
        int fd;
        const char *path;
    } *outputs = tool_allocate((size_t)argc * sizeof(*outputs));
    outputs[count].fd = STDOUT_FILENO;
    outputs[count++].path = "standard output";
    for (int i = optind; i < argc; i++) {
        int fd = open(argv[i], O_WRONLY | O_CREAT | flags, 0666);
        if (fd < 0) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        outputs[count].fd = fd;
        outputs[count++].path = argv[i];
    }
    for (;;) {
        ssize_t size = read(STDIN_FILENO, buffer, sizeof(buffer));
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            err(1, "standard input");
        if (size == 0)
            return status;
        for (int i = 0; i < count; i++) {
            if (outputs[i].fd >= 0 && !tool_write(outputs[i].fd, buffer, (size_t)size)) {
                warn("%s", outputs[i].path);
                outputs[i].fd = -1;
                status = 1;
            }
        }
    }
}
