/* touch: set the times of files; make those that do not exist. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: touch [-acm] [-d @SECONDS | -r FILE] FILE...\n"
                           "Set the times of files to now; make files that do not exist.\n"
                           "  -a  the time of access only     -m  that of modification only\n"
                           "  -c  make no files\n"
                           "  -d  the time, in seconds since 1970     -r  the times of that file\n";

static bool touch(const char *path, const struct timespec *times, bool creates)
{
    if (utimensat(AT_FDCWD, path, times, 0) == 0)
        return true;
    if (errno == ENOENT && !creates)
        return true;
    if (errno == ENOENT) {
        int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK, 0666);
        if (fd >= 0) {
            int result = futimens(fd, times);
            close(fd);
            if (result == 0)
                return true;
        }
    }
    warn("%s", path);
    return false;
}

int main(int argc, char **argv)
{
    struct timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    bool creates = true, only_access = false, only_modification = false;
    struct stat reference;
    char *end;
    int status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "acmd:r:")) != -1;) {
        switch (option) {
        case 'a':
            only_access = true;
            break;
        case 'm':
            only_modification = true;
            break;
        case 'c':
            creates = false;
            break;
        case 'd':
            times[0].tv_sec = strtol(optarg + (*optarg == '@'), &end, 10);
            if (*optarg != '@' || end == optarg + 1 || *end)
                errx(1, "%s: not @SECONDS", optarg);
            times[0].tv_nsec = 0;
            times[1] = times[0];
            break;
        case 'r':
            if (stat(optarg, &reference) < 0)
                err(1, "%s", optarg);
            times[0] = reference.st_atim;
            times[1] = reference.st_mtim;
            break;
        default:
            tool_usage(1);
        }
    }
    if (optind == argc)
        tool_usage(1);
    if (only_access && !only_modification)
        times[1].tv_nsec = UTIME_OMIT;
    if (only_modification && !only_access)
        times[0].tv_nsec = UTIME_OMIT;
    for (int i = optind; i < argc; i++) {
        if (!touch(argv[i], times, creates))
            status = 1;
    }
    return status;
}
