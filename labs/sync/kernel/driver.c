/*
 * Lab sync: the kernel threads that use the locks as the host tells them to.
 *
 * The word sync=PROGRAM,PROGRAM,... on the command line starts a kernel thread, a *worker*, for
 * each program, before the root file system is mounted; when all have ended, or nothing has come of
 * it for a second of virtual time, the machine powers off. Each letter of a program is a step;
 * times=N repeats the programs:
 *
 *      l L t   take and release the ticket lock; try it, and release it if that worked
 *      o       take and release it while another spinlock is held
 *      m M y   the same with the mutex
 *      d D e   take and give a unit of the semaphore, of which there are units=N
 *      U       give a unit that was not taken
 *      r R     come in and leave as a reader of the reader-writer lock
 *      w W     as a writer
 *      c g     count: read and write the counter; get: read it
 *      k s b   wait on a condition variable once; signal it; broadcast
 *      p q     put a value into a buffer for two, take one out: two condition variables
 *      h       go through a few scheduling points
 *      z Z     sleep for 20 microseconds, for 2 milliseconds of virtual time
 *
 * For each step the history (history.h) has who asks (ask), who has got it (enter), and who is
 * about to give it back (leave). So between `enter` and `leave` a worker is really in, and maybe
 * a little longer. All that is checked is checked by the host.
 *
 * With the linker's --wrap this comes before fs_mount_root().
 */
#include "kern/clock.h"
#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/mutex.h"
#include "kern/print.h"
#include "kern/rwlock.h"
#include "kern/schedule_point.h"
#include "kern/schedule_strategy.h"
#include "kern/semaphore.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "kern/ticket_lock.h"
#include "labs/sync/kernel/history.h"

#define BUFFER_SIZE  2
#define PROGRAM_MAX  64
#define TIME_FOR_ALL NSEC_PER_SEC

static struct ticket_lock ticket;
static struct mutex mutex;
static struct condvar event, not_empty, not_full;
static struct semaphore semaphore;
static struct rwlock rwlock;
static struct spinlock outer = SPINLOCK_INITIALIZER("outer", LOCK_DEVICE);

static uint64_t counter; /* what the locks protect */

/* mutex */
static struct {
    uint64_t values[BUFFER_SIZE];
    unsigned first, count;
} buffer;

static struct {
    char program[PROGRAM_MAX]; /* (i) */
    bool has_ended;            /* finished_lock */
} workers[WORKERS_MAX];

static unsigned worker_count;                  /* (i) */
static uint64_t times = 1, units = 1, key = 1; /* (i) */

static struct spinlock finished_lock = SPINLOCK_INITIALIZER("end of the workers", LOCK_FUTEX);
static struct wait_queue finished = WAIT_QUEUE_INITIALIZER(finished);
static unsigned finished_count; /* finished_lock */

/* --- Steps ---------------------------------------------------------------------------------- */

static uint32_t points_of_its_own(void)
{
    const struct thread *self = thread_self();

    return self->schedule_points[0] + self->schedule_points[1];
}

/* The current thread waits in `lock`, a function of the lab. The value is what it cost: how many
 * scheduling points the thread passed. */
#define WAIT(subject, lock)                                                                        \
    do {                                                                                           \
        uint32_t points = points_of_its_own();                                                     \
                                                                                                   \
        history_add(subject, "ask");                                                               \
        lock;                                                                                      \
        history_add_value(subject, "enter", points_of_its_own() - points);                         \
    } while (0)

#define LEAVE(subject, unlock)                                                                     \
    do {                                                                                           \
        history_add(subject, "leave");                                                             \
        unlock;                                                                                    \
    } while (0)

static void go_through_points(void)
{
    for (int i = 0; i < 4; i++)
        schedule_point(SCHEDULE_ATOMIC, &counter, "counter");
}

static void nap(nsec_t duration)
{
    (void)!clock_sleep_until(machine_clock() + duration);
}

/* Whether interrupts are enabled is of interest as long as the lock is held, and after that. */
static void take_ticket(void)
{
    history_add("ticket", "ask");
    instrument_expect_draw();
    ticket_lock(&ticket);
    history_add_value("ticket", "enter", interrupts_are_enabled());
}

static void leave_ticket(void)
{
    history_add("ticket", "leave");
    ticket_unlock(&ticket);
    history_add_value("ticket", "left", interrupts_are_enabled());
}

