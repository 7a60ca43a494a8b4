/* which: where the shell finds programs. */
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: which NAME...\n"
                           "Print the paths of programs, as PATH finds them.\n";

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static bool find_program(const char *name)
{
    const char *path = getenv("PATH");
    bool is_found = strchr(name, '/') && is_program(name);

    if (is_found)
        puts(name);
    if (strchr(name, '/') || !path)
        return is_found;
    char *folders = tool_copy_string(path), *rest = folders;
    for (char *folder; !is_found && (folder = strsep(&rest, ":"));) {
        char *file = tool_join(*folder ? folder : ".", name);
        is_found = is_program(file);
        if (is_found)
            puts(file);
        free(file);
    }
    free(folders);
    return is_found;
}

int main(int argc, char **argv)
{
    int status = 0;

    tool_start(argc, argv, help);
    if (argc < 2)
        tool_usage(2);
    for (int i = 1; i < argc; i++) {
        if (!find_program(argv[i]))
            status = 1;
    }
    return tool_finish(status);
}
