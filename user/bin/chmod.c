/* chmod: change the permissions of files. */
#include <dirent.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: chmod [-R] MODE PATH...\n"
    "Change permissions. MODE is octal (644), or clauses like u+x,go-w,a=rX.\n"
    "  -R  of all that is below directories, too\n";

static bool change(const char *path, const char *text, bool recursive)
{
    struct stat status;
    mode_t mode;

    if (stat(path, &status) < 0) {
        warn("%s", path);
        return false;
    }
    bool is_directory = S_ISDIR(status.st_mode);
    if (!tool_parse_mode(text, status.st_mode & 07777, is_directory, &mode))
        errx(1, "%s: not a mode", text);
    if (chmod(path, mode) < 0) {
        warn("%s", path);
        return false;
    }
    if (!recursive || !is_directory)
        return true;

    DIR *directory = opendir(path);
    if (!directory) {
        warn("%s", path);
        return false;
    }
    bool is_good = true;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (tool_is_dot(entry->d_name))
            continue;
        char *name = tool_join(path, entry->d_name);
        if (lstat(name, &status) == 0 && !S_ISLNK(status.st_mode))
            is_good &= change(name, text, true);
        free(name);
    }
    closedir(directory);
    return is_good;
}

int main(int argc, char **argv)
{
    bool recursive = false;
    int i = 1, status = 0;

    tool_start(argc, argv, help);
    if (i < argc && strcmp(argv[i], "-R") == 0) { /* by hand: -w is a mode */
        recursive = true;
        i++;
    }
    if (i < argc && strcmp(argv[i], "--") == 0)
        i++;
    if (argc - i < 2)
        tool_usage(1);
    for (int path = i + 1; path < argc; path++) {
        if (!change(argv[path], argv[i], recursive))
            status = 1;
    }
    return status;
}
