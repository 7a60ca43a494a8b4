/* User names, from /etc/passwd: getpwuid(3). */
#pragma once

#include <sys/types.h>

struct passwd {
    char *pw_name;
    uid_t pw_uid;
    gid_t pw_gid;
    char *pw_dir;
    char *pw_shell;
};

/* The answer holds until the next call. */
struct passwd *getpwuid(uid_t user);
struct passwd *getpwnam(const char *name);
