/*
 * futex(2): waiting, waking, moving; time limits; signals; memory that processes share; and the
 * locks of a thread that ends (set_robust_list(2)).
 */
#include "threads.h"

#define WAITERS 4

static volatile uint32_t word, other, third;

/* --- Answers without sleeping ------------------------------------------------------------------
 */

static void errors(void)
{
    static const struct timespec bad = {.tv_nsec = 1000000000}, negative = {.tv_sec = -1};
    static volatile uint32_t words[2];

    say("wait for another value: %s", raw_name(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0)));
    say("private: %s", raw_name(futex(&word, FUTEX_WAIT | 128, 1, NULL, NULL, 0)));
    volatile uint32_t *unaligned = (volatile uint32_t *)((uintptr_t)words + 2);
    say("not aligned: %s %s %s", raw_name(futex(unaligned, FUTEX_WAIT, 0, NULL, NULL, 0)),
        raw_name(futex(unaligned, FUTEX_WAKE, 1, NULL, NULL, 0)),
        raw_name(futex(unaligned, FUTEX_WAKE | 128, 1, NULL, NULL, 0)));
    volatile uint32_t *nowhere = (volatile uint32_t *)0x10000;
    say("wait nowhere: %s %s", raw_name(futex(nowhere, FUTEX_WAIT, 0, NULL, NULL, 0)),
        raw_name(futex(nowhere, FUTEX_WAIT | 128, 0, NULL, NULL, 0)));
    say("wake nowhere: %s %s", raw_name(futex(nowhere, FUTEX_WAKE, 1, NULL, NULL, 0)),
        raw_name(futex(nowhere, FUTEX_WAKE | 128, 1, NULL, NULL, 0)));
    nowhere = (volatile uint32_t *)0xffff800000000000;
    say("no user's address: %s %s", raw_name(futex(nowhere, FUTEX_WAKE, 1, NULL, NULL, 0)),
        raw_name(futex(nowhere, FUTEX_WAKE | 128, 1, NULL, NULL, 0)));
    say("no bits: %s %s", raw_name(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0)),
        raw_name(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0)));
    say("bad times: %s %s %s", raw_name(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0)),
        raw_name(futex(&word, FUTEX_WAIT, 0, &negative, NULL, 0)),
        raw_name(futex(&word, FUTEX_WAIT, 0, (void *)8, NULL, 0)));
    say("an unknown operation: %s", raw_name(futex(&word, 99, 0, NULL, NULL, 0)));
    say("a clock for waking: %s", raw_name(futex(&word, FUTEX_WAKE | 256, 1, NULL, NULL, 0)));
    say("wake nobody: %ld", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
    say("negative counts: %s %s",
        raw_name(futex(&word, FUTEX_REQUEUE, UINT32_MAX, NULL, &other, 0)),
        raw_name(futex(&word, FUTEX_REQUEUE, 1, (void *)-1L, &other, 0)));
    say("move nobody: %ld", futex(&word, FUTEX_REQUEUE, 1, (void *)1, &other, 0));
    say("move if it was another: %s",
        raw_name(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 7)));
}

static void times(void)
{
    static const struct timespec moment = {.tv_nsec = 1000000}, past = {.tv_sec = 1};
    struct timespec soon;

    say("wait for a moment: %s", raw_name(futex(&word, FUTEX_WAIT, 0, &moment, NULL, 0)));
    say("private: %s", raw_name(futex(&word, FUTEX_WAIT | 128, 0, &moment, NULL, 0)));
    say("until a time that is over: %s %s",
        raw_name(futex(&word, FUTEX_WAIT_BITSET, 0, &past, NULL, 1)),
        raw_name(futex(&word, FUTEX_WAIT_BITSET | 256, 0, &past, NULL, 1)));
    for (int clock = 0; clock < 2; clock++) {
        struct timespec now;
        int operation = FUTEX_WAIT_BITSET | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);

        clock_gettime(clock, &soon);
        soon.tv_nsec += 5000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        long result = futex(&word, operation, 0, &soon, NULL, 1);
        clock_gettime(clock, &now);
        say("until a time of clock %d: %s, is it over: %d", clock, raw_name(result),
            now.tv_sec > soon.tv_sec || (now.tv_sec == soon.tv_sec && now.tv_nsec >= soon.tv_nsec));
    }
}

/* --- Several waiters ---------------------------------------------------------------------------
 */

static int wait_for_bits(void *argument)
{
    return (int)futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, (uint32_t)(long)argument);
}

