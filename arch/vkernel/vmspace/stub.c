/*
 * Stubs: the host processes behind the vmspaces, how they are made and kept.
 *
 * All are forked by the zygote (stub/zygote.c), on request through a socket, and are children of
 * ours; where the host has no seccomp filters each comes with a tracer (stub/tracer.c). Making one
 * takes a while, so one request is always under way before it is needed, and the stub of a
 * destroyed vmspace serves the next one: it is stopped in the resident page, and its next orders
 * begin with an unmapping of the whole user range.
 *
 * A stub that dies is noticed by whoever reaps children (vmspace_child_died()), which sets its
 * state to DEAD and so ends a RUN in progress.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <errno.h>
#include <linux/filter.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUESTS_AHEAD 2  /* stubs being made before anyone wants them */
#define FREE_MAX       32 /* idle stubs to keep */
#define KILLED_MAX     64

#define ZYGOTE_PATIENCE 1000 /* milliseconds */

static struct stub stubs[VMSPACE_MAX];
static struct zygote zygote; /* its pid: with the pool's lock; the rest: immutable */

/* (l) lock, (w) lock, but read without it at the end */
static struct {
    struct host_lock lock;
    unsigned made;                          /* (l) elements of stubs[] ever used */
    struct stub *unused;                    /* (l) elements of stubs[] without a process */
    struct stub *idle;                      /* (l) stubs without a vmspace */
    unsigned idle_count;                    /* (l) */
    struct stub *requested[REQUESTS_AHEAD]; /* (l) asked for, oldest first */
    unsigned requested_count;               /* (l) */
    int killed[KILLED_MAX];                 /* (w) processes that may not have been waited for */
    unsigned killed_count;                  /* (w) */
} pool;

/* --- Beginning ------------------------------------------------------------------------------- */

static void request_stubs(void);

int stub_start(void)
{
    int error = zygote_start(&zygote);

    if (error != 0)
        return error;
    host_lock(&pool.lock);
    request_stubs();
    host_unlock(&pool.lock);
    return 0;
}

/* --- Making stubs; with the pool's lock ---------------------------------------------------- */

/* The process was killed and counts against the host's limits until somebody waits for it. */
static void note_killed(int pid)
{
    unsigned count = pool.killed_count;

    if (pid <= 0 || count == KILLED_MAX)
        return;
    __atomic_store_n(&pool.killed[count], pid, __ATOMIC_RELAXED);
    __atomic_store_n(&pool.killed_count, count + 1, __ATOMIC_RELAXED);
}

/* Somebody has waited for it. Returns whether it was noted. */
static bool forget_killed(int pid)
{
    for (unsigned i = 0; i < pool.killed_count; i++)
        if (pool.killed[i] == pid) {
            unsigned last = pool.killed_count - 1;

            __atomic_store_n(&pool.killed[i], pool.killed[last], __ATOMIC_RELAXED);
            __atomic_store_n(&pool.killed_count, last, __ATOMIC_RELAXED);
            return true;
        }
    return false;
}

/* Wait for all that were killed, so that the host counts them no more. Returns whether there were
 * any; another thread may wait for some of them, and has them forgotten then. */
static bool reap_killed(void)
{
    bool found = pool.killed_count > 0;

    for (unsigned i = pool.killed_count; i-- > 0;) {
        int pid = pool.killed[i];
        long reaped;

        while ((reaped = host_call(SYS_wait4, pid, 0, 0, 0)) == -EINTR)
            ;
        if (reaped == pid)
            forget_killed(pid);
    }
    return found;
}

/* The tracer first: the stub dies with it, and is then ours alone to wait for. */
static void send_kill(const struct stub *stub)
{
    if (stub->tracer > 0)
        host_call(SYS_kill, stub->tracer, SIGKILL);
    host_call(SYS_kill, stub->pid, SIGKILL);
}

static void kill_processes(const struct stub *stub)
{
    send_kill(stub);
    note_killed(stub->tracer);
    note_killed(stub->pid);
}

/* Give `stub` the slot with this index of an address space whose slots are at `base` here. */
static void use_slot(struct stub *stub, struct stub *leader, uint8_t *base, unsigned index)
{
    uint8_t *slot = base + (uint64_t)index * SLOT_STRIDE;

    *stub = (struct stub){.leader = leader};
    stub->slot = SLOTS + (uint64_t)index * SLOT_STRIDE;
    stub->orders = (struct stub_orders *)(void *)slot;
    stub->words = (struct stub_words *)(void *)(slot + SLOT_FRAME);
    stub->frame = slot + (zygote.hello.frame - SLOTS);
    stub->fpstate = slot + (zygote.hello.fpstate - SLOTS);
    memset(stub->orders, 0, sizeof(*stub->orders));
    stub->orders->frame = zygote.hello.frame - SLOTS + stub->slot;
    stub->orders->flags = stub_flags;
}

