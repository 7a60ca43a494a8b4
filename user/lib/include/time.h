/* Clocks and the calendar (UTC is the only time zone). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "kern/abi/stat.h" /* struct timespec */

#define CLOCK_REALTIME           0
#define CLOCK_MONOTONIC          1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID  3
#define CLOCK_BOOTTIME           7
#define TIMER_ABSTIME            1

struct tm {
    int tm_sec;
    int tm_min;
    int tm_hour;
    int tm_mday;
    int tm_mon;  /* 0 is January */
    int tm_year; /* since 1900 */
    int tm_wday; /* 0 is Sunday */
    int tm_yday; /* 0 is January 1 */
    int tm_isdst;
};

time_t time(time_t *now);
int clock_gettime(clockid_t clock, struct timespec *time);
int clock_getres(clockid_t clock, struct timespec *resolution);
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                    struct timespec *remaining);
int nanosleep(const struct timespec *time, struct timespec *remaining);

struct tm *gmtime_r(const time_t *time, struct tm *result);
struct tm *gmtime(const time_t *time);
struct tm *localtime_r(const time_t *time, struct tm *result);
struct tm *localtime(const time_t *time);
time_t timegm(struct tm *date);
time_t mktime(struct tm *date);
size_t strftime(char *string, size_t size, const char *format, const struct tm *date);
