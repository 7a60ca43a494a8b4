/*
 * System calls about time (clock_gettime(2), nanosleep(2), times(2), ...).
 */
#include "kern/abi/errno.h"
#include "kern/abi/stat.h"
#include "kern/clock.h"
#include "kern/process.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "kern/uaccess.h"

enum clock_id {
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 1,
    CLOCK_PROCESS_CPUTIME_ID = 2,
    CLOCK_THREAD_CPUTIME_ID = 3,
    CLOCK_MONOTONIC_RAW = 4,
    CLOCK_REALTIME_COARSE = 5,
    CLOCK_MONOTONIC_COARSE = 6,
    CLOCK_BOOTTIME = 7,
};

#define TIMER_ABSTIME 1
#define TICKS_PER_SEC 100 /* sysconf(_SC_CLK_TCK): the unit of times(2) */

/* The CPU time of the current process, and of the children that it has waited for. */
static nsec_t own_cpu_time(nsec_t *children)
{
    nsec_t time;

    spin_lock(&process_tree_lock);
    time = process_cpu_time(process_self());
    *children = process_self()->children_time;
    spin_unlock(&process_tree_lock);
    return time;
}

static int read_clock(uint64_t id, nsec_t *now)
{
    nsec_t children;

    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *now = clock_realtime();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *now = clock_monotonic();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        *now = own_cpu_time(&children);
        return 0;
    case CLOCK_THREAD_CPUTIME_ID:
        *now = thread_cpu_time(thread_self());
        return 0;
    default:
        return -EINVAL;
    }
}

static struct timespec to_timespec(nsec_t time)
{
    return (struct timespec){.tv_sec = time / NSEC_PER_SEC, .tv_nsec = time % NSEC_PER_SEC};
}

int clock_copyin(uaddr_t address, nsec_t *result)
{
    struct timespec time;
    int error = copyin(&time, address, sizeof(time));

    if (error != 0)
        return error;
    if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= NSEC_PER_SEC)
        return -EINVAL;
    if (time.tv_sec >= NSEC_NEVER / NSEC_PER_SEC)
        *result = NSEC_NEVER;
    else
        *result = time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
    return 0;
}

int64_t sys_clock_gettime(const uint64_t arg[])
{
    nsec_t now;
    int error = read_clock(arg[0], &now);

    if (error != 0)
        return error;
    struct timespec time = to_timespec(now);
    return copyout(arg[1], &time, sizeof(time));
}

int64_t sys_clock_getres(const uint64_t arg[])
{
    struct timespec resolution = {.tv_nsec = 1};
    nsec_t now;
    int error = read_clock(arg[0], &now);

    if (error != 0 || arg[1] == 0)
        return error;
    return copyout(arg[1], &resolution, sizeof(resolution));
}

int64_t sys_gettimeofday(const uint64_t arg[])
{
    nsec_t now = clock_realtime();
    int64_t time[2] = {now / NSEC_PER_SEC, now % NSEC_PER_SEC / NSEC_PER_USEC};

    return arg[0] != 0 ? copyout(arg[0], time, sizeof(time)) : 0;
}

int64_t sys_time(const uint64_t arg[])
{
    int64_t now = clock_realtime() / NSEC_PER_SEC;
    int error = arg[0] != 0 ? copyout(arg[0], &now, sizeof(now)) : 0;

    return error != 0 ? error : now;
}

int64_t sys_times(const uint64_t arg[])
{
    nsec_t tick = NSEC_PER_SEC / TICKS_PER_SEC, children, own = own_cpu_time(&children);
    int64_t times[4] = {own / tick, 0, children / tick, 0};
    int error = arg[0] != 0 ? copyout(arg[0], times, sizeof(times)) : 0;

    return error != 0 ? error : clock_monotonic() / tick;
}

/*
 * Sleep until `deadline`; when a signal came first, tell at `remaining` how long was left. If the
 * call is made again, because no handler ran, it goes on until the same deadline.
 */
static int64_t sleep_until(nsec_t deadline, uaddr_t remaining)
{
    int error;

    deadline = syscall_deadline(deadline);
    error = clock_sleep_until(deadline);
    if (error == 0)
        return 0;
    if (remaining != 0) {
        struct timespec left = to_timespec(max(deadline - clock_monotonic(), (nsec_t)0));

        error = copyout(remaining, &left, sizeof(left));
        if (error != 0)
            return error;
    }
    return syscall_restart_until(deadline);
}

int64_t sys_nanosleep(const uint64_t arg[])
{
    nsec_t span;
    int error = clock_copyin(arg[0], &span);

    if (error != 0)
        return error;
    return sleep_until(clock_add(clock_monotonic(), span), arg[1]);
}

int64_t sys_clock_nanosleep(const uint64_t arg[])
{
    bool is_absolute = (arg[1] & TIMER_ABSTIME) != 0;
    nsec_t now, target;
    int error = read_clock(arg[0], &now);

    if (error == 0)
        error = clock_copyin(arg[2], &target);
    if (error != 0)
        return error;
    if (is_absolute)
        target = target > now ? target - now : 0;
    return sleep_until(clock_add(clock_monotonic(), target), is_absolute ? 0 : arg[3]);
}
