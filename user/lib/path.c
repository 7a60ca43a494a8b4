/* Parts of path names, temporary names, and shell patterns. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Remove slashes from the end of path[0..length), but not the first character. */
static size_t trim_slashes(const char *path, size_t length)
{
    while (length > 1 && path[length - 1] == '/')
        length--;
    return length;
}

char *basename(char *path)
{
    static char dot[] = ".";

    if (!path || !*path)
        return dot;
    size_t length = trim_slashes(path, strlen(path));
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

char *dirname(char *path)
{
    static char dot[] = ".";

    if (!path || !*path)
        return dot;
    size_t length = trim_slashes(path, strlen(path));
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length == 0)
        return dot;
    path[trim_slashes(path, length)] = '\0';
    return path;
}

/* --- Temporary names ------------------------------------------------------------------------ */

#define TRIES 100

/* Fill in the six X at the end. Returns false if they are not there. */
static bool make_name(char *pattern)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t length = strlen(pattern);
    unsigned char bytes[6] = {0};

    if (length < sizeof(bytes)) {
        errno = EINVAL;
        return false;
    }
    getrandom(bytes, sizeof(bytes), 0);
    for (size_t i = 0; i < sizeof(bytes); i++)
        pattern[length - sizeof(bytes) + i] = letters[bytes[i] % (sizeof(letters) - 1)];
    return true;
}

int mkstemp(char *pattern)
{
    for (int i = 0; i < TRIES && make_name(pattern); i++) {
        int fd = open(pattern, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

char *mkdtemp(char *pattern)
{
    for (int i = 0; i < TRIES && make_name(pattern); i++) {
        if (mkdir(pattern, 0700) == 0)
            return pattern;
        if (errno != EEXIST)
            break;
    }
    return NULL;
}

/* --- Patterns ------------------------------------------------------------------------------- */

/*
 * Match one character against the bracket expression behind `[`. Returns what follows its `]`,
 * or NULL if there is none (then `[` stands for itself).
 */
static const char *match_bracket(const char *pattern, char c, bool *matches)
{
    bool is_inverted = *pattern == '!' || *pattern == '^';
    bool is_found = false;

    pattern += is_inverted;
    for (bool is_first = true; *pattern && (is_first || *pattern != ']'); is_first = false) {
        unsigned char low = (unsigned char)*pattern++, high = low;
        if (pattern[0] == '-' && pattern[1] && pattern[1] != ']') {
            high = (unsigned char)pattern[1];
            pattern += 2;
        }
        if ((unsigned char)c >= low && (unsigned char)c <= high)
            is_found = true;
    }
    if (*pattern != ']')
        return NULL;
    *matches = is_found != is_inverted;
    return pattern + 1;
}

static bool match(const char *pattern, const char *string, int flags, bool at_start)
{
    for (;; string++) {
        bool is_hidden = (flags & FNM_PERIOD) && at_start && *string == '.';
        bool is_barrier = (flags & FNM_PATHNAME) && *string == '/';
        char c = *pattern++;

        if (c == '*') {
            if (is_hidden)
                return false;
            for (const char *rest = string;; rest++) {
                if (match(pattern, rest, flags, at_start && rest == string))
                    return true;
                if (!*rest || ((flags & FNM_PATHNAME) && *rest == '/'))
                    return false;
            }
        }
        if (c == '\0' || *string == '\0')
            return c == *string;
        bool matches;
        const char *after;
        if (c == '?') {
            matches = !is_hidden && !is_barrier;
        } else if (c == '[' && (after = match_bracket(pattern, *string, &matches))) {
            matches = matches && !is_hidden && !is_barrier;
            pattern = after;
        } else {
            if (c == '\\' && !(flags & FNM_NOESCAPE) && *pattern)
                c = *pattern++;
            matches = c == *string;
        }
        if (!matches)
            return false;
        at_start = is_barrier;
    }
}

int fnmatch(const char *pattern, const char *string, int flags)
{
    return match(pattern, string, flags, true) ? 0 : FNM_NOMATCH;
}
