/* Group names, from /etc/group: getgrgid(3). */
#pragma once

#include <sys/types.h>

struct group {
    char *gr_name;
    gid_t gr_gid;
};

/* The answer holds until the next call. */
struct group *getgrgid(gid_t group);
struct group *getgrnam(const char *name);