/* Make slots: their memfd, mapped here. Returns the descriptor or a negative errno. */
static int make_slots(struct stub *stub)
{
    long fd = host_call(SYS_memfd_create, "duet-slots", MFD_CLOEXEC);
    long base = fd < 0 ? fd : host_call(SYS_ftruncate, fd, SLOTS_SIZE);

    if (base == 0)
        base = host_call(SYS_mmap, 0, SLOTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base < 0 && base > -4096) {
        if (fd >= 0)
            host_call(SYS_close, fd);
        return (int)base;
    }
    use_slot(stub, stub, (uint8_t *)base, 0);
    stub->is_fresh = true;
    return (int)fd;
}

/* The element serves again. */
static void free_element(struct stub *stub)
{
    stub->pid = stub->tracer = 0;
    stub->orders = NULL;
    stub->next = pool.unused;
    pool.unused = stub;
}

static void free_slots(struct stub *leader)
{
    host_call(SYS_munmap, leader->orders, SLOTS_SIZE);
    free_element(leader);
}

/* An element of stubs[] without a process, or NULL. */
static struct stub *take_element(void)
{
    struct stub *stub = pool.unused;

    if (stub != NULL)
        pool.unused = stub->next;
    else if (pool.made < VMSPACE_MAX)
        stub = &stubs[pool.made++];
    return stub;
}

/* Send one byte and the slots' descriptor to the zygote. */
static bool send_request(int slots)
{
    char request = 0, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&request, 1};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &slots, sizeof(slots));
    return host_call(SYS_sendmsg, zygote.control, &message, MSG_NOSIGNAL) == 1;
}

/* Have REQUESTS_AHEAD stubs under way, if possible. */
static void request_stubs(void)
{
    while (pool.requested_count < REQUESTS_AHEAD) {
        struct stub *stub = take_element();
        int slots;
        bool sent;

        if (stub == NULL)
            return;
        slots = make_slots(stub);
        if (slots < 0) {
            free_element(stub);
            return;
        }
        sent = send_request(slots);
        host_call(SYS_close, slots);
        if (!sent) {
            free_slots(stub);
            return;
        }
        pool.requested[pool.requested_count++] = stub;
    }
}

/* Wait for the oldest requested stub; NULL when there is none or the host refused it. */
static struct stub *take_requested(void)
{
    struct stub *stub;
    struct stub_birth birth = {0};

    if (pool.requested_count == 0)
        return NULL;
    stub = pool.requested[0];
    for (unsigned i = 1; i < pool.requested_count; i++)
        pool.requested[i - 1] = pool.requested[i];
    pool.requested_count--;
    if (!zygote_receive(&zygote, &birth, sizeof(birth)) || birth.pid <= 0) {
        note_killed((int)birth.tracer);
        free_slots(stub);
        return NULL;
    }
    stub->pid = (int)birth.pid;
    stub->tracer = (int)birth.tracer;
    return stub;
}

/* NULL when the host refuses. */
static struct stub *make_stub(void)
{
    struct stub *stub = NULL;

    /* Those under way may have been refused for a reason that is gone: ask once more. */
    for (unsigned tries = 0; stub == NULL && tries <= REQUESTS_AHEAD; tries++) {
        request_stubs();
        stub = take_requested();
    }
    return stub;
}

/* An idle stub that is alive, or NULL. */
static struct stub *take_idle(void)
{
    struct stub *stub;

    while ((stub = pool.idle) != NULL) {
        pool.idle = stub->next;
        pool.idle_count--;
        if (!stub_is_dead(stub))
            return stub;
        free_slots(stub); /* somebody killed it */
    }
    return NULL;
}

/* --- For the rest of the library ----------------------------------------------------------- */

static bool is_refused(void)
{
    return vmspace_config.is_refused != NULL && vmspace_config.is_refused();
}

struct stub *stub_acquire(void)
{
    struct stub *stub;

    if (is_refused())
        return NULL;
    host_lock(&pool.lock);
    stub = take_idle();
    if (stub == NULL) {
        stub = make_stub();
        if (stub == NULL && reap_killed())
            stub = make_stub();
        request_stubs();
    }
    host_unlock(&pool.lock);
    if (stub != NULL && handover_wait(stub, NULL) != HANDOVER_TRAPPED) {
        stub_release(stub);
        return NULL;
    }
    return stub;
}

void stub_release(struct stub *stub)
{
    host_lock(&pool.lock);
    stub->owner = NULL;
    __atomic_store_n(&stub->vmspace, NULL, __ATOMIC_RELEASE);
    if (!stub_is_dead(stub) && !stub->is_worn_out && pool.idle_count < FREE_MAX) {
        stub->next = pool.idle;
        pool.idle = stub;
        pool.idle_count++;
    } else {
        if (!stub_is_dead(stub))
            kill_processes(stub);
        free_slots(stub);
    }
    host_unlock(&pool.lock);
}

struct stub *stub_new_sibling(struct stub *leader, unsigned index)
{
    struct stub *stub;

    if (is_refused())
        return NULL;
    host_lock(&pool.lock);
    stub = take_element();
    if (stub != NULL)
        use_slot(stub, leader, (uint8_t *)leader->orders, index);
    host_unlock(&pool.lock);
    return stub;
}

