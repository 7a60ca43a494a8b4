/*
 * See fake_files.h.
 */
#include "kern/test/fake_files.h"

#include "kern/abi/errno.h"
#include "kern/clock.h"
#include "kern/file.h"
#include "kern/fs/path.h"
#include "kern/fs/vnode.h"
#include "kern/machine.h"
#include "kern/mutex.h"
#include "kern/print.h"
#include "kern/schedule_point.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "kern/wait.h"
#include "vm/copyio.h"
#include "vm/heap.h"
#include "vm/map.h"
#include "vm/page.h"
#include <stdlib.h>

char fake_user[FAKE_USER_SIZE];
static struct map fake_map;
struct process fake_process = {
    .pid = 7, .state = PROCESS_ALIVE, .group = 7, .session = 7, .map = &fake_map};
struct spinlock process_tree_lock;
struct list process_list = LIST_INITIALIZER(process_list);
int (*fake_sleep)(void);
nsec_t fake_deadline, fake_clock = 1000 * NSEC_PER_SEC;
int fake_signal, fake_held_locks, fake_allocations, fake_console_resumes;
pid_t fake_signal_group;
int fake_failing = -1;
bool fake_console_is_stream;
static char console[65536];
static size_t console_length;

/* --- Processes and signals ------------------------------------------------------------------- */

struct process *process_self(void)
{
    return &fake_process;
}

struct thread *thread_self(void)
{
    static struct thread thread = {.process = &fake_process};

    return &thread;
}

struct process *process_find(pid_t pid)
{
    return pid == fake_process.pid ? &fake_process : NULL;
}

nsec_t syscall_deadline(nsec_t deadline)
{
    return deadline;
}

int64_t syscall_restart_until(nsec_t deadline)
{
    fake_deadline = deadline;
    return -ERESTARTNOHAND;
}

void signal_send_thread(struct thread *thread, int signal, int code)
{
    (void)thread;
    (void)code;
    fake_signal = signal;
}

void signal_send(struct process *process, int signal)
{
    (void)process;
    fake_signal = signal;
}

int signal_send_group(pid_t group, int signal)
{
    fake_signal = signal;
    fake_signal_group = group;
    return fake_held_locks == 0 ? 0 : -ESRCH;
}

/* --- Locks and sleeping ---------------------------------------------------------------------- */

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INITIALIZER(name, rank);
}

void spin_lock(struct spinlock *lock)
{
    if (lock->locked)
        panic("%s is locked already", lock->name);
    lock->locked = 1;
    fake_held_locks++;
}

void spin_unlock(struct spinlock *lock)
{
    if (!lock->locked)
        panic("%s is not locked", lock->name);
    lock->locked = 0;
    fake_held_locks--;
}

void machine_random(void *buffer, size_t length)
{
    memset(buffer, 42, length);
}

bool spin_is_held(const struct spinlock *lock)
{
    return lock->locked;
}

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank)
{
    *mutex = (struct mutex){.name = name, .rank = rank};
}

void mutex_lock(struct mutex *mutex)
{
    if (fake_held_locks != 0 || mutex->holder != NULL)
        panic("mutex %s would sleep", mutex->name);
    mutex->holder = (struct thread *)1;
}

void mutex_unlock(struct mutex *mutex)
{
    mutex->holder = NULL;
}

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

int wait_sleep_until(struct wait_queue *queue, struct spinlock *lock, nsec_t deadline,
                     bool interruptible)
{
    int result;

    (void)queue;
    (void)interruptible;
    fake_deadline = deadline;
    if (fake_sleep == NULL || fake_held_locks != 1)
        panic("slept with %d locks", fake_held_locks);
    spin_unlock(lock);
    result = fake_sleep();
    spin_lock(lock);
    return result;
}

int wait_sleep_interruptible(struct wait_queue *queue, struct spinlock *lock)
{
    return wait_sleep_until(queue, lock, NSEC_NEVER, true);
}

void wait_sleep(struct wait_queue *queue, struct spinlock *lock)
{
    if (wait_sleep_until(queue, lock, NSEC_NEVER, false) != 0)
        panic("an uninterruptible sleep was interrupted");
}

