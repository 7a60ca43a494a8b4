/* Memory mappings: mmap(2). */
#pragma once

#include <sys/types.h>

#include "kern/abi/mman.h"

#define MAP_FAILED ((void *)-1)

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int munmap(void *address, size_t size);
int mprotect(void *address, size_t size, int protection);
int madvise(void *address, size_t size, int advice);