void stub_write_filter(struct stub *stub)
{
    struct stub_filter *filter = &stub->orders->filter;

    _Static_assert(sizeof(filter->instructions) == FILTER_FOR_SLOT * sizeof(struct sock_filter),
                   "");
    filter_build_for_slot((struct sock_filter *)(void *)filter->instructions, &zygote.hello.calls,
                          stub->slot);
    filter->length = FILTER_FOR_SLOT;
    filter->address = stub->slot + offsetof(struct stub_orders, filter);
}

void stub_free_sibling(struct stub *stub)
{
    host_lock(&pool.lock);
    if (!stub_is_dead(stub) && stub->pid > 0)
        kill_processes(stub);
    stub->owner = NULL;
    __atomic_store_n(&stub->vmspace, NULL, __ATOMIC_RELEASE);
    free_element(stub);
    host_unlock(&pool.lock);
}

/* With the pool's lock. */
static void mark_dead(struct stub *stub)
{
    __atomic_store_n(&stub->dead, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&stub->orders->state, STATE_DEAD, __ATOMIC_SEQ_CST);
    host_futex_wake(&stub->orders->state, INT32_MAX);
}

/* Kill those with that leader that are not dead yet; with the pool's lock. */
static void kill_family(const struct stub *leader)
{
    for (unsigned i = 0; i < pool.made; i++) {
        struct stub *stub = &stubs[i];

        if (stub->orders == NULL || stub->leader != leader || stub_is_dead(stub) || stub->pid <= 0)
            continue;
        kill_processes(stub);
        /* It may run guest code until it is a zombie; another thread may have reaped it already. */
        while (host_call(SYS_waitid, P_PID, stub->pid, 0, WEXITED | WNOWAIT, 0) == -EINTR)
            ;
        mark_dead(stub);
    }
}

void stub_kill(struct stub *stub)
{
    host_lock(&pool.lock);
    kill_family(stub->leader);
    host_unlock(&pool.lock);
}

struct stub *stub_by_number(uint64_t number)
{
    return number >= 1 && number <= VMSPACE_MAX ? &stubs[number - 1] : NULL;
}

uint64_t stub_number(const struct stub *stub)
{
    return (uint64_t)(stub - stubs) + 1;
}

bool vmspace_child_died(int pid)
{
    bool found;

    host_lock(&pool.lock);
    found = forget_killed(pid);
    if (pid == zygote.pid) {
        __atomic_store_n(&zygote.pid, 0, __ATOMIC_RELAXED);
        found = true;
    }
    for (unsigned i = 0; i < pool.made && !found; i++) {
        if ((stubs[i].pid == pid || stubs[i].tracer == pid) && stubs[i].orders != NULL) {
            found = true;
            if (stub_is_dead(&stubs[i]))
                break;
            if (stubs[i].pid == pid)
                mark_dead(&stubs[i]);
            kill_family(stubs[i].leader);
        }
    }
    host_unlock(&pool.lock);
    return found;
}

/* Kill a stub's processes and wait for them. */
static void end_processes(const struct stub *stub)
{
    send_kill(stub);
    host_call(SYS_wait4, stub->pid, 0, 0, 0);
    if (stub->tracer > 0)
        host_call(SYS_wait4, stub->tracer, 0, 0, 0);
}

/* Have the zygote finish what it does, and end; returns when it has, or takes long. */
static void end_zygote(void)
{
    struct pollfd answer = {.fd = zygote.control, .events = POLLIN};
    char no_request = 0;
    struct stub_birth birth;
    int pid;

    host_call(SYS_sendto, zygote.control, &no_request, 1, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
    while (host_call(SYS_poll, &answer, 1, ZYGOTE_PATIENCE) > 0 &&
           host_call(SYS_recvfrom, zygote.control, &birth, sizeof(birth), 0, 0, 0) > 0) {
        if (birth.pid > 0)
            end_processes(&(struct stub){.pid = (int)birth.pid, .tracer = (int)birth.tracer});
        else if (birth.tracer > 0)
            host_call(SYS_wait4, (int)birth.tracer, 0, 0, 0);
    }
    pid = __atomic_load_n(&zygote.pid, __ATOMIC_RELAXED);
    if (pid > 0 && host_call(SYS_kill, pid, SIGKILL) == 0)
        host_call(SYS_wait4, pid, 0, 0, 0);
}

/* Without locks: in a panic their holders have been stopped. */
void vmspace_stop(void)
{
    if (zygote.control <= STDERR_FILENO)
        return; /* nothing was started */
    end_zygote();
    for (unsigned i = 0; i < pool.made; i++)
        if (stubs[i].pid > 0 && !stub_is_dead(&stubs[i]))
            end_processes(&stubs[i]);
    for (unsigned i = 0; i < __atomic_load_n(&pool.killed_count, __ATOMIC_RELAXED); i++)
        host_call(SYS_wait4, __atomic_load_n(&pool.killed[i], __ATOMIC_RELAXED), 0, 0, 0);
}
