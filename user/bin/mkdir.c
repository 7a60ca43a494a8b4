/* mkdir: make directories. */
#include <err.h>
#include <errno.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: mkdir [-p] [-m MODE] DIRECTORY...\n"
                           "Make directories.\n"
                           "  -p  and the ones above them; it is no error that they exist\n"
                           "  -m  the mode, as chmod takes it\n";

/* The directories above `path`. */
static bool make_parents(char *path)
{
    struct stat status;

    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        if (mkdir(path, 0777) < 0 && (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))) {
            if (errno == EEXIST || errno == 0)
                errno = ENOTDIR;
            warn("%s", path);
            return false;
        }
        *slash = '/';
    }
    return true;
}

static bool make_directory(char *path, bool parents, mode_t mode, bool has_mode)
{
    struct stat status;

    if (parents && !make_parents(path))
        return false;
    if (mkdir(path, mode) < 0) {
        int error = errno;
        if (parents && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
            return true;
        errno = error;
        warn("%s", path);
        return false;
    }
    if (has_mode && chmod(path, mode) < 0) { /* mkdir(2) obeys the umask, -m does not */
        warn("%s", path);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    bool parents = false, has_mode = false;
    mode_t mode = 0777;
    int status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "pm:")) != -1;) {
        if (option == 'p') {
            parents = true;
        } else if (option == 'm') {
            has_mode = true;
            if (!tool_parse_mode(optarg, 0777, true, &mode))
                errx(1, "%s: not a mode", optarg);
        } else {
            tool_usage(1);
        }
    }
    if (optind == argc)
        tool_usage(1);
    for (int i = optind; i < argc; i++) {
        if (!make_directory(argv[i], parents, mode, has_mode))
            status = 1;
    }
    return status;
}
