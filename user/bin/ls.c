/*
 * ls: list directories. Entries are collected with their status, sorted, and printed as one
 * block: long lines, columns on a terminal, or one name a line.
 */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: ls [-1AaCdFhilnRrSt] [PATH]...\n"
                           "List files, or what is in directories.\n"
                           "  -l  mode, links, owner, group, size, time    -n  owners as numbers\n"
                           "  -a  names with a leading period too          -A  but . and ..\n"
                           "  -1  a name a line                            -C  in columns\n"
                           "  -d  directories themselves                   -R  all below them too\n"
                           "  -i  inode numbers                            -h  sizes as 1.2K, 3M\n"
                           "  -F  mark / directories * programs @ links | pipes\n"
                           "  -t  newest first      -S  largest first      -r  in reverse order\n";

struct entry {
    char *name;
    struct stat status;
    char *target; /* of a symbolic link, for -l */
};

struct list {
    struct entry *entries;
    size_t count, capacity;
};

static bool show_all, show_almost_all, show_long, in_columns, as_directory, recursive, show_inode;
static bool human, numeric, mark, reverse;
static char order;      /* 't', 'S' or 0: by name */
static bool needs_gap;  /* something was printed before */
static bool show_title; /* print `PATH:` above directories */
static int exit_status;

/* --- Collecting ----------------------------------------------------------------------------- */

static void fail(const char *path, int status)
{
    warn("%s", path);
    if (exit_status < status)
        exit_status = status;
}

static char *read_target(const char *path)
{
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length < 0)
        return NULL;
    target[length] = '\0';
    return tool_copy_string(target);
}

static void list_add(struct list *list, const char *name, const char *path,
                     const struct stat *status)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->entries = tool_reallocate(list->entries, list->capacity * sizeof(struct entry));
    }
    struct entry *entry = &list->entries[list->count++];
    entry->name = tool_copy_string(name);
    entry->status = *status;
    entry->target = show_long && S_ISLNK(status->st_mode) ? read_target(path) : NULL;
}

static void list_free(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->entries[i].name);
        free(list->entries[i].target);
    }
    free(list->entries);
}

static int compare_times(const struct timespec *a, const struct timespec *b)
{
    if (a->tv_sec != b->tv_sec)
        return a->tv_sec < b->tv_sec ? 1 : -1;
    return a->tv_nsec < b->tv_nsec ? 1 : a->tv_nsec > b->tv_nsec ? -1 : 0;
}

static int compare_entries(const void *first, const void *second)
{
    const struct entry *a = first, *b = second;
    int result = 0;

    if (order == 't')
        result = compare_times(&a->status.st_mtim, &b->status.st_mtim);
    else if (order == 'S' && a->status.st_size != b->status.st_size)
        result = a->status.st_size < b->status.st_size ? 1 : -1;
    if (result == 0)
        result = strcmp(a->name, b->name);
    return reverse ? -result : result;
}

/* --- Printing ------------------------------------------------------------------------------- */

static char mark_letter(mode_t mode)
{
    if (S_ISDIR(mode))
        return '/';
    if (S_ISLNK(mode))
        return '@';
    if (S_ISFIFO(mode))
        return '|';
    if (S_ISSOCK(mode))
        return '=';
    return S_ISREG(mode) && (mode & 0111) ? '*' : '\0';
}

/* The length of what print_name prints. */
static int name_width(const struct entry *entry, int inode_width)
{
    return (int)strlen(entry->name) + (mark && mark_letter(entry->status.st_mode)) +
           (show_inode ? inode_width + 1 : 0);
}

static void print_name(const struct entry *entry, int inode_width)
{
    if (show_inode)
        printf("%*lu ", inode_width, (unsigned long)entry->status.st_ino);
    fputs(entry->name, stdout);
    if (mark && !(show_long && entry->target) && mark_letter(entry->status.st_mode))
        putchar(mark_letter(entry->status.st_mode));
}

static void owner_text(const struct stat *status, char *user, char *group, size_t size)
{
    struct passwd *owner = numeric ? NULL : getpwuid(status->st_uid);
    if (owner)
        strlcpy(user, owner->pw_name, size);
    else
        snprintf(user, size, "%u", status->st_uid);
    struct group *owning = numeric ? NULL : getgrgid(status->st_gid);
    if (owning)
        strlcpy(group, owning->gr_name, size);
    else
        snprintf(group, size, "%u", status->st_gid);
}

