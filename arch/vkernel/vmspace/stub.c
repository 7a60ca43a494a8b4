/*
 * Stubs: the host processes behind the vmspaces, how they are made and kept.
 *
 * All are forked by the zygote (stub/zygote.c), on request through a socket, and are children of
 * ours. Making one takes a while, so one request is always under way before it is needed, and
 * the stub of a destroyed vmspace serves the next one: it is stopped in the resident page, and
 * its next orders begin with an unmapping of the whole user range.
 *
 * A stub that dies is noticed by whoever reaps children (vmspace_child_died()), which sets its
 * state to DEAD and so ends a RUN in progress.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUESTS_AHEAD 2  /* stubs being made before anyone wants them */
#define FREE_MAX       32 /* idle stubs to keep */

/* In image.S: the stub program. */
extern const char stub_image[], stub_image_end[];

uint64_t stub_secret;
uint32_t stub_flags;

static struct stub stubs[VMSPACE_MAX];
static struct stub_hello hello;

/* (l) lock */
static struct {
    struct host_lock lock;
    int zygote_pid;                         /* (l) 0: none */
    int control;                            /* the socket */
    unsigned made;                          /* (l) elements of stubs[] ever used */
    struct stub *unused;                    /* (l) elements of stubs[] without a process */
    struct stub *idle;                      /* (l) stubs without a vmspace */
    unsigned idle_count;                    /* (l) */
    struct stub *requested[REQUESTS_AHEAD]; /* (l) asked for, oldest first */
    unsigned requested_count;               /* (l) */
} pool;

/* --- Starting the zygote ------------------------------------------------------------------- */

static int make_image_fd(void)
{
    size_t size = (size_t)(stub_image_end - stub_image);
    int fd = memfd_create("duet-stub", MFD_CLOEXEC | 0x0010U /* MFD_EXEC */);

    if (fd < 0) /* before Linux 6.3 */
        fd = memfd_create("duet-stub", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, stub_image, size) != (ssize_t)size) {
        close(fd);
        return -ENOMEM;
    }
    return fd;
}

/* Why the child of vfork() could not become the zygote: it shares our memory. */
static volatile long exec_error;

