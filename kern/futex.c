/*
 * Futexes: waiting for a word of user memory to change (futex(2)).
 *
 * Locks and condition variables of programs are words that they change by atomic instructions;
 * the kernel is called only to sleep until somebody says that the word has changed, and to say
 * so. It keeps nothing between the calls: a futex exists while somebody sleeps on it, as a
 * waiter in the list that the hash of its key selects.
 *
 *      FUTEX_WAIT: if the word is still `expected`, sleep       FUTEX_WAKE: wake the first n
 *
 * The key says what "the same word" is. In memory that only one map shows it is the map and the
 * address; in shared memory the page, which the key holds a reference to, and the offset.
 * FUTEX_PRIVATE_FLAG promises the former and spares the look at the map. As on Linux, a wait
 * with the flag and a wake without do not meet.
 *
 * Why no wake-up is lost: a waiter compares the word and enters the list in one step under
 * futex_lock, so that a waker, who changed the word before it takes the lock, finds either the
 * waiter or a waiter that finds the change. map->lock keeps the word in its place meanwhile.
 *
 * Robust lists: the kernel remembers where a thread keeps the list of the locks that it holds, and
 * when the thread ends it marks each as FUTEX_OWNER_DIED and wakes one that waits for it.
 *
 * Locks: futex_lock, one for all futexes, is taken under map->lock, which is released inside it.
 */
#include "kern/futex.h"

#include "kern/abi/errno.h"
#include "kern/abi/futex.h"
#include "kern/abi/mman.h"
#include "kern/clock.h"
#include "kern/process.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "kern/uaccess.h"
#include "kern/wait.h"
#include "vm/map.h"
#include "vm/page.h"

#define LISTS 64

struct futex_key {
    struct page *page; /* of shared memory, referenced; else NULL */
    struct map *map;   /* of private memory; else NULL */
    uint64_t offset;   /* in the page; else the address, plus 1 without FUTEX_PRIVATE_FLAG */
};

/* All but (i) protected by futex_lock. */
struct futex_waiter {
    struct list_node link;
    struct futex_key key;
    uint32_t bits; /* (i) what kinds of wake-ups it waits for */
    bool is_woken;
    struct wait_queue queue; /* where its thread sleeps, alone */
};

static struct spinlock futex_lock = SPINLOCK_INITIALIZER("futex", LOCK_FUTEX);
static struct list waiters[LISTS]; /* by key; the longest sleeper first */

void futex_init(void)
{
    for (size_t i = 0; i < LISTS; i++)
        list_init(&waiters[i]);
}

/* --- Keys ----------------------------------------------------------------------------------- */

static struct list *list_of(const struct futex_key *key)
{
    uint64_t number = (uint64_t)key->page ^ (uint64_t)key->map ^ key->offset;

    return &waiters[(number ^ number >> 6 ^ number >> 12) % LISTS];
}

static bool is_same(const struct futex_key *a, const struct futex_key *b)
{
    return a->page == b->page && a->map == b->map && a->offset == b->offset;
}

static void release_key(const struct futex_key *key)
{
    if (key->page != NULL)
        page_release(key->page);
}

/*
 * The word at `address` of the current program, with the map locked (map_unlock_word()), and its
 * key, with a reference; NULL with *error when it cannot be accessed.
 */
static const uint32_t *lock_word(uaddr_t address, bool is_private, struct futex_key *key,
                                 int *error)
{
    struct map *map = process_self()->map;
    struct page *page;
    const uint32_t *word = map_lock_word(map, address, PROT_READ, &page, error);

    if (word == NULL)
        return NULL;
    *key = (struct futex_key){.map = map, .offset = address + !is_private};
    if (page != NULL && !is_private) {
        *key = (struct futex_key){.page = page, .offset = address % PAGE_SIZE};
        page_reference(page);
    }
    return word;
}

/* The key alone: of private memory without a look at it. */
static int find_key(uaddr_t address, bool is_private, struct futex_key *key)
{
    struct map *map = process_self()->map;
    int error = 0;

    if (!is_private) {
        if (lock_word(address, false, key, &error) != NULL)
            map_unlock_word(map);
        return error;
    }
    *key = (struct futex_key){.map = map, .offset = address};
    return !is_aligned(address, sizeof(uint32_t)) ? -EINVAL : address >= USER_MAX ? -EFAULT : 0;
}

/* --- Waking: futex_lock is held ------------------------------------------------------------- */

/*
 * Of those who wait at `key` for one of `bits`, wake the first `count`, and let the next `moved`
 * wait at `target` instead. Returns for how many something was done.
 */