void wait_wake_all(struct wait_queue *queue)
{
    (void)queue;
}

void wait_wake_one(struct wait_queue *queue)
{
    (void)queue;
}

nsec_t clock_monotonic(void)
{
    return fake_clock;
}

nsec_t clock_realtime(void)
{
    return fake_clock;
}

/* --- Memory ---------------------------------------------------------------------------------- */

static bool allocation_fails(void)
{
    if (fake_failing < 0)
        return false;
    if (fake_failing == 0)
        return true;
    fake_failing--;
    return false;
}

void *kmalloc(size_t size)
{
    if (allocation_fails())
        return NULL;
    fake_allocations++;
    return malloc(size);
}

void *kzalloc(size_t size)
{
    if (allocation_fails())
        return NULL;
    fake_allocations++;
    return calloc(1, size);
}

void kfree(void *p)
{
    fake_allocations -= p != NULL;
    free(p);
}

struct page *page_alloc(unsigned order)
{
    struct page *page;

    if (allocation_fails())
        return NULL;
    fake_allocations++;
    page = calloc(1, sizeof(*page));
    page->owner = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
    return page;
}

void page_release(struct page *page)
{
    fake_allocations--;
    free(page->owner);
    free(page);
}

paddr_t page_address(const struct page *page)
{
    return direct_map_address(page->owner);
}

/* How many bytes from the user address on are there. */
static size_t user_room(uaddr_t address)
{
    if (address < FAKE_USER_BASE || address >= FAKE_USER_BASE + FAKE_USER_SIZE)
        return 0;
    return FAKE_USER_BASE + FAKE_USER_SIZE - address;
}

int map_copyin(struct map *map, void *to, uaddr_t from, size_t size)
{
    (void)map;
    if (fake_held_locks != 0)
        panic("copyin with a lock held");
    if (size > user_room(from))
        return size == 0 ? 0 : -EFAULT;
    memcpy(to, fake_user + (from - FAKE_USER_BASE), size);
    return 0;
}

int map_copyout(struct map *map, uaddr_t to, const void *from, size_t size)
{
    (void)map;
    if (fake_held_locks != 0)
        panic("copyout with a lock held");
    if (size > user_room(to))
        return size == 0 ? 0 : -EFAULT;
    memcpy(fake_user + (to - FAKE_USER_BASE), from, size);
    return 0;
}

pte_t pmap_lookup(struct pmap *pmap, vaddr_t va)
{
    (void)pmap;
    (void)va;
    return 0;
}

int map_fault(struct map *map, uaddr_t address, prot_t access)
{
    (void)map;
    (void)access;
    return user_room(address) > 0 ? 0 : -EFAULT;
}

/* --- The machine ----------------------------------------------------------------------------- */

void machine_console_write(const char *text, size_t length)
{
    length = min(length, sizeof(console) - 1 - console_length);
    memcpy(console + console_length, text, length);
    console_length += length;
}

const char *fake_console_take(void)
{
    console[console_length] = '\0';
    console_length = 0;
    return console;
}

bool machine_console_is_stream(void)
{
    return fake_console_is_stream;
}

bool machine_console_size(uint16_t *rows, uint16_t *columns)
{
    *rows = 24;
    *columns = 80;
    return true;
}

void machine_console_expect(void)
{
}

bool schedule_is_controlled;

void schedule_reached(enum schedule_kind kind, const void *object, const char *name)
{
    (void)kind;
    (void)object;
    (void)name;
}

uint64_t schedule_random(const char *what, uint64_t number)
{
    (void)what;
    return number;
}

void machine_console_resume(void)
{
    fake_console_resumes++;
}

/* --- Vnodes: there are none ------------------------------------------------------------------ */

const struct file_ops vnode_file_ops;

void vnode_release(struct vnode *vnode)
{
    vnode->references--;
}

int vnode_stat(struct vnode *vnode, struct stat *stat)
{
    (void)vnode;
    *stat = (struct stat){.st_mode = S_IFIFO};
    return 0;
}

int path_open(int base, const char *path, uint32_t flags, mode_t mode, struct file **file)
{
    (void)base;
    (void)path;
    (void)flags;
    (void)mode;
    (void)file;
    return -ENOENT;
}
