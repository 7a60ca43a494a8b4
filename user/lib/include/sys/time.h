/* The time of day in microseconds: gettimeofday(2). */
#pragma once

#include <sys/types.h>

struct timeval {
    time_t tv_sec;
    suseconds_t tv_usec;
};

int gettimeofday(struct timeval *time, void *zone);