static int wake_and_move(const struct futex_key *key, uint32_t bits, int count,
                         const struct futex_key *target, int moved)
{
    struct list movers = LIST_INITIALIZER(movers);
    struct futex_waiter *mover;
    int done = 0;

    list_for_each_safe (list_of(key), waiter, struct futex_waiter, link) {
        if (!is_same(&waiter->key, key) || (waiter->bits & bits) == 0)
            continue;
        if (done - count >= moved)
            break;
        list_remove(&waiter->link);
        if (done++ < count) {
            waiter->is_woken = true;
            wait_wake_one(&waiter->queue);
        } else {
            list_push_back(&movers, &waiter->link);
        }
    }
    while ((mover = list_pop(&movers, struct futex_waiter, link)) != NULL) {
        release_key(&mover->key);
        mover->key = *target;
        if (target->page != NULL)
            page_reference(target->page);
        list_push_back(list_of(target), &mover->link);
    }
    return done;
}

/* --- The operations ------------------------------------------------------------------------- */

static int64_t futex_wait(uaddr_t address, bool is_private, uint32_t expected, uint32_t bits,
                          nsec_t deadline)
{
    struct futex_waiter waiter = {.bits = bits};
    const uint32_t *word;
    int error = 0;

    if (bits == 0)
        return -EINVAL;
    word = lock_word(address, is_private, &waiter.key, &error);
    if (word == NULL)
        return error;
    wait_queue_init(&waiter.queue);
    list_node_init(&waiter.link);
    spin_lock(&futex_lock);
    if (__atomic_load_n(word, __ATOMIC_RELAXED) == expected)
        list_push_back(list_of(&waiter.key), &waiter.link);
    else
        error = -EAGAIN;
    map_unlock_word(process_self()->map);
    while (error == 0 && !waiter.is_woken)
        error = wait_sleep_until(&waiter.queue, &futex_lock, deadline, true);
    list_remove(&waiter.link);
    spin_unlock(&futex_lock);
    release_key(&waiter.key);
    return waiter.is_woken ? 0 : error;
}

static int64_t futex_wake(uaddr_t address, bool is_private, int count, uint32_t bits)
{
    struct futex_key key;
    int64_t result;

    if (bits == 0)
        return -EINVAL;
    result = find_key(address, is_private, &key);
    if (result != 0)
        return result;
    spin_lock(&futex_lock);
    result = wake_and_move(&key, bits, max(count, 1), NULL, 0);
    spin_unlock(&futex_lock);
    release_key(&key);
    return result;
}

/* `expected`: do it only if the word still is that; NULL: in any case. */
static int64_t futex_requeue(uaddr_t from, uaddr_t to, bool is_private, int count, int moved,
                             const uint32_t *expected)
{
    struct futex_key key, target;
    const uint32_t *word;
    int64_t result;
    int error = 0;

    if (count < 0 || moved < 0)
        return -EINVAL;
    result = find_key(to, is_private, &target);
    if (result != 0)
        return result;
    word = lock_word(from, is_private, &key, &error);
    if (word == NULL) {
        release_key(&target);
        return error;
    }
    spin_lock(&futex_lock);
    if (expected != NULL && __atomic_load_n(word, __ATOMIC_RELAXED) != *expected)
        result = -EAGAIN;
    else
        result = wake_and_move(&key, FUTEX_BITSET_MATCH_ANY, count, &target, moved);
    map_unlock_word(process_self()->map);
    spin_unlock(&futex_lock);
    release_key(&key);
    release_key(&target);
    return result;
}

/* When a wait ends that a program bounded by the timespec at `address` (0: it did not). */
static int find_deadline(uaddr_t address, bool is_relative, bool is_realtime, nsec_t *deadline)
{
    nsec_t time = NSEC_NEVER;
    int error = address != 0 ? clock_copyin(address, &time) : 0;

    if (error == 0 && time != NSEC_NEVER && is_relative)
        time = clock_add(clock_monotonic(), time);
    if (error == 0 && time != NSEC_NEVER && is_realtime)
        time -= clock_realtime() - clock_monotonic();
    *deadline = syscall_deadline(time);
    return error;
}

static int64_t wait_call(const uint64_t arg[], bool is_relative, uint32_t bits)
{
    bool is_private = (arg[1] & FUTEX_PRIVATE_FLAG) != 0;
    nsec_t deadline;
    int64_t result =
        find_deadline(arg[3], is_relative, (arg[1] & FUTEX_CLOCK_REALTIME) != 0, &deadline);

    if (result == 0)
        result = futex_wait(arg[0], is_private, (uint32_t)arg[2], bits, deadline);
    if (result != -EINTR)
        return result;
    return deadline == NSEC_NEVER ? -ERESTARTSYS : syscall_restart_until(deadline);
}

