/*
 * poll(2): wait until something can be done with one of several files.
 *
 * There is one wait queue for all who poll. A poller looks at each of its files; when none is
 * ready it sleeps there, and looks again whenever anything that could interest a poller
 * happened anywhere. That is simple and never wrong, and polling is rare here; a system with
 * thousands of pollers would register each with the files that it waits for.
 *
 * Why no wake-up is lost. A file changes under its own spinlock and calls poll_notify() before it
 * releases that. A poller first counts itself in, then looks at the file under the same
 * spinlock. If it looked before the change, the changer sees the count and wakes it: `changes`
 * moves, and the poller compares that with what it read before it looked. If it looked after
 * the change, it saw it.
 *
 * Locks: poll_lock is taken inside the files' own.
 */
#include "kern/poll.h"

#include "kern/abi/errno.h"
#include "kern/clock.h"
#include "kern/file.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"
#include "kern/wait.h"
#include "vm/heap.h"

static struct spinlock poll_lock = SPINLOCK_INITIALIZER("poll", LOCK_DEVICE);
static struct wait_queue poll_sleepers = WAIT_QUEUE_INITIALIZER(poll_sleepers);
static unsigned poll_count;   /* (a) how many threads are in poll(2) */
static uint64_t poll_changes; /* poll_lock */

void poll_notify(void)
{
    if (__atomic_load_n(&poll_count, __ATOMIC_ACQUIRE) == 0)
        return;
    spin_lock(&poll_lock);
    poll_changes++;
    wait_wake_all(&poll_sleepers);
    spin_unlock(&poll_lock);
}

/* What holds for one entry now. */
static unsigned poll_entry(const struct pollfd *entry)
{
    unsigned wanted = (unsigned)(uint16_t)entry->events | POLLERR | POLLHUP;
    struct file *file;
    unsigned events;

    if (entry->fd < 0)
        return 0;
    file = file_get(entry->fd);
    if (file == NULL)
        return POLLNVAL;
    if (file->ops->poll != NULL)
        events = file->ops->poll(file, wanted);
    else
        events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    file_release(file);
    return events & wanted;
}

/* Fill in what holds for each; returns for how many something does. */
static int poll_scan(struct pollfd *entries, size_t count)
{
    int ready = 0;

    for (size_t i = 0; i < count; i++) {
        entries[i].revents = (int16_t)poll_entry(&entries[i]);
        if (entries[i].revents != 0)
            ready++;
    }
    return ready;
}

/* Sleep until something changed since `seen`: 0, -ETIMEDOUT or -EINTR. */
static int poll_sleep(uint64_t seen, nsec_t deadline)
{
    int error = 0;

    spin_lock(&poll_lock);
    while (error == 0 && poll_changes == seen)
        error = wait_sleep_until(&poll_sleepers, &poll_lock, deadline, true);
    spin_unlock(&poll_lock);
    return error;
}

/* The count of ready entries, 0 when the deadline came first, or -EINTR. */
static int poll_wait(struct pollfd *entries, size_t count, nsec_t deadline)
{
    int ready, error = 0;
    uint64_t seen;

    __atomic_fetch_add(&poll_count, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        spin_lock(&poll_lock);
        seen = poll_changes;
        spin_unlock(&poll_lock);
        ready = poll_scan(entries, count);
        if (ready > 0 || error != 0)
            break;
        error = deadline == 0 ? -ETIMEDOUT : poll_sleep(seen, deadline);
        if (error == -EINTR || deadline == 0)
            break;
    }
    __atomic_fetch_sub(&poll_count, 1, __ATOMIC_SEQ_CST);
    return ready > 0 || error != -EINTR ? ready : -EINTR;
}

/* When a wait of `timeout` milliseconds is over: 0 is no wait, negative for ever. */
static nsec_t poll_deadline(int timeout)
{
    if (timeout < 0)
        return NSEC_NEVER;
    return timeout == 0 ? 0 : clock_monotonic() + timeout * NSEC_PER_MSEC;
}

#define POLL_SMALL 16

int64_t sys_poll(const uint64_t arg[])
{
    uaddr_t address = arg[0];
    size_t count = (uint32_t)arg[1];
    struct pollfd small[POLL_SMALL], *large = NULL, *entries = small;
    nsec_t deadline;
    int64_t result;
    int error;

    if (count > FILE_DESCRIPTORS_MAX)
        return -EINVAL;
    if (count > POLL_SMALL) {
        entries = large = kmalloc(count * sizeof(*large));
        if (large == NULL)
            return -ENOMEM;
    }
    result = copyin(entries, address, count * sizeof(*entries));
    deadline = syscall_deadline(poll_deadline((int)arg[2]));
    if (result == 0)
        result = poll_wait(entries, count, deadline);
    if (result == -EINTR)
        result = syscall_restart_until(deadline);
    if (result >= 0) {
        error = copyout(address, entries, count * sizeof(*entries));
        if (error != 0)
            result = error;
    }
    kfree(large);
    return result;
}
