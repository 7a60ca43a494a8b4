/* File system status: statfs(2). */
#pragma once

#include "kern/abi/stat.h"

int statfs(const char *path, struct statfs *status);
int fstatfs(int fd, struct statfs *status);
