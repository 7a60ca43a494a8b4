/*
 * The vmspace library: address spaces as DragonFly BSD's vkernel has them, on stock Linux.
 *
 *      vmspace.c     the calls: names, arguments, locks
 *      run.c         RUN: registers, floating-point state, why it stopped
 *      handover.c    passing control to a host process and back
 *      translate.c   the MMU: page-table walks, what is mapped, invalidation
 *      start.c       the first host process, and by which means guests are caught
 *      stub.c        the others; filter.c what they may do; stub/ their program
 *      siblings.c    several of them in one address space, for several CPUs
 *
 * Each vmspace has a *stub*, a child process that runs guest code in its own address space,
 * below USER_MAX. A seccomp filter turns each system call of a guest into a signal, as its
 * page faults and exceptions are by nature; the stub's handler stops and tells the vkernel.
 * Pages appear in the stub by mmap(2) of the memfd that is guest memory, on the vkernel's order.
 *
 *          vkernel process                                 stub process
 *      +---------------------+       slot (memfd)      +-------------------+ 0x7fff...
 *      | RUN, MMU            | <--------------------->  | handler, slot     |
 *      |                     |                          +-------------------+ USER_MAX
 *      | page tables --------+---+                      |                   |
 *      | guest memory  <-----+---+------ mmap --------> | guest program     |
 *      +---------------------+    memfd                 +-------------------+ 0
 *
 * Objects: a struct vmspace is never returned to the host, so a stale pointer to one may be
 * locked; whoever does then looks whether `id` is still the one that was meant.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <errno.h>
#include <machine/pte.h>
#include <string.h>
#include <sys/stat.h>

#define TABLE_BUCKETS 256

struct vmspace_config vmspace_config;

static struct vmspace vmspaces[VMSPACE_MAX];

/* (l) lock */
static struct {
    struct host_lock lock;
    struct vmspace *buckets[TABLE_BUCKETS]; /* (l) */
    struct vmspace *free;                   /* (l) */
    unsigned made;                          /* (l) elements of vmspaces[] ever used */
} table;

/* --- Locks --------------------------------------------------------------------------------- */

void host_lock(struct host_lock *lock)
{
    for (unsigned tries = 0; __atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE) != 0;
         tries++) {
        while (lock->locked && ++tries % 100 != 0)
            __asm__ volatile("pause");
        if (lock->locked)
            host_call(SYS_sched_yield);
    }
}