static void size_text(const struct stat *status, char *text, size_t size)
{
    if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode))
        snprintf(text, size, "%u, %u", major(status->st_rdev), minor(status->st_rdev));
    else if (human)
        tool_human_size((unsigned long long)status->st_size, text);
    else
        snprintf(text, size, "%ld", (long)status->st_size);
}

/* The hour for the last half year, else the year. */
static void time_text(time_t time_of_file, char *text, size_t size)
{
    time_t now = time(NULL);
    bool is_recent = time_of_file <= now && time_of_file > now - 31556952 / 2;
    strftime(text, size, is_recent ? "%b %e %H:%M" : "%b %e  %Y", gmtime(&time_of_file));
}

struct widths {
    int inode, links, user, group, size;
};

static void widen(int *width, int length)
{
    if (*width < length)
        *width = length;
}

#define TEXT_SIZE 40

static struct widths measure(const struct list *list)
{
    struct widths widths = {0, 0, 0, 0, 0};
    char user[TEXT_SIZE], group[TEXT_SIZE], text[TEXT_SIZE];

    for (size_t i = 0; i < list->count; i++) {
        const struct stat *status = &list->entries[i].status;
        widen(&widths.inode, snprintf(text, sizeof(text), "%lu", (unsigned long)status->st_ino));
        if (!show_long)
            continue;
        widen(&widths.links, snprintf(text, sizeof(text), "%lu", (unsigned long)status->st_nlink));
        owner_text(status, user, group, TEXT_SIZE);
        widen(&widths.user, (int)strlen(user));
        widen(&widths.group, (int)strlen(group));
        size_text(status, text, sizeof(text));
        widen(&widths.size, (int)strlen(text));
    }
    return widths;
}

static void print_long(const struct entry *entry, const struct widths *widths)
{
    const struct stat *status = &entry->status;
    char mode[11], user[TEXT_SIZE], group[TEXT_SIZE], size[TEXT_SIZE], date[TEXT_SIZE];

    tool_mode_string(status->st_mode, mode);
    owner_text(status, user, group, TEXT_SIZE);
    size_text(status, size, sizeof(size));
    time_text(status->st_mtime, date, sizeof(date));
    if (show_inode)
        printf("%*lu ", widths->inode, (unsigned long)status->st_ino);
    printf("%s %*lu %-*s %-*s %*s %s %s", mode, widths->links, (unsigned long)status->st_nlink,
           widths->user, user, widths->group, group, widths->size, size, date, entry->name);
    if (entry->target)
        printf(" -> %s", entry->target);
    else if (mark && mark_letter(status->st_mode))
        putchar(mark_letter(status->st_mode));
    putchar('\n');
}

static int terminal_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");

    if (columns && atoi(columns) > 0)
        return atoi(columns);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

#define COLUMN_GAP 2

/* Find out how wide each of the columns must be. Returns the width of a line. */
static int measure_columns(const struct list *list, int inode_width, int rows, int *column_widths)
{
    int total = 0, count = (int)list->count;

    for (int i = 0; i < count; i++) {
        if (i % rows == 0)
            column_widths[i / rows] = 0;
        widen(&column_widths[i / rows], name_width(&list->entries[i], inode_width) + COLUMN_GAP);
        if (i % rows == rows - 1 || i == count - 1)
            total += column_widths[i / rows];
    }
    return total - COLUMN_GAP;
}

/* As few rows as the terminal's width allows; columns are filled from top to bottom. */
static void print_columns(const struct list *list, int inode_width)
{
    int count = (int)list->count, rows = 1, line_width = terminal_width();
    int *column_widths = tool_allocate(list->count * sizeof(int) + 1);

    while (rows < count && measure_columns(list, inode_width, rows, column_widths) > line_width)
        rows++;
    measure_columns(list, inode_width, rows, column_widths);
    for (int row = 0; row < rows && row < count; row++) {
        for (int i = row; i < count; i += rows) {
            const struct entry *entry = &list->entries[i];
            print_name(entry, inode_width);
            if (i + rows < count)
                printf("%*s", column_widths[i / rows] - name_width(entry, inode_width), "");
        }
        putchar('\n');
    }
    free(column_widths);
}

