/* Opening files: open(2), fcntl(2). */
#pragma once

#include <sys/types.h>

#include "kern/abi/fcntl.h"

int open(const char *path, int flags, ...);
int openat(int dirfd, const char *path, int flags, ...);
int creat(const char *path, mode_t mode);
int fcntl(int fd, int command, ...);