static void try_ticket(void)
{
    if (!ticket_trylock(&ticket)) {
        history_add_value("ticket", "failed", interrupts_are_enabled());
        return;
    }
    history_add_value("ticket", "enter", interrupts_are_enabled());
    go_through_points();
    leave_ticket();
}

static void take_ticket_inside(void)
{
    spin_lock(&outer);
    take_ticket();
    leave_ticket();
    history_add_value("ticket", "nested", interrupts_are_enabled());
    if (interrupts_are_enabled())
        (void)interrupts_disable(); /* what comes now relies on it */
    spin_unlock(&outer);
}

static void try_mutex(void)
{
    history_add("mutex", "try");
    if (!mutex_trylock(&mutex)) {
        history_add("mutex", "failed");
        return;
    }
    history_add_value("mutex", "enter", 0);
    go_through_points();
    LEAVE("mutex", mutex_unlock(&mutex));
}

static void try_semaphore(void)
{
    history_add("semaphore", "try");
    if (!semaphore_try(&semaphore)) {
        history_add("semaphore", "failed");
        return;
    }
    history_add_value("semaphore", "enter", 0);
    go_through_points();
    LEAVE("semaphore", semaphore_give(&semaphore));
}

static void note_race(int other)
{
    if (other >= 0)
        history_add_value("counter", "race", (uint64_t)other);
}

static uint64_t look_at_counter(bool is_write)
{
    bool were_on = history_begin();
    int other = race_access(history_worker(), is_write);
    uint64_t value = counter;

    history_end(were_on);
    note_race(other);
    return value;
}

static void count(void)
{
    uint64_t value = look_at_counter(false);

    go_through_points();
    (void)look_at_counter(true);
    counter = value + 1;
    history_add_value("counter", "count", value);
}

static void get(void)
{
    history_add_value("counter", "get", look_at_counter(false));
}

static void wait_for_event(void)
{
    mutex_lock(&mutex);
    history_add("condvar", "ask");
    condvar_wait(&event, &mutex);
    history_add_value("condvar", "enter", mutex_is_held(&mutex));
    if (mutex_is_held(&mutex))
        mutex_unlock(&mutex);
}

static void cause_event(bool is_for_all)
{
    mutex_lock(&mutex);
    history_add("condvar", is_for_all ? "broadcast" : "signal");
    if (is_for_all)
        condvar_broadcast(&event);
    else
        condvar_signal(&event);
    mutex_unlock(&mutex);
}

static void put(void)
{
    uint64_t value;

    mutex_lock(&mutex);
    history_add("buffer", "ask");
    while (buffer.count == BUFFER_SIZE)
        condvar_wait(&not_full, &mutex);
    value = schedule_generate(&key) >> 40;
    history_add_value("buffer", "put", value);
    buffer.values[(buffer.first + buffer.count++) % BUFFER_SIZE] = value;
    condvar_signal(&not_empty);
    mutex_unlock(&mutex);
}

static void take(void)
{
    mutex_lock(&mutex);
    history_add("buffer", "ask");
    while (buffer.count == 0)
        condvar_wait(&not_empty, &mutex);
    history_add_value("buffer", "take", buffer.values[buffer.first]);
    buffer.first = (buffer.first + 1) % BUFFER_SIZE;
    buffer.count--;
    condvar_signal(&not_full);
    mutex_unlock(&mutex);
}

/* --- Programs ------------------------------------------------------------------------------- */

static bool step_of_locks(char letter)
{
    switch (letter) {
    case 'l':
        take_ticket();
        return true;
    case 'L':
        leave_ticket();
        return true;
    case 't':
        try_ticket();
        return true;
    case 'o':
        take_ticket_inside();
        return true;
    case 'm':
        WAIT("mutex", mutex_lock(&mutex));
        return true;
    case 'M':
        LEAVE("mutex", mutex_unlock(&mutex));
        return true;
    case 'y':
        try_mutex();
        return true;
    case 'r':
        WAIT("reader", rwlock_read_lock(&rwlock));
        return true;
    case 'R':
        LEAVE("reader", rwlock_read_unlock(&rwlock));
        return true;
    case 'w':
        WAIT("writer", rwlock_write_lock(&rwlock));
        return true;
    case 'W':
        LEAVE("writer", rwlock_write_unlock(&rwlock));
        return true;
    case 'd':
        WAIT("semaphore", semaphore_take(&semaphore));
        return true;
    case 'D':
        LEAVE("semaphore", semaphore_give(&semaphore));
        return true;
    case 'e':
        try_semaphore();
        return true;
    default:
        return false;
    }
}