/* In that child: arrange the descriptors and become the zygote. */
static void exec_zygote(int memory, int control, int image) __attribute__((noreturn));
static void exec_zygote(int memory, int control, int image)
{
    static char *const empty[] = {NULL};
    static char *const arguments[] = {(char *)"duet-zygote", NULL};

    memory = (int)host_call(SYS_fcntl, memory, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    control = (int)host_call(SYS_fcntl, control, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    image = (int)host_call(SYS_fcntl, image, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (memory < 0 || control < 0 || image < 0) {
        exec_error = -EMFILE;
    } else {
        host_call(SYS_dup2, memory, STUB_FD_MEMORY);
        host_call(SYS_dup2, control, STUB_FD_CONTROL);
        host_call(SYS_close, STUB_FD_SLOTS);
        exec_error = host_call(SYS_execveat, image, "", arguments, empty, AT_EMPTY_PATH);
    }
    for (;;)
        host_call(SYS_exit_group, 127);
}

/* Apart, because of what vfork() does to the local variables of its caller. */
__attribute__((noinline)) static pid_t spawn_zygote(int memory, int control, int image)
{
    pid_t pid = vfork();

    if (pid == 0)
        exec_zygote(memory, control, image);
    if (pid < 0)
        return -errno;
    return exec_error < 0 ? (pid_t)exec_error : pid;
}

static bool receive(void *data, size_t size)
{
    long length;

    do {
        length = host_call(SYS_recvfrom, pool.control, data, size, 0, 0, 0);
    } while (length == -EINTR);
    return length == (long)size;
}

static bool is_hello_plausible(void)
{
    const uint64_t *call = &hello.calls.publish;

    for (size_t i = 0; i < sizeof(hello.calls) / sizeof(*call); i++)
        if (call[i] < STUB_RESIDENT || call[i] >= STUB_RESIDENT + PAGE_SIZE)
            return false;
    return hello.frame >= SLOTS + SLOT_STACK && hello.frame < hello.fpstate &&
           hello.fpstate < SLOTS + SLOT_END &&
           SLOTS + SLOT_END - hello.fpstate <= FPU_STATE_SIZE - 64;
}

/* Exchange the first messages: learn the addresses, send the filter. */
static int introduce(void)
{
    struct sock_filter filter[STUB_FILTER_MAX];
    size_t length;
    long error;

    if (getrandom(&stub_secret, sizeof(stub_secret), 0) != sizeof(stub_secret))
        return -EIO;
    if (!receive(&hello, sizeof(hello)) || !is_hello_plausible())
        return -EPROTO;
    length = filter_build(filter, &hello.calls, stub_secret) * sizeof(filter[0]);
    if (send(pool.control, filter, length, MSG_NOSIGNAL) != (ssize_t)length)
        return -EPROTO;
    if (!receive(&error, sizeof(error)))
        return -EPROTO;
    return error == 0 ? 0 : -ENOSYS;
}

static void request_stubs(void);

int stub_start_zygote(void)
{
    int sockets[2], image, error;
    pid_t pid;

    if (getauxval(AT_HWCAP2) & 2)
        stub_flags = FLAG_FSGSBASE;
    image = make_image_fd();
    if (image < 0)
        return image;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        error = -errno;
        close(image);
        return error;
    }
    pid = spawn_zygote(vmspace_config.memory_fd, sockets[1], image);
    error = pid < 0 ? pid : 0;
    close(image);
    close(sockets[1]);
    pool.control = sockets[0];
    if (error == 0) {
        pool.zygote_pid = pid;
        error = introduce();
    }
    if (error != 0) {
        close(sockets[0]);
        if (pid > 0)
            kill(pid, SIGKILL);
        return error;
    }
    host_lock(&pool.lock);
    request_stubs();
    host_unlock(&pool.lock);
    return 0;
}

/* --- Making stubs; with the pool's lock ---------------------------------------------------- */

/* Give `stub` the slot with this index of an address space whose slots are at `base` here. */
static void use_slot(struct stub *stub, struct stub *leader, uint8_t *base, unsigned index)
{
    uint8_t *slot = base + (uint64_t)index * SLOT_STRIDE;

    *stub = (struct stub){.leader = leader};
    stub->slot = SLOTS + (uint64_t)index * SLOT_STRIDE;
    stub->orders = (struct stub_orders *)(void *)slot;
    stub->words = (struct stub_words *)(void *)(slot + SLOT_FRAME);
    stub->frame = slot + (hello.frame - SLOTS);
    stub->fpstate = slot + (hello.fpstate - SLOTS);
    memset(stub->orders, 0, sizeof(*stub->orders));
    stub->orders->frame = hello.frame - SLOTS + stub->slot;
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
    stub->pid = 0;
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
    return host_call(SYS_sendmsg, pool.control, &message, MSG_NOSIGNAL) == 1;
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
    long pid;

    if (pool.requested_count == 0)
        return NULL;
    stub = pool.requested[0];
    for (unsigned i = 1; i < pool.requested_count; i++)
        pool.requested[i - 1] = pool.requested[i];
    pool.requested_count--;
    if (!receive(&pid, sizeof(pid)) || pid <= 0) {
        free_slots(stub);
        return NULL;
    }
    stub->pid = (int)pid;
    return stub;
}

/* An idle stub that is alive, or NULL. */
static struct stub *take_idle(void)
{
    struct stub *stub;

    while ((stub = pool.idle) != NULL) {
        pool.idle = stub->next;
        pool.idle_count--;
        if (!stub->dead)
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
        /* Those under way may have been refused for a reason that is gone: ask once more. */
        for (unsigned tries = 0; stub == NULL && tries <= REQUESTS_AHEAD; tries++) {
            request_stubs();
            stub = take_requested();
        }
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
    stub->vmspace = NULL;
    if (!stub->dead && !stub->is_worn_out && pool.idle_count < FREE_MAX) {
        stub->next = pool.idle;
        pool.idle = stub;
        pool.idle_count++;
    } else {
        if (!stub->dead)
            host_call(SYS_kill, stub->pid, SIGKILL);
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
    filter_build_for_slot((struct sock_filter *)(void *)filter->instructions, &hello.calls,
                          stub->slot);
    filter->length = FILTER_FOR_SLOT;
    filter->address = stub->slot + offsetof(struct stub_orders, filter);
}

void stub_free_sibling(struct stub *stub)
{
    host_lock(&pool.lock);
    if (!stub->dead && stub->pid > 0)
        host_call(SYS_kill, stub->pid, SIGKILL);
    stub->owner = NULL;
    stub->vmspace = NULL;
    free_element(stub);
    host_unlock(&pool.lock);
}

/* With the pool's lock. */
static void mark_dead(struct stub *stub)
{
    stub->dead = 1;
    __atomic_store_n(&stub->orders->state, STATE_DEAD, __ATOMIC_SEQ_CST);
    host_futex_wake(&stub->orders->state, INT32_MAX);
}

/* Kill those with that leader that are not dead yet; with the pool's lock. */
static void kill_family(const struct stub *leader)
{
    for (unsigned i = 0; i < pool.made; i++) {
        struct stub *stub = &stubs[i];

        if (stub->orders == NULL || stub->leader != leader || stub->dead || stub->pid <= 0)
            continue;
        host_call(SYS_kill, stub->pid, SIGKILL);
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
    bool found = false;

    host_lock(&pool.lock);
    if (pid == pool.zygote_pid) {
        pool.zygote_pid = 0;
        found = true;
    }
    for (unsigned i = 0; i < pool.made && !found; i++) {
        if (stubs[i].pid == pid && stubs[i].orders != NULL) {
            found = true;
            if (!stubs[i].dead) {
                mark_dead(&stubs[i]);
                kill_family(stubs[i].leader);
            }
        }
    }
    host_unlock(&pool.lock);
    return found;
}

void vmspace_stop(void)
{
    long pid;

    if (pool.control <= STDERR_FILENO)
        return; /* nothing was started */
    while (host_call(SYS_recvfrom, pool.control, &pid, sizeof(pid), MSG_DONTWAIT, 0, 0) > 0)
        if (pid > 0 && host_call(SYS_kill, pid, SIGKILL) == 0)
            host_call(SYS_wait4, pid, 0, 0, 0);
    if (pool.zygote_pid > 0 && host_call(SYS_kill, pool.zygote_pid, SIGKILL) == 0)
        host_call(SYS_wait4, pool.zygote_pid, 0, 0, 0);
    for (unsigned i = 0; i < pool.made; i++) {
        struct stub *stub = &stubs[i];

        if (stub->pid > 0 && !stub->dead && host_call(SYS_kill, stub->pid, SIGKILL) == 0)
            host_call(SYS_wait4, stub->pid, 0, 0, 0);
    }
}
