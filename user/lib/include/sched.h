/* Scheduling: sched_yield(2). */
#pragma once

#include <sys/types.h>

int sched_yield(void);

/* Fills in a bit a CPU; 0 or -1. */
int sched_getaffinity(pid_t pid, size_t size, void *mask);
