/* df: how full the file systems are. */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: df [-h] [PATH]...\n"
    "Show the sizes of all mounted file systems, or of those that have PATH,\n"
    "in KiB.\n"
    "  -h  as 1.2K, 3M\n";

static bool human;

static void print_size(unsigned long long bytes)
{
    char text[16];
    if (human)
        tool_human_size(bytes, text);
    else
        snprintf(text, sizeof(text), "%llu", bytes / 1024);
    printf(" %10s", text);
}

static void print(const char *device, const char *directory, const struct statfs *status)
{
    unsigned long long unit = (unsigned long long)status->f_bsize;
    unsigned long long used = status->f_blocks - status->f_bfree;
    unsigned long long usable = used + status->f_bavail;

    printf("%-15s", device);
    print_size(status->f_blocks * unit);
    print_size(used * unit);
    print_size(status->f_bavail * unit);
    printf(" %3llu%% %s\n", usable ? (used * 100 + usable - 1) / usable : 0, directory);
}

/* All of /proc/mounts that have blocks at all. */
static bool print_mounts(void)
{
    char *line = NULL;
    size_t capacity = 0;
    FILE *stream = fopen("/proc/mounts", "r");

    if (!stream)
        err(1, "/proc/mounts");
    while (getline(&line, &capacity, stream) > 0) {
        struct statfs status;
        char *rest = line;
        const char *device = strsep(&rest, " \n"), *directory = strsep(&rest, " \n");
        if (directory && statfs(directory, &status) == 0 && status.f_blocks > 0)
            print(device, directory, &status);
    }
    free(line);
    return tool_close(stream, "/proc/mounts");
}

int main(int argc, char **argv)
{
    int exit_status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "hk")) != -1;) {
        if (option == 'h')
            human = true;
        else if (option != 'k')
            tool_usage(1);
    }
    printf("Filesystem      %10s %10s %10s Use%% Mounted on\n", human ? "Size" : "1K-blocks",
           "Used", "Available");
    if (optind == argc && !print_mounts())
        exit_status = 1;
    for (int i = optind; i < argc; i++) {
        struct statfs status;
        if (statfs(argv[i], &status) < 0) {
            warn("%s", argv[i]);
            exit_status = 1;
        } else {
            print("-", argv[i], &status);
        }
    }
    return tool_finish(exit_status);
}