void host_unlock(struct host_lock *lock)
{
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

/* --- Names --------------------------------------------------------------------------------- */

static struct vmspace **bucket_of(const void *id)
{
    return &table.buckets[((uintptr_t)id >> 4) * 0x9e3779b97f4a7c15UL >> 56];
}

/* With the table's lock. */
static struct vmspace *table_lookup(const void *id)
{
    struct vmspace *vmspace = *bucket_of(id);

    while (vmspace != NULL && vmspace->id != id)
        vmspace = vmspace->next;
    return vmspace;
}

/* Lock `vmspace` if it is still the one named `id`. */
static bool lock_if_named(struct vmspace *vmspace, const void *id)
{
    if (vmspace == NULL)
        return false;
    host_lock(&vmspace->lock);
    if (vmspace->id == id)
        return true;
    host_unlock(&vmspace->lock);
    return false;
}

/* Find and lock; NULL when there is none. */
static struct vmspace *lock_named(const void *id)
{
    struct vmspace *vmspace;

    if (id == NULL)
        return NULL;
    host_lock(&table.lock);
    vmspace = table_lookup(id);
    host_unlock(&table.lock);
    return lock_if_named(vmspace, id) ? vmspace : NULL;
}

/* --- Creation and destruction -------------------------------------------------------------- */

int vmspace_start(const struct vmspace_config *config)
{
    vmspace_config = *config;
    handover_init();
    return stub_start();
}

enum vmspace_means vmspace_means(void)
{
    return vmspace_config.means;
}

/* Give a free structure the name `id`. Returns 0, -EEXIST or -ENOMEM. */
static int table_insert(void *id, struct vmspace **result)
{
    struct vmspace *vmspace = NULL;
    int error = 0;

    host_lock(&table.lock);
    if (table_lookup(id) != NULL) {
        error = -EEXIST;
    } else if (table.free != NULL) {
        vmspace = table.free;
        table.free = vmspace->next;
    } else if (table.made < VMSPACE_MAX) {
        vmspace = &vmspaces[table.made++];
    } else {
        error = -ENOMEM;
    }
    if (vmspace != NULL) {
        host_lock(&vmspace->lock); /* nobody holds it but with a stale name, and briefly */
        vmspace->id = id;
        vmspace->next = *bucket_of(id);
        *bucket_of(id) = vmspace;
    }
    host_unlock(&table.lock);
    *result = vmspace;
    return error;
}

/* Take the name away and free the structure, which is locked. */
static void table_remove(struct vmspace *vmspace, void *id)
{
    struct vmspace **link;

    vmspace->id = NULL;
    host_unlock(&vmspace->lock);
    host_lock(&table.lock);
    for (link = bucket_of(id); *link != vmspace; link = &(*link)->next)
        ;
    *link = vmspace->next;
    vmspace->next = table.free;
    table.free = vmspace;
    host_unlock(&table.lock);
}

int vmspace_create(void *id, int type, void *data)
{
    struct vmspace *vmspace;
    struct stub *stub;
    int error;

    if (id == NULL || type != 0 || data != NULL)
        return -EINVAL;
    stub = stub_acquire();
    if (stub == NULL)
        return -EAGAIN;
    error = table_insert(id, &vmspace);
    if (error != 0) {
        stub_release(stub);
        return error;
    }
    stub->next = NULL;
    vmspace->stubs = stub;
    vmspace->slot_count = 1;
    vmspace->start = vmspace->end = 0;
    vmspace->root = NO_ROOT;
    vmspace->is_used = false;
    vmspace->operation_count = 0;
    if (stub->is_used)
        translate_reset(vmspace, true);
    stub->is_used = false;
    __atomic_store_n(&stub->vmspace, vmspace, __ATOMIC_RELEASE);
    host_unlock(&vmspace->lock);
    return 0;
}

/* Whether a CPU is inside RUN. */
static bool is_busy(const struct vmspace *vmspace)
{
    bool result = vmspace->freezers > 0 || vmspace->waiters > 0;

    for (const struct stub *stub = vmspace->stubs; stub != NULL; stub = stub->next)
        result |= stub->runner != NULL;
    return result;
}

int vmspace_destroy(void *id)
{
    struct vmspace *vmspace = lock_named(id);
    struct stub *stub;

    if (vmspace == NULL)
        return -ENOENT;
    if (is_busy(vmspace)) {
        host_unlock(&vmspace->lock);
        return -EBUSY;
    }
    siblings_free(vmspace);
    stub = vmspace->stubs;
    run_release_frame(stub);
    stub->is_used = vmspace->is_used || vmspace->operation_count > 0;
    translate_reset(vmspace, false);
    vmspace->stubs = NULL;
    stub_release(stub);
    table_remove(vmspace, id);
    return 0;
}

/* --- Mappings ------------------------------------------------------------------------------ */

static bool is_memory_fd(int fd)
{
    struct stat given, known;

    return host_call(SYS_fstat, fd, &given) == 0 &&
           host_call(SYS_fstat, vmspace_config.memory_fd, &known) == 0 &&
           given.st_dev == known.st_dev && given.st_ino == known.st_ino;
}

/* Whether [address, address + length) is made of whole pages below USER_MAX. */
static bool is_user_range(const void *address, size_t length)
{
    uint64_t start = (uintptr_t)address;

    return length > 0 && start % PAGE_SIZE == 0 && length % PAGE_SIZE == 0 && start < USER_MAX &&
           length <= USER_MAX - start;
}

void *vmspace_mmap(void *id, void *address, size_t length, int protection, int flags, int fd,
                   off_t offset)
{
    struct vmspace *vmspace;
    void *result = address;

    if (!is_user_range(address, length))
        return (void *)(intptr_t)-EINVAL;
    if (!(flags & MAP_VPAGETABLE) || !(flags & MAP_SHARED) || offset != 0 || !is_memory_fd(fd))
        return (void *)(intptr_t)-EOPNOTSUPP;
    if (!(protection & PROT_READ) || !(protection & PROT_WRITE))
        return (void *)(intptr_t)-EINVAL;
    vmspace = lock_named(id);
    if (vmspace == NULL)
        return (void *)(intptr_t)-ENOENT;
    if (vmspace->end > vmspace->start) {
        result = (void *)(intptr_t)-EEXIST;
    } else {
        vmspace->start = (uintptr_t)address;
        vmspace->end = (uintptr_t)address + length;
    }
    host_unlock(&vmspace->lock);
    return result;
}

/* Drop the translations of a range and see to it that guest code does not use them any more.
 * The lock is held; it may be released meanwhile. */
static void invalidate(struct vmspace *vmspace, uint64_t start, uint64_t end)
{
    bool was_mapped = translate_invalidate(vmspace, start, end);

    if (vmspace->mother != NULL) {
        mother_perform(vmspace); /* what was queued may be in the range even if nothing is mapped */
    } else if (was_mapped) {
        run_freeze(vmspace); /* it will be gone before guest code runs */
        run_thaw(vmspace);
    }
}

int vmspace_munmap(void *id, void *address, size_t length)
{
    struct vmspace *vmspace = lock_named(id);
    int error = 0;

    if (vmspace == NULL)
        return -ENOENT;
    if ((uintptr_t)address != vmspace->start || length != vmspace->end - vmspace->start ||
        length == 0) {
        error = -EINVAL;
    } else {
        uint64_t start = vmspace->start, end = vmspace->end;

        vmspace->start = vmspace->end = 0;
        invalidate(vmspace, start, end);
    }
    host_unlock(&vmspace->lock);
    return error;
}

int vmspace_mcontrol(void *id, void *address, size_t length, int behaviour, off_t value)
{
    uint64_t start = (uintptr_t)address;
    struct vmspace *vmspace;
    int error = 0;

    if (!is_user_range(address, length))
        return -EINVAL;
    vmspace = lock_named(id);
    if (vmspace == NULL)
        return -ENOENT;
    if (start < vmspace->start || start + length > vmspace->end) {
        error = -EINVAL;
    } else if (behaviour == MADV_INVAL) {
        invalidate(vmspace, start, start + length);
    } else if (behaviour == MADV_SETMAP && start == vmspace->start &&
               start + length == vmspace->end) {
        vmspace->root = pte_address((pte_t)value);
        invalidate(vmspace, start, start + length);
    } else {
        error = -EINVAL;
    }
    host_unlock(&vmspace->lock);
    return error;
}

/* --- Access from outside ------------------------------------------------------------------- */

static ssize_t transfer(void *id, uint8_t *buffer, size_t size, int flags, off_t offset,
                        bool is_write)
{
    uint64_t address = (uint64_t)offset, error;
    struct vmspace *vmspace;
    size_t done = 0;

    if (flags != 0)
        return -EINVAL;
    vmspace = lock_named(id);
    if (vmspace == NULL)
        return -ENOENT;
    while (done < size) {
        uint64_t in_page = (address + done) % PAGE_SIZE;
        size_t count = min(size - done, PAGE_SIZE - in_page);
        uint8_t *page;

        if (translate(vmspace, address + done, is_write ? PAGEFAULT_WRITE : 0, &page, &error) != 0)
            break;
        if (is_write)
            memcpy(page + in_page, buffer + done, count);
        else
            memcpy(buffer + done, page + in_page, count);
        done += count;
    }
    host_unlock(&vmspace->lock);
    return (ssize_t)done;
}

ssize_t vmspace_pread(void *id, void *buffer, size_t size, int flags, off_t offset)
{
    return transfer(id, buffer, size, flags, offset, false);
}

ssize_t vmspace_pwrite(void *id, const void *buffer, size_t size, int flags, off_t offset)
{
    return transfer(id, (uint8_t *)(uintptr_t)buffer, size, flags, offset, true);
}

/* --- Running ------------------------------------------------------------------------------- */

/* The CPU of `vframe` turns to another vmspace than the last time. Returns it, locked, or NULL. */
static struct vmspace *change_vmspace(struct vextframe *vframe, const void *id)
{
    vframe->cached = lock_named(id);
    return vframe->cached;
}

/* A stub that no CPU uses: best the one that has the frame's floating-point state, or nobody's. */
static struct stub *choose_stub(const struct vmspace *vmspace, const struct trapframe *frame)
{
    struct stub *best = NULL;

    for (struct stub *stub = vmspace->stubs; stub != NULL; stub = stub->next) {
        if (stub->runner != NULL)
            continue;
        if (stub->owner == frame)
            return stub;
        if (best == NULL || stub->owner == NULL)
            best = stub;
    }
    return best;
}

/*
 * The host has no process for one more CPU: wait until another CPU's stub is free, and end its RUN
 * if it does not end by itself, so that all get on. NULL when the CPU of `vframe` is kicked.
 */
static struct stub *wait_for_stub(struct vmspace *vmspace, const struct trapframe *frame,
                                  struct vextframe *vframe)
{
    struct stub *stub = NULL;

    vmspace->waiters++;
    while (stub == NULL && !vframe->kicked) {
        run_wait_for_stop(vmspace, vmspace->stops);
        stub = choose_stub(vmspace, frame);
        if (stub == NULL)
            vmspace_kick(vmspace->stubs->runner);
    }
    vmspace->waiters--;
    if (stub == NULL)
        vframe->kicked = 0; /* this RUN has ended */
    return stub;
}

/* RUN of a locked vmspace. */
static int run(struct vmspace *vmspace, struct trapframe *frame, struct vextframe *vframe)
{
    struct stub *stub, *last = vframe->stub;

    if (vmspace->start == vmspace->end || vmspace->root == NO_ROOT)
        return -EINVAL;
    stub = choose_stub(vmspace, frame);
    if (stub != NULL && vmspace->waiters > 0)
        return -EBUSY; /* it is another CPU's turn */
    if (stub == NULL)
        stub = sibling_make(vmspace);
    if (stub == NULL)
        stub = wait_for_stub(vmspace, frame, vframe);
    if (stub == NULL)
        return -EBUSY;
    vframe->left = stub != last ? last : NULL;
    vframe->stub = stub;
    return run_stub(stub, frame, vframe);
}

int vmspace_ctl(void *id, int command, struct trapframe *frame, struct vextframe *vframe)
{
    struct vmspace *vmspace = vframe->cached;
    int error;

    if (command != VMSPACE_CTL_RUN)
        return -EOPNOTSUPP;
    if (id == NULL || !lock_if_named(vmspace, id)) {
        vmspace = change_vmspace(vframe, id);
        if (vmspace == NULL)
            return -ENOENT;
    }
    error = run(vmspace, frame, vframe);
    host_unlock(&vmspace->lock);
    return error;
}
