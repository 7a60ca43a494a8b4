/*
 * Clocks and sleeping. Nothing here measures the machine: only order and lower bounds.
 */
#include "check.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

static long now(int clock)
{
    struct timespec time;
    must("clock_gettime", clock_gettime(clock, &time));
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void sleeps(void)
{
    long start = now(CLOCK_MONOTONIC);
    struct timespec request = {0, 20000000}, left = {7, 7};
    show("nanosleep", nanosleep(&request, &left));
    long slept = now(CLOCK_MONOTONIC) - start;
    say("not too short: %d", slept >= 20000000);
    request.tv_nsec = 0;
    show("of nothing", nanosleep(&request, NULL));
    request.tv_nsec = 1000000000;
    show("a second of nanoseconds", nanosleep(&request, NULL));
    request.tv_nsec = -1;
    show("negative", nanosleep(&request, NULL));
    request = (struct timespec){-1, 0};
    show("negative seconds", nanosleep(&request, NULL));
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 10000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    show("clock_nanosleep until", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, &until, NULL));
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &after);
    say("it is that time: %d", after.tv_sec > until.tv_sec || (after.tv_sec == until.tv_sec &&
                                                               after.tv_nsec >= until.tv_nsec));
    until.tv_sec = 0;
    show("until the past", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, &until, NULL));
    show("a wrong clock", syscall(SYS_clock_nanosleep, 77, 0, &request, NULL));
}

int main(void)
{
    long last = now(CLOCK_MONOTONIC);
    int backwards = 0;
    for (int i = 0; i < 10000; i++) {
        long next = now(CLOCK_MONOTONIC);
        backwards += next < last;
        last = next;
    }
    say("the clock went back: %d times", backwards);
    struct timespec time;
    show("real", clock_gettime(CLOCK_REALTIME, &time));
    say("after 2020: %d", time.tv_sec > 1577836800);
    struct timeval day;
    show("gettimeofday", gettimeofday(&day, NULL));
    say("agrees: %d", day.tv_sec - time.tv_sec <= 1);
    say("time agrees: %d", syscall(SYS_time, NULL) - time.tv_sec <= 1);
    show("a clock that is none", clock_gettime(77, &time));
    show("getres", syscall(SYS_clock_getres, CLOCK_MONOTONIC, &time));
    say("is below a second: %d", time.tv_sec == 0 && time.tv_nsec > 0);
    struct tms used;
    say("times: %d", times(&used) != -1);
    sleeps();

    /* Sleepers wake in the order of their times. */
    int ends[2];
    char order[8] = "";
    must("pipe", pipe(ends));
    clock_gettime(CLOCK_MONOTONIC, &time);
    for (int i = 5; i > 0; i--) {
        if (must("fork", fork()) == 0) {
            char c = (char)('0' + i);
            time.tv_nsec += 300000000 + i * 200000000L;
            time.tv_sec += time.tv_nsec / 1000000000;
            time.tv_nsec %= 1000000000;
            syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, &time, NULL);
            _exit(write(ends[1], &c, 1) != 1);
        }
    }
    for (int i = 0; i < 5; i++)
        wait(NULL);
    must("read", read(ends[0], order, 5));
    say("woken in the order %s", order);
    return 0;
}
