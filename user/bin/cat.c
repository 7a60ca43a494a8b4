/* cat: copy files to standard output. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: cat [-nu] [FILE]...\n"
                           "Write the files (or standard input, also -) one after another.\n"
                           "  -n  number the lines\n"
                           "  -u  accepted: output is never delayed\n";

static char buffer[65536];

static bool copy(int fd, const char *path)
{
    for (;;) {
        ssize_t size = read(fd, buffer, sizeof(buffer));
        if (size == 0)
            return true;
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0) {
            warn("%s", path);
            return false;
        }
        if (!tool_write(STDOUT_FILENO, buffer, (size_t)size))
            err(1, "write error");
    }
}

static bool copy_numbered(int fd, const char *path)
{
    static unsigned long number;
    static bool in_line;

    for (;;) {
        ssize_t size = read(fd, buffer, sizeof(buffer));
        if (size < 0)
            warn("%s", path);
        if (size <= 0)
            return size == 0;
        for (ssize_t i = 0; i < size; i++) {
            if (!in_line)
                printf("%6lu\t", ++number);
            in_line = buffer[i] != '\n';
            putchar(buffer[i]);
        }
    }
}

int main(int argc, char **argv)
{
    bool is_numbered = false;
    int status = 0;
    char *standard_input[] = {"-", NULL};

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "nu")) != -1;) {
        if (option == 'n')
            is_numbered = true;
        else if (option != 'u')
            tool_usage(1);
    }
    for (char **path = optind < argc ? argv + optind : standard_input; *path; path++) {
        bool is_stdin = strcmp(*path, "-") == 0;
        int fd = is_stdin ? STDIN_FILENO : open(*path, O_RDONLY);
        if (fd < 0) {
            warn("%s", *path);
            status = 1;
            continue;
        }
        if (!(is_numbered ? copy_numbered : copy)(fd, *path))
            status = 1;
        if (!is_stdin)
            close(fd);
    }
    return tool_finish(status);
}
