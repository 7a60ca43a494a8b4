/* ps: list the processes that /proc shows. */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: ps\n"
                           "List all processes: number, parent, state (R running, S sleeping, D\n"
                           "waiting for a disk, T stopped, Z ended), time used, command.\n";

#define TICKS 100 /* a second, in /proc/PID/stat */

/* Read a whole small file. Returns its length, or -1. */
static ssize_t read_file(const char *pid, const char *name, char *buffer, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t total = 0, got;
    while ((got = read(fd, buffer + total, size - 1 - (size_t)total)) > 0)
        total += got;
    close(fd);
    buffer[total] = '\0';
    return total;
}

/* What /proc/PID/stat says: `PID (NAME) STATE PPID ...`; NAME may hold anything. */
struct status {
    char name[64];
    char state;
    int parent;
    unsigned long ticks;
};

static bool parse_status(char *text, struct status *status)
{
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close)
        return false;
    *close = '\0';
    strlcpy(status->name, open + 1, sizeof(status->name));

    char *rest = close + 1;
    status->ticks = 0;
    for (int field = 3; field <= 15; field++) {
        char *word = strtok_r(NULL, " \n", &rest);
        if (!word)
            return false;
        if (field == 3)
            status->state = *word;
        else if (field == 4)
            status->parent = atoi(word);
        else if (field >= 14) /* utime, stime */
            status->ticks += strtoul(word, NULL, 10);
    }
    return true;
}

static void print_process(const char *pid)
{
    char text[4096];
    struct status status;

    /* It may have ended since the directory was read. */
    if (read_file(pid, "stat", text, sizeof(text)) < 0 || !parse_status(text, &status))
        return;
    unsigned long seconds = status.ticks / TICKS;
    printf("%5s %5d %c %3lu:%02lu.%02lu ", pid, status.parent, status.state, seconds / 60,
           seconds % 60, status.ticks % TICKS * 100 / TICKS);

    ssize_t length = read_file(pid, "cmdline", text, sizeof(text));
    while (length > 0 && !text[length - 1])
        length--;
    if (length <= 0) {
        printf("[%s]\n", status.name); /* no arguments: ended, or a thread of the kernel */
        return;
    }
    for (ssize_t i = 0; i < length; i++)
        putchar(text[i] ? text[i] : ' ');
    putchar('\n');
}

static int compare_pids(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

int main(int argc, char **argv)
{
    int *pids = NULL;
    size_t count = 0;

    tool_start(argc, argv, help);
    DIR *directory = opendir("/proc");
    if (!directory)
        err(1, "/proc");
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        pids = tool_reallocate(pids, (count + 1) * sizeof(*pids));
        pids[count++] = atoi(entry->d_name);
    }
    closedir(directory);
    if (count == 0)
        errx(1, "/proc: no processes in it");
    qsort(pids, count, sizeof(*pids), compare_pids);
    puts("  PID  PPID S      TIME COMMAND");
    for (size_t i = 0; i < count; i++) {
        char pid[16];
        snprintf(pid, sizeof(pid), "%d", pids[i]);
        print_process(pid);
    }
    return tool_finish(0);
}
