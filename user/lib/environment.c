/*
 * The environment. `environ` begins as the array on the program's first stack; the first change
 * copies it to the heap. Strings made here are not freed when they are replaced, as callers of
 * getenv may still hold them.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char **own_array; /* the heap's, when environ points to it */

static size_t environment_count(void)
{
    size_t count = 0;
    while (environ && environ[count])
        count++;
    return count;
}

/* Where the variable is whose name is name[0..length), or -1. */
static long find(const char *name, size_t length)
{
    for (long i = 0; environ && environ[i]; i++) {
        if (strncmp(environ[i], name, length) == 0 && environ[i][length] == '=')
            return i;
    }
    return -1;
}

static bool is_valid_name(const char *name)
{
    if (name && *name && !strchr(name, '='))
        return true;
    errno = EINVAL;
    return false;
}

char *getenv(const char *name)
{
    size_t length = strlen(name);
    long at = find(name, length);
    return at < 0 ? NULL : environ[at] + length + 1;
}

/* Replace the variable of that name or add it; the string becomes the environment's. */
int putenv(char *assignment)
{
    size_t length = strcspn(assignment, "=");
    if (!assignment[length])
        return unsetenv(assignment);
    long at = find(assignment, length);
    if (at >= 0) {
        environ[at] = assignment;
        return 0;
    }
    size_t count = environment_count();
    char **array = reallocarray(environ == own_array ? own_array : NULL, count + 2, sizeof(char *));
    if (!array)
        return -1;
    if (environ != own_array && count > 0)
        memcpy(array, environ, count * sizeof(char *));
    array[count] = assignment;
    array[count + 1] = NULL;
    environ = own_array = array;
    return 0;
}

int setenv(const char *name, const char *value, int overwrite)
{
    if (!is_valid_name(name))
        return -1;
    if (!overwrite && find(name, strlen(name)) >= 0)
        return 0;
    size_t length = strlen(name);
    char *assignment = malloc(length + strlen(value) + 2);
    if (!assignment)
        return -1;
    strcpy(assignment, name);
    assignment[length] = '=';
    strcpy(assignment + length + 1, value);
    return putenv(assignment);
}

int unsetenv(const char *name)
{
    if (!is_valid_name(name))
        return -1;
    for (long at; (at = find(name, strlen(name))) >= 0;) {
        for (; environ[at]; at++)
            environ[at] = environ[at + 1];
    }
    return 0;
}

int clearenv(void)
{
    static char *nothing[1];
    environ = nothing;
    return 0;
}