/* Start WAITERS threads that wait on `word`; all are there on return. */
static void gather(struct thread threads[WAITERS])
{
    for (long i = 0; i < WAITERS; i++)
        thread_start(&threads[i], wait_for_bits, (void *)(1L << i));
    while (futex(&word, FUTEX_CMP_REQUEUE, 0, (void *)INT32_MAX, &word, 0) < WAITERS)
        sched_yield(); /* moving them to where they are only counts them */
}

static void join_all(struct thread threads[WAITERS])
{
    int results = 0;

    for (int i = 0; i < WAITERS; i++)
        results |= thread_join(&threads[i]);
    say("all have woken, with %d", results);
}

static void many(void)
{
    struct thread threads[WAITERS];

    gather(threads);
    say("a private wake is for others: %ld", futex(&word, FUTEX_WAKE | 128, 9, NULL, NULL, 0));
    say("wake 1: %ld", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
    say("wake 2: %ld", futex(&word, FUTEX_WAKE, 2, NULL, NULL, 0));
    say("wake 2: %ld", futex(&word, FUTEX_WAKE, 2, NULL, NULL, 0));
    join_all(threads);

    gather(threads);
    say("wake those for 2 and 4: %ld", futex(&word, FUTEX_WAKE_BITSET, 9, NULL, NULL, 6));
    say("again: %ld", futex(&word, FUTEX_WAKE_BITSET, 9, NULL, NULL, 6));
    say("one of the others: %ld", futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 15));
    say("the last: %ld", futex(&word, FUTEX_WAKE_BITSET, 9, NULL, NULL, 15));
    join_all(threads);

    gather(threads);
    long moved = futex(&word, FUTEX_REQUEUE, 1, (void *)2, &other, 0);
    long left = futex(&word, FUTEX_WAKE, 9, NULL, NULL, 0);
    say("wake 1, move 2: %ld; %ld is left", moved, left);
    moved = futex(&other, FUTEX_CMP_REQUEUE, 0, (void *)1, &third, 0);
    left = futex(&other, FUTEX_WAKE, 9, NULL, NULL, 0);
    say("move 1: %ld; %ld is left, %ld has moved", moved, left,
        futex(&third, FUTEX_WAKE, 9, NULL, NULL, 0));
    join_all(threads);
}

/* --- Taking turns ------------------------------------------------------------------------------
 */

#define TURNS 2000

static int take_turns(void *argument)
{
    uint32_t mine = (uint32_t)(long)argument;

    for (uint32_t turn = mine; turn < TURNS; turn += 2) {
        uint32_t now;

        while ((now = __atomic_load_n(&word, __ATOMIC_SEQ_CST)) != turn)
            wait_while(&word, now);
        announce(&word, turn + 1);
    }
    return 0;
}

static void turns(void)
{
    struct thread threads[2];

    word = 0;
    for (long i = 0; i < 2; i++)
        thread_start(&threads[i], take_turns, (void *)i);
    for (int i = 0; i < 2; i++)
        thread_join(&threads[i]);
    say("turns taken: %u", word);
    word = 0;
}

/* --- Signals -----------------------------------------------------------------------------------
 */

static volatile uint32_t handled, has_result;

static void handle(int signal)
{
    (void)signal;
    __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static int wait_with_limit(void *argument)
{
    int result = (int)futex(&word, FUTEX_WAIT, 0, argument, NULL, 0);

    has_result = 1;
    return result;
}

static void interruptions(void)
{
    static const struct timespec long_time = {.tv_sec = 1000}, pause = {.tv_nsec = 100 * 1000};
    static const char *const names[] = {"plain", "with a limit"};

    for (int i = 0; i < 4; i++) {
        struct sigaction action = {.sa_handler = handle, .sa_flags = i < 2 ? 0 : SA_RESTART};
        struct thread thread;

        sigaction(SIGUSR1, &action, NULL);
        handled = has_result = 0;
        thread_start(&thread, wait_with_limit, i % 2 == 0 ? NULL : (void *)&long_time);
        while (!has_result && (i != 2 || handled < 5)) {
            raw(SYS_tgkill, getpid(), thread.tid, SIGUSR1);
            nanosleep(&pause, NULL); /* or it would do nothing but handle signals */
        }
        while (i == 2 && !has_result)
            futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0);
        say("%s, interrupted%s: %s", names[i % 2], i < 2 ? "" : ", SA_RESTART",
            raw_name(thread_join(&thread)));
    }
}

/* --- Shared memory -----------------------------------------------------------------------------
 */