int64_t sys_futex(const uint64_t arg[])
{
    bool is_private = (arg[1] & FUTEX_PRIVATE_FLAG) != 0;
    int operation = (int)arg[1] & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    uint32_t expected = (uint32_t)arg[5], bits = (uint32_t)arg[5];
    int count = (int)arg[2], moved = (int)arg[3];

    if ((arg[1] & FUTEX_CLOCK_REALTIME) && operation != FUTEX_WAIT_BITSET)
        return -ENOSYS;
    switch (operation) {
    case FUTEX_WAIT:
        return wait_call(arg, true, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAIT_BITSET:
        return wait_call(arg, false, bits);
    case FUTEX_WAKE:
        return futex_wake(arg[0], is_private, count, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
        return futex_wake(arg[0], is_private, count, bits);
    case FUTEX_REQUEUE:
        return futex_requeue(arg[0], arg[4], is_private, count, moved, NULL);
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(arg[0], arg[4], is_private, count, moved, &expected);
    default:
        return -ENOSYS;
    }
}

/* --- Robust lists --------------------------------------------------------------------------- */

int64_t sys_set_robust_list(const uint64_t arg[])
{
    if (arg[1] != sizeof(struct robust_list_head))
        return -EINVAL;
    thread_self()->robust_list = arg[0];
    return 0;
}

int64_t sys_get_robust_list(const uint64_t arg[])
{
    struct thread *thread;
    uint64_t size = sizeof(struct robust_list_head);
    uaddr_t list = 0;
    int error = 0;

    spin_lock(&process_tree_lock);
    thread = arg[0] == 0 ? thread_self() : thread_group_find((pid_t)arg[0]);
    if (thread == NULL)
        error = -ESRCH;
    else if (thread->process != process_self() && process_self()->euid != 0)
        error = -EPERM;
    else
        list = thread->robust_list;
    spin_unlock(&process_tree_lock);
    if (error == 0)
        error = copyout(arg[2], &size, sizeof(size));
    return error != 0 ? error : copyout(arg[1], &list, sizeof(list));
}

/*
 * The owner of the lock whose word is at `address` ends: if it holds it, mark it and wake one that
 * waits. `is_pending`: it may also have released it without having come to wake anybody.
 */
static int end_lock(uaddr_t address, bool is_pending)
{
    struct map *map = process_self()->map;
    struct page *page;
    int error = 0;
    uint32_t *word = map_lock_word(map, address, PROT_WRITE, &page, &error), value, marked;
    bool is_owner, must_wake;

    if (word == NULL)
        return error;
    value = __atomic_load_n(word, __ATOMIC_RELAXED);
    do {
        is_owner = (value & FUTEX_TID_MASK) == (uint32_t)thread_self()->tid;
        marked = is_owner ? (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED : value;
    } while (!__atomic_compare_exchange_n(word, &value, marked, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    must_wake = is_owner ? (value & FUTEX_WAITERS) != 0 : is_pending && value == 0;
    map_unlock_word(map);
    if (must_wake)
        (void)futex_wake(address, false, 1, FUTEX_BITSET_MATCH_ANY);
    return 0;
}

/* An entry's lowest bit says that the lock inherits priorities, which changes nothing here. */
static uaddr_t without_flag(uaddr_t entry)
{
    return entry & ~1UL;
}

/* Mark all locks that a list names. The program may have written anything there. */
static void end_robust_list(uaddr_t list)
{
    struct robust_list_head head;
    uaddr_t entry, next;
    int error = 0;

    if (list == 0 || copyin(&head, list, sizeof(head)) != 0)
        return;
    entry = without_flag(head.next);
    for (int i = 0; i < ROBUST_LIST_LIMIT && entry != list; i++, entry = without_flag(next)) {
        /* The next one first: whoever gets the lock may unlink the entry at once. */
        error = copyin(&next, entry, sizeof(next));
        if (entry != without_flag(head.pending) &&
            end_lock(entry + (uint64_t)head.offset, false) != 0)
            return;
        if (error != 0)
            return;
    }
    if (head.pending != 0)
        (void)end_lock(without_flag(head.pending) + (uint64_t)head.offset, true);
}

void futex_leave_program(void)
{
    struct thread *self = thread_self();
    struct process *process = self->process;
    bool is_shared = __atomic_load_n(&process->thread_count, __ATOMIC_RELAXED) > 1 ||
                     __atomic_load_n(&process->map->references, __ATOMIC_RELAXED) > 1;
    uint32_t zero = 0;

    end_robust_list(self->robust_list);
    /* As on Linux, only if there is somebody who may look. */
    if (is_shared && self->clear_child_tid != 0 &&
        copyout(self->clear_child_tid, &zero, sizeof(zero)) == 0)
        (void)futex_wake(self->clear_child_tid, false, 1, FUTEX_BITSET_MATCH_ANY);
    self->robust_list = 0;
    self->clear_child_tid = 0;
}
