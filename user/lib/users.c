/* User and group names: lines `name:password:number:...` of /etc/passwd and /etc/group. */
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 7

static char *line;
static size_t line_capacity;

/* Find the line with that name, or with that number if `name` is NULL, and split it. */
static bool find_line(const char *path, const char *name, unsigned number, char **fields)
{
    FILE *stream = fopen(path, "re");
    bool is_found = false;

    if (!stream)
        return false;
    while (!is_found && getline(&line, &line_capacity, stream) > 0) {
        char *rest = line;
        line[strcspn(line, "\n")] = '\0';
        for (int i = 0; i < FIELDS_MAX; i++) {
            fields[i] = strsep(&rest, ":");
            if (!fields[i])
                fields[i] = "";
        }
        is_found = name ? strcmp(fields[0], name) == 0
                        : *fields[2] && strtoul(fields[2], NULL, 10) == number;
    }
    fclose(stream);
    return is_found;
}

static struct passwd *find_user(const char *name, uid_t number)
{
    static struct passwd user;
    char *fields[FIELDS_MAX];

    if (!find_line("/etc/passwd", name, number, fields))
        return NULL;
    user.pw_name = fields[0];
    user.pw_uid = (uid_t)strtoul(fields[2], NULL, 10);
    user.pw_gid = (gid_t)strtoul(fields[3], NULL, 10);
    user.pw_dir = fields[5];
    user.pw_shell = fields[6];
    return &user;
}

static struct group *find_group(const char *name, gid_t number)
{
    static struct group group;
    char *fields[FIELDS_MAX];

    if (!find_line("/etc/group", name, number, fields))
        return NULL;
    group.gr_name = fields[0];
    group.gr_gid = (gid_t)strtoul(fields[2], NULL, 10);
    return &group;
}

struct passwd *getpwuid(uid_t user)
{
    return find_user(NULL, user);
}

struct passwd *getpwnam(const char *name)
{
    return find_user(name, 0);
}

struct group *getgrgid(gid_t group)
{
    return find_group(NULL, group);
}

struct group *getgrnam(const char *name)
{
    return find_group(name, 0);
}