static void processes(void)
{
    volatile uint32_t *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long woken = 0;

    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0)
        _exit(futex(&shared[5], FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 3 : 1);
    while (woken == 0) {
        woken = futex(&shared[5], FUTEX_WAKE, 1, NULL, NULL, 0);
        if (futex(&shared[4], FUTEX_WAKE, 1, NULL, NULL, 0) != 0)
            say("the neighbour has woken it");
    }
    show_status("a child, woken by its parent", wait_for(pid));

    /* What is private is another word in the child, though at the same address. */
    word = 0;
    pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        static const struct timespec limit = {.tv_nsec = 50000000};

        shared[0] = 1;
        futex(&shared[0], FUTEX_WAKE, 1, NULL, NULL, 0);
        _exit(futex(&word, FUTEX_WAIT, 0, &limit, NULL, 0) == -ETIMEDOUT ? 4 : 1);
    }
    while (shared[0] == 0)
        futex(&shared[0], FUTEX_WAIT, 0, NULL, NULL, 0);
    woken = 0;
    for (int i = 0; i < 1000; i++)
        woken += futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0);
    show_status("a child that waits in its own memory", wait_for(pid));
    say("woken there: %ld", woken);
    munmap((void *)shared, 4096);
}

/* --- Robust lists ------------------------------------------------------------------------------
 */

struct robust_lock {
    uint64_t next;
    volatile uint32_t word;
};

#define WORD_OFFSET ((int64_t)offsetof(struct robust_lock, word))

/* A list of two locks and a third that was about to be taken. */
struct robust_list {
    struct robust_list_head head;
    struct robust_lock locks[3];
};

static void hold_locks(struct robust_list *list)
{
    uint32_t tid = (uint32_t)raw(SYS_gettid);

    list->head.next = (uint64_t)&list->locks[0];
    list->head.offset = WORD_OFFSET;
    list->head.pending = (uint64_t)&list->locks[2];
    list->locks[0].next = (uint64_t)&list->locks[1];
    list->locks[1].next = (uint64_t)&list->head;
    list->locks[0].word = tid;
    list->locks[1].word = tid | FUTEX_WAITERS;
    list->locks[2].word = tid | FUTEX_WAITERS;
    raw(SYS_set_robust_list, &list->head, sizeof(list->head));
}

static int end_with_locks(void *argument)
{
    struct robust_list *list = argument;
    uint64_t found = 0, size = 0;

    hold_locks(list);
    long result = raw(SYS_get_robust_list, 0, &found, &size);
    return result == 0 && found == (uint64_t)&list->head && size == sizeof(list->head);
}

static int wait_for_lock(void *argument)
{
    volatile uint32_t *lock_word = argument;
    uint32_t value;

    while (((value = *lock_word) & FUTEX_OWNER_DIED) == 0)
        futex(lock_word, FUTEX_WAIT, value, NULL, NULL, 0);
    return 1;
}

static void show_locks(const char *what, const struct robust_list *list)
{
    say("%s: %08x %08x %08x", what, list->locks[0].word, list->locks[1].word, list->locks[2].word);
}

static int end_with_bad_list(void *argument)
{
    raw(SYS_set_robust_list, argument, sizeof(struct robust_list_head));
    return 0;
}

static void robust_lists(void)
{
    static struct robust_list list, endless;
    struct robust_list *common =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct thread thread, waiters[2];

    say("a list of another size: %s", raw_name(raw(SYS_set_robust_list, &list, 23)));
    say("of no thread: %s", raw_name(raw(SYS_get_robust_list, 1 << 29, &list, &list)));
    list.locks[1].word = list.locks[2].word = 1; /* somebody's */
    thread_start(&waiters[0], wait_for_lock, (void *)&list.locks[1].word);
    thread_start(&waiters[1], wait_for_lock, (void *)&list.locks[2].word);
    thread_start(&thread, end_with_locks, &list);
    say("get_robust_list: %d", thread_join(&thread));
    show_locks("its locks", &list);
    say("who waits is woken: %d %d", thread_join(&waiters[0]), thread_join(&waiters[1]));

    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        hold_locks(common);
        for (;;)
            pause();
    }
    while (common->locks[2].word == 0)
        sched_yield();
    kill(pid, SIGKILL);
    wait_for_lock((void *)&common->locks[1].word);
    show_status("a process that holds locks", wait_for(pid));
    show_locks("its locks", common);

    endless.head.next = endless.locks[0].next = (uint64_t)&endless.locks[0];
    endless.head.offset = WORD_OFFSET;
    void *const bad[] = {&endless, (void *)8, (void *)-8L, (void *)((char *)&list + 1)};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        thread_start(&thread, end_with_bad_list, bad[i]);
        thread_join(&thread);
    }
    say("bad lists do no harm");
}

int main(void)
{
    errors();
    times();
    many();
    turns();
    interruptions();
    processes();
    robust_lists();
    return 0;
}
