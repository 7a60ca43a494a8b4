/* What Duet's own programs share (tool.h). */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char *help_text = "";

void tool_start(int argc, char **argv, const char *help)
{
    help_text = help;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        exit(tool_finish(0));
    }
}

_Noreturn void tool_usage(int status)
{
    const char *end = strchrnul(help_text, '\n');
    fprintf(stderr, "%.*s\n", (int)(end - help_text), help_text);
    exit(status);
}

int tool_finish(int status)
{
    if (fflush(stdout) == EOF || ferror(stdout)) {
        warn("write error");
        return status ? status : 1;
    }
    return status;
}

FILE *tool_open(const char *path)
{
    if (!path || strcmp(path, "-") == 0)
        return stdin;
    FILE *stream = fopen(path, "r");
    if (!stream)
        warn("%s", path);
    return stream;
}

bool tool_close(FILE *stream, const char *path)
{
    bool is_good = !ferror(stream);
    if (!is_good)
        warn("%s", path ? path : "-");
    if (stream == stdin)
        clearerr(stdin);
    else
        fclose(stream);
    return is_good;
}

bool tool_write(int fd, const void *data, size_t size)
{
    const char *from = data;
    while (size > 0) {
        ssize_t written = write(fd, from, size);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        from += written;
        size -= (size_t)written;
    }
    return true;
}

unsigned long long tool_number(const char *text, int status)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    int shift = 0;

    if (*end == 'k' || *end == 'K')
        shift = 10;
    else if (*end == 'M')
        shift = 20;
    else if (*end == 'G')
        shift = 30;
    if (!isdigit((unsigned char)*text) || end[shift > 0] || errno || number > ~0ULL >> shift)
        errx(status, "%s: not a number", text);
    return number << shift;
}

void *tool_allocate(size_t size)
{
    return tool_reallocate(NULL, size);
}

void *tool_reallocate(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (!memory)
        err(2, "%zu bytes", size);
    return memory;
}

char *tool_copy_string(const char *string)
{
    return strcpy(tool_allocate(strlen(string) + 1), string);
}

char *tool_join(const char *directory, const char *name)
{
    size_t length = strlen(directory);
    char *path = tool_allocate(length + strlen(name) + 2);
    strcpy(path, directory);
    if (length > 0 && path[length - 1] != '/')
        path[length++] = '/';
    strcpy(path + length, name);
    return path;
}

bool tool_is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static char type_letter(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return 'd';
    case S_IFLNK:
        return 'l';
    case S_IFCHR:
        return 'c';
    case S_IFBLK:
        return 'b';
    case S_IFIFO:
        return 'p';
    case S_IFSOCK:
        return 's';
    default:
        return '-';
    }
}

void tool_mode_string(mode_t mode, char *text)
{
    strcpy(text, "?rwxrwxrwx");
    text[0] = type_letter(mode);
    for (int bit = 0; bit < 9; bit++) {
        if (!(mode & 0400u >> bit))
            text[1 + bit] = '-';
    }
    if (mode & S_ISUID)
        text[3] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        text[6] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        text[9] = mode & S_IXOTH ? 't' : 'T';
}

/* Rounded up, one decimal below ten, as ls -h and du -h print it. */
void tool_human_size(unsigned long long size, char *text)
{
    static const char units[] = "BKMGTPE";
    int unit = 0;
    unsigned long long tenths = size * 10;

    if (size < 1024) {
        snprintf(text, 8, "%llu", size);
        return;
    }
    for (; tenths >= 10240; tenths = (tenths + 1023) / 1024)
        unit++;
    if (tenths < 100)
        snprintf(text, 8, "%llu.%llu%c", tenths / 10, tenths % 10, units[unit]);
    else if (tenths + 9 >= 10240)
        snprintf(text, 8, "1.0%c", units[unit + 1]);
    else
        snprintf(text, 8, "%llu%c", (tenths + 9) / 10, units[unit]);
}

/* Which permission bits the letters of `who` speak of. */
static const char *parse_who(const char *text, mode_t *who)
{
    *who = 0;
    for (;; text++) {
        if (*text == 'u')
            *who |= S_ISUID | S_IRWXU;
        else if (*text == 'g')
            *who |= S_ISGID | S_IRWXG;
        else if (*text == 'o')
            *who |= S_ISVTX | S_IRWXO;
        else if (*text == 'a')
            *who |= 07777;
        else
            return text;
    }
}

static const char *parse_permissions(const char *text, mode_t mode, bool is_directory,
                                     mode_t *permissions)
{
    *permissions = 0;
    for (;; text++) {
        if (*text == 'r')
            *permissions |= 0444;
        else if (*text == 'w')
            *permissions |= 0222;
        else if (*text == 'x' || (*text == 'X' && (is_directory || (mode & 0111))))
            *permissions |= 0111;
        else if (*text == 's')
            *permissions |= S_ISUID | S_ISGID;
        else if (*text == 't')
            *permissions |= S_ISVTX;
        else if (*text == 'u') /* those that the owner has, and so on */
            *permissions |= (mode >> 6 & 7) * 0111;
        else if (*text == 'g')
            *permissions |= (mode >> 3 & 7) * 0111;
        else if (*text == 'o')
            *permissions |= (mode & 7) * 0111;
        else if (*text != 'X')
            return text;
    }
}

bool tool_parse_mode(const char *text, mode_t mode, bool is_directory, mode_t *result)
{
    if (isdigit((unsigned char)*text)) {
        char *end;
        unsigned long number = strtoul(text, &end, 8);
        *result = (mode_t)number;
        return !*end && number <= 07777;
    }
    for (;;) {
        mode_t who, permissions;
        text = parse_who(text, &who);
        if (!*text || !strchr("+-=", *text))
            return false;
        if (who == 0) { /* all, less what the umask forbids */
            mode_t mask = umask(0);
            umask(mask);
            who = 07777 & ~mask;
        }
        do {
            char operation = *text;
            text = parse_permissions(text + 1, mode, is_directory, &permissions);
            if (operation == '=')
                mode &= ~(who & (is_directory ? 01777u : 07777u));
            mode = operation == '-' ? mode & ~(who & permissions) : mode | (who & permissions);
        } while (*text && strchr("+-=", *text));
        if (!*text)
            break;
        if (*text++ != ',')
            return false;
    }
    *result = mode & 07777;
    return true;
}