static void print_list(struct list *list)
{
    qsort(list->entries, list->count, sizeof(struct entry), compare_entries);
    struct widths widths = measure(list);
    if (in_columns) {
        print_columns(list, widths.inode);
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (show_long) {
            print_long(&list->entries[i], &widths);
        } else {
            print_name(&list->entries[i], widths.inode);
            putchar('\n');
        }
    }
}

/* --- Directories ---------------------------------------------------------------------------- */

static bool is_shown(const char *name)
{
    return name[0] != '.' || show_all || (show_almost_all && !tool_is_dot(name));
}

static bool collect(const char *path, struct list *list)
{
    DIR *directory = opendir(path);
    if (!directory)
        return false;
    errno = 0;
    for (struct dirent *found; (found = readdir(directory));) {
        if (!is_shown(found->d_name))
            continue;
        struct stat status;
        char *name = tool_join(path, found->d_name);
        if (lstat(name, &status) == 0)
            list_add(list, found->d_name, name, &status);
        else
            fail(name, 1);
        free(name);
        errno = 0;
    }
    int error = errno;
    closedir(directory);
    errno = error;
    return error == 0;
}

static void list_directory(const char *path, int failure_status)
{
    struct list list = {NULL, 0, 0};

    if (!collect(path, &list))
        fail(path, failure_status);
    if (show_title)
        printf("%s%s:\n", needs_gap ? "\n" : "", path);
    needs_gap = true;
    if (show_long) {
        long blocks = 0;
        for (size_t i = 0; i < list.count; i++)
            blocks += list.entries[i].status.st_blocks;
        printf("total %ld\n", blocks / 2);
    }
    print_list(&list);
    for (size_t i = 0; recursive && i < list.count; i++) {
        if (S_ISDIR(list.entries[i].status.st_mode) && !tool_is_dot(list.entries[i].name)) {
            char *name = tool_join(path, list.entries[i].name);
            list_directory(name, 1);
            free(name);
        }
    }
    list_free(&list);
}

/* Arguments that are not directories come first, as one block. */
static void list_arguments(int count, char **paths)
{
    struct list files = {NULL, 0, 0}, directories = {NULL, 0, 0};

    show_title = recursive || count > 1;
    for (int i = 0; i < count; i++) {
        struct stat status;
        bool follows = !as_directory && !show_long && !mark;
        if ((!follows || stat(paths[i], &status) < 0) && lstat(paths[i], &status) < 0) {
            fail(paths[i], 2);
            continue;
        }
        bool is_directory = S_ISDIR(status.st_mode) && !as_directory;
        list_add(is_directory ? &directories : &files, paths[i], paths[i], &status);
    }
    if (files.count > 0) {
        print_list(&files);
        needs_gap = true;
    }
    qsort(directories.entries, directories.count, sizeof(struct entry), compare_entries);
    for (size_t i = 0; i < directories.count; i++)
        list_directory(directories.entries[i].name, 2);
    list_free(&files);
    list_free(&directories);
}

static void parse_option(int option)
{
    switch (option) {
    case '1':
        in_columns = false;
        break;
    case 'A':
        show_almost_all = true;
        break;
    case 'a':
        show_all = true;
        break;
    case 'C':
        in_columns = true;
        show_long = false;
        break;
    case 'd':
        as_directory = true;
        break;
    case 'F':
        mark = true;
        break;
    case 'h':
        human = true;
        break;
    case 'i':
        show_inode = true;
        break;
    case 'n':
        numeric = true;
        /* fall through */
    case 'l':
        show_long = true;
        in_columns = false;
        break;
    case 'R':
        recursive = true;
        break;
    case 'r':
        reverse = true;
        break;
    case 'S':
    case 't':
        order = (char)option;
        break;
    default:
        tool_usage(2);
    }
}

int main(int argc, char **argv)
{
    static char *here[] = {".", NULL};

    tool_start(argc, argv, help);
    in_columns = isatty(STDOUT_FILENO);
    for (int option; (option = getopt(argc, argv, "1AaCdFhilnRrSt")) != -1;)
        parse_option(option);
    if (optind < argc)
        list_arguments(argc - optind, argv + optind);
    else
        list_arguments(1, here);
    return tool_finish(exit_status);
}