static void step(char letter)
{
    if (step_of_locks(letter))
        return;
    switch (letter) {
    case 'U':
        history_add("semaphore", "give");
        semaphore_give(&semaphore);
        break;
    case 'c':
        count();
        break;
    case 'g':
        get();
        break;
    case 'k':
        wait_for_event();
        break;
    case 's':
        cause_event(false);
        break;
    case 'b':
        cause_event(true);
        break;
    case 'p':
        put();
        break;
    case 'q':
        take();
        break;
    case 'h':
        go_through_points();
        break;
    case 'z':
        nap(20 * NSEC_PER_USEC);
        break;
    case 'Z':
        nap(2000 * NSEC_PER_USEC);
        break;
    default:
        panic("sync=: '%c' is no step", letter);
    }
}

static void work(void *number)
{
    unsigned self = (unsigned)(uintptr_t)number;

    for (uint64_t i = 0; i < times; i++) {
        for (const char *letter = workers[self].program; *letter != '\0'; letter++)
            step(*letter);
    }
    history_add("thread", "end");
    spin_lock(&finished_lock);
    workers[self].has_ended = true;
    finished_count++;
    wait_wake_all(&finished);
    spin_unlock(&finished_lock);
}

static void parse_programs(const char *words)
{
    size_t length = 0;

    for (;; words++) {
        if (*words != ',' && *words != ' ' && *words != '\0') {
            if (length == PROGRAM_MAX - 1)
                panic("sync=: a program has at most %d steps", PROGRAM_MAX - 1);
            workers[worker_count].program[length++] = *words;
            continue;
        }
        worker_count++;
        length = 0;
        if (*words != ',')
            return;
        if (worker_count == WORKERS_MAX)
            panic("sync=: there are at most %d programs", WORKERS_MAX);
    }
}

static void start_workers(void)
{
    struct thread *threads[WORKERS_MAX];
    char name[16];

    for (unsigned i = 0; i < worker_count; i++) {
        format(name, sizeof(name), "worker %u", i);
        threads[i] = thread_create(name, NULL, work, (void *)(uintptr_t)i);
        if (threads[i] == NULL)
            panic("no memory for %s", name);
    }
    history_start(threads, worker_count);
    for (unsigned i = 0; i < worker_count; i++)
        sched_make_runnable(threads[i]);
}

static void wait_for_workers(void)
{
    nsec_t deadline = machine_clock() + TIME_FOR_ALL;

    spin_lock(&finished_lock);
    while (finished_count < worker_count &&
           wait_sleep_until(&finished, &finished_lock, deadline, false) == 0)
        continue;
    history_stop();
    for (unsigned i = 0; i < worker_count; i++) {
        if (!workers[i].has_ended)
            history_add_of((int)i, "thread", "stuck");
    }
    spin_unlock(&finished_lock);
}

/* As kernel_power_off(), without a file system. */
static void power_off(void)
{
    static const char line[] = "exit 0\n";

    schedule_report();
    machine_results_write(line, sizeof(line) - 1);
    interrupts_disable();
    trace_end(cpu_self());
    machine_power_off(0);
}

static void run_programs(const char *words)
{
    parse_programs(words);
    cmdline_get_number("times", &times);
    cmdline_get_number("units", &units);
    cmdline_get_number("key", &key);
    ticket_init(&ticket);
    mutex_init(&mutex, "mutex", LOCK_FILE);
    condvar_init(&event);
    condvar_init(&not_empty);
    condvar_init(&not_full);
    semaphore_init(&semaphore, "semaphore", (unsigned)units);
    rwlock_init(&rwlock, "reader-writer lock");
    start_workers();
    wait_for_workers();
    power_off();
}

int __real_fs_mount_root(const char *disk, bool read_only);
int __wrap_fs_mount_root(const char *disk, bool read_only);
int __wrap_fs_mount_root(const char *disk, bool read_only)
{
    const char *words = cmdline_find("sync");

    if (words != NULL)
        run_programs(words);
    return __real_fs_mount_root(disk, read_only);
}
