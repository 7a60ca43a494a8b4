/*
 * Pipes: bytes that one end writes and the other reads, in order.
 *
 * A pipe is a ring of PIPE_PAGES pages, addressed by two counters that only grow: `head` bytes
 * were ever written, `tail` ever read; head - tail of them are in the pipe. Byte n lies in page
 * n / PAGE_SIZE % PIPE_PAGES. A page is allocated when the first byte comes to it and kept until
 * the pipe goes. When a pipe runs empty both counters start again at 0, so that a pipe that
 * never holds much lives in one page that stays in the processor's cache.
 *
 * POSIX: a write of at most PIPE_BUF bytes is never torn: it waits until all fits. A longer one
 * goes in as room appears. One PIPE_BUF, a page, is also how much is copied under the lock at a
 * time. Writers are woken when PIPE_BUF bytes fit.
 *
 * A FIFO is a pipe that is found by its vnode. It exists while someone has the FIFO open; open(2)
 * sleeps until both sides are there. To see a partner that came and went meanwhile, it waits
 * for a change of the count of all readers or writers that there ever were.
 *
 * Locks: pipe->lock; fifo_lock protects the list of FIFOs and their counts of users.
 */
#include "kern/pipe.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/abi/stat.h"
#include "kern/abi/termios.h"
#include "kern/clock.h"
#include "kern/file.h"
#include "kern/fs/vnode.h"
#include "kern/poll.h"
#include "kern/process.h"
#include "kern/schedule_point.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "kern/uaccess.h"
#include "kern/wait.h"
#include "vm/heap.h"
#include "vm/page.h"

#define PIPE_PAGES 16
#define PIPE_SIZE  (PIPE_PAGES * PAGE_SIZE)
#define PIPE_BUF   4096u

/* (i) immutable, (l) this->lock, (f) fifo_lock */
struct pipe {
    struct spinlock lock;
    size_t head, tail;                   /* (l) bytes ever written and read */
    struct page *pages[PIPE_PAGES];      /* (l) NULL until used */
    unsigned readers, writers;           /* (l) open files of each side */
    uint64_t readers_ever, writers_ever; /* (l) how many there were since creation */
    struct wait_queue can_read;          /* with (l) */
    struct wait_queue can_write;         /* with (l) */
    struct wait_queue other_side;        /* with (l): sleepers in open(2) */
    struct timespec created;             /* (i) */
    ino_t number;                        /* (i) */
    struct vnode *vnode;                 /* (i) of a FIFO; the open files hold the reference */
    struct list_node fifo_link;          /* (f) */
    unsigned users;                      /* (f) open files and opens in progress of a FIFO */
};

static struct spinlock fifo_lock = SPINLOCK_INITIALIZER("fifos", LOCK_PIPE);
static struct list fifos = LIST_INITIALIZER(fifos); /* fifo_lock */
static ino_t last_number;                           /* (a) */

static struct pipe *pipe_allocate(void)
{
    struct pipe *pipe = kzalloc(sizeof(*pipe));
    nsec_t now;

    if (pipe == NULL)
        return NULL;
    spin_init(&pipe->lock, "pipe", LOCK_PIPE);
    wait_queue_init(&pipe->can_read);
    wait_queue_init(&pipe->can_write);
    wait_queue_init(&pipe->other_side);
    list_node_init(&pipe->fifo_link);
    pipe->number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
    now = clock_realtime();
    pipe->created.tv_sec = now / NSEC_PER_SEC;
    pipe->created.tv_nsec = now % NSEC_PER_SEC;
    return pipe;
}

static void pipe_free(struct pipe *pipe)
{
    for (unsigned i = 0; i < PIPE_PAGES; i++)
        if (pipe->pages[i] != NULL)
            page_release(pipe->pages[i]);
    kfree(pipe);
}

/* --- The ring: pipe->lock is held ------------------------------------------------------------ */

static size_t pipe_used(const struct pipe *pipe)
{
    return pipe->head - pipe->tail;
}

static size_t pipe_room(const struct pipe *pipe)
{
    return PIPE_SIZE - pipe_used(pipe);
}

/* Have the pages for the next `size` bytes, at most PIPE_BUF of them. */
static int pipe_prepare(struct pipe *pipe, size_t size)
{
    size_t first = pipe->head / PAGE_SIZE, last = (pipe->head + size - 1) / PAGE_SIZE;

    for (size_t i = first; i <= last; i++) {
        struct page **page = &pipe->pages[i % PIPE_PAGES];

        if (*page == NULL)
            *page = page_alloc(0);
        if (*page == NULL)
            return -ENOMEM;
    }
    return 0;
}

/* Where the byte of counter value `n` lies, and how many follow it in the same page. */
static char *pipe_byte(const struct pipe *pipe, size_t n, size_t *contiguous)
{
    size_t offset = n % PAGE_SIZE;

    *contiguous = PAGE_SIZE - offset;
    return (char *)page_data(pipe->pages[n / PAGE_SIZE % PIPE_PAGES]) + offset;
}

/* Put in `size` bytes, for which there are room and pages. */
static void pipe_put(struct pipe *pipe, const char *data, size_t size)
{
    size_t span;
    char *to;

    for (; size > 0; size -= span, data += span) {
        to = pipe_byte(pipe, pipe->head, &span);
        span = min(span, size);
        memcpy(to, data, span);
        pipe->head += span;
    }
}

/* Take out `size` bytes, which are there. */
static void pipe_take(struct pipe *pipe, char *data, size_t size)
{
    const char *from;
    size_t span;

    for (; size > 0; size -= span, data += span) {
        from = pipe_byte(pipe, pipe->tail, &span);
        span = min(span, size);
        memcpy(data, from, span);
        pipe->tail += span;
    }
    if (pipe->tail == pipe->head)
        pipe->tail = pipe->head = 0;
}

/* --- Reading --------------------------------------------------------------------------------- */

/* Sleep until there is something to read or nobody who could write it: 1, 0 or an errno. */
static int wait_for_data(struct pipe *pipe, bool nonblocking)
{
    while (pipe_used(pipe) == 0) {
        if (pipe->writers == 0)
            return 0;
        if (nonblocking)
            return -EAGAIN;
        schedule_point(SCHEDULE_ATOMIC, pipe, "pipe:empty");
        if (wait_sleep_interruptible(&pipe->can_read, &pipe->lock) != 0)
            return -ERESTARTSYS;
    }
    return 1;
}

static ssize_t pipe_read(struct file *file, void *buffer, size_t size, off_t *position)
{
    struct pipe *pipe = file->data;
    size_t done = 0, chunk;
    ssize_t result;

    (void)position;
    if (size == 0)
        return 0;
    spin_lock(&pipe->lock);
    result = wait_for_data(pipe, (file->flags & O_NONBLOCK) != 0);
    while (result == 1) {
        chunk = min(size - done, pipe_used(pipe));
        chunk = min(chunk, (size_t)PIPE_BUF);
        pipe_take(pipe, (char *)buffer + done, chunk);
        done += chunk;
        if (pipe_room(pipe) >= PIPE_BUF) {
            wait_wake_all(&pipe->can_write);
            poll_notify();
        }
        if (done == size || pipe_used(pipe) == 0)
            break;
        spin_unlock(&pipe->lock);
        spin_lock(&pipe->lock);
    }
    spin_unlock(&pipe->lock);
    return done > 0 ? (ssize_t)done : result;
}

/* --- Writing --------------------------------------------------------------------------------- */

/* Sleep until `needed` bytes fit: 0 or an errno. */
static int wait_for_room(struct pipe *pipe, size_t needed, bool nonblocking)
{
    for (;;) {
        if (pipe->readers == 0)
            return -EPIPE;
        if (pipe_room(pipe) >= needed)
            return 0;
        if (nonblocking)
            return -EAGAIN;
        if (wait_sleep_interruptible(&pipe->can_write, &pipe->lock) != 0)
            return -ERESTARTSYS;
    }
}

static void send_broken_pipe(void)
{
    spin_lock(&process_tree_lock);
    signal_send_thread(thread_self(), SIGPIPE, SI_USER);
    spin_unlock(&process_tree_lock);
}

static ssize_t pipe_write(struct file *file, const void *buffer, size_t size, off_t *position)
{
    struct pipe *pipe = file->data;
    bool nonblocking = (file->flags & O_NONBLOCK) != 0;
    size_t done = 0, chunk;
    int error = 0;

    (void)position;
    while (done < size) {
        spin_lock(&pipe->lock);
        error = wait_for_room(pipe, size <= PIPE_BUF ? size : 1, nonblocking);
        chunk = min(size - done, pipe_room(pipe));
        chunk = min(chunk, (size_t)PIPE_BUF);
        if (error == 0)
            error = pipe_prepare(pipe, chunk);
        if (error == 0) {
            pipe_put(pipe, (const char *)buffer + done, chunk);
            done += chunk;
            wait_wake_all(&pipe->can_read);
            poll_notify();
        }
        spin_unlock(&pipe->lock);
        if (error != 0)
            break;
    }
    if (error == -EPIPE)
        send_broken_pipe();
    return done > 0 ? (ssize_t)done : error;
}

/* --- The rest of the operations -------------------------------------------------------------- */

static int64_t pipe_ioctl(struct file *file, uint32_t command, uaddr_t argument)
{
    struct pipe *pipe = file->data;
    int32_t count;

    if (command != FIONREAD)
        return -ENOTTY;
    spin_lock(&pipe->lock);
    count = (int32_t)pipe_used(pipe);
    spin_unlock(&pipe->lock);
    return copyout(argument, &count, sizeof(count));
}

static unsigned pipe_poll(struct file *file, unsigned events)
{
    struct pipe *pipe = file->data;
    unsigned ready = 0;

    (void)events;
    spin_lock(&pipe->lock);
    if (file_is_readable(file)) {
        if (pipe_used(pipe) > 0)
            ready |= POLLIN | POLLRDNORM;
        /* A FIFO that nobody has opened for writing yet is not at its end. */
        if (pipe->writers == 0 && pipe->writers_ever > 0)
            ready |= POLLHUP;
    }
    if (file_is_writable(file)) {
        if (pipe_room(pipe) >= PIPE_BUF)
            ready |= POLLOUT | POLLWRNORM;
        if (pipe->readers == 0)
            ready |= POLLERR;
    }
    spin_unlock(&pipe->lock);
    return ready;
}

static int pipe_stat(struct file *file, struct stat *stat)
{
    struct pipe *pipe = file->data;

    if (pipe->vnode != NULL)
        return vnode_stat(pipe->vnode, stat);
    *stat = (struct stat){
        .st_ino = pipe->number,
        .st_nlink = 1,
        .st_mode = S_IFIFO | 0600,
        .st_blksize = PIPE_BUF,
        .st_atim = pipe->created,
        .st_mtim = pipe->created,
        .st_ctim = pipe->created,
    };
    return 0;
}

/* One open file more on each side that it is open for; pipe->lock is held. */
static void pipe_join(struct pipe *pipe, const struct file *file)
{
    if (file_is_readable(file)) {
        pipe->readers++;
        pipe->readers_ever++;
    }
    if (file_is_writable(file)) {
        pipe->writers++;
        pipe->writers_ever++;
    }
    wait_wake_all(&pipe->other_side);
}

/* One less; the other side learns of it. pipe->lock is held. */
static void pipe_leave(struct pipe *pipe, const struct file *file)
{
    if (file_is_readable(file))
        pipe->readers--;
    if (file_is_writable(file))
        pipe->writers--;
    wait_wake_all(&pipe->can_read);
    wait_wake_all(&pipe->can_write);
    poll_notify();
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->data;
    bool is_unused;

    spin_lock(&pipe->lock);
    pipe_leave(pipe, file);
    is_unused = pipe->readers == 0 && pipe->writers == 0;
    spin_unlock(&pipe->lock);
    if (is_unused)
        pipe_free(pipe);
}

static const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .ioctl = pipe_ioctl,
    .poll = pipe_poll,
    .stat = pipe_stat,
    .release = pipe_release,
};

/* Make an open file for one end. */
static int create_end(struct pipe *pipe, uint32_t flags, struct file **file)
{
    int error = file_create(&pipe_ops, flags, NULL, pipe, file);

    if (error == 0) {
        spin_lock(&pipe->lock);
        pipe_join(pipe, *file);
        spin_unlock(&pipe->lock);
    }
    return error;
}

int pipe_create(uint32_t flags, struct file **read_end, struct file **write_end)
{
    struct pipe *pipe = pipe_allocate();

    if (pipe == NULL)
        return -ENOMEM;
    if (create_end(pipe, flags | O_RDONLY, read_end) != 0) {
        pipe_free(pipe);
        return -ENOMEM;
    }
    if (create_end(pipe, flags | O_WRONLY, write_end) != 0) {
        file_release(*read_end);
        return -ENOMEM;
    }
    return 0;
}

/* --- FIFOs ----------------------------------------------------------------------------------- */

/* The pipe of a FIFO, counted as used once more; NULL when out of memory. */
static struct pipe *fifo_get(struct vnode *vnode)
{
    struct pipe *fresh = pipe_allocate(), *found = NULL;

    spin_lock(&fifo_lock);
    list_for_each (&fifos, pipe, struct pipe, fifo_link) {
        if (pipe->vnode == vnode)
            found = pipe;
    }
    if (found == NULL && fresh != NULL) {
        found = fresh;
        fresh = NULL;
        found->vnode = vnode;
        list_push_back(&fifos, &found->fifo_link);
    }
    if (found != NULL)
        found->users++;
    spin_unlock(&fifo_lock);
    if (fresh != NULL)
        pipe_free(fresh);
    return found;
}

static void fifo_put(struct pipe *pipe)
{
    bool is_unused;

    spin_lock(&fifo_lock);
    is_unused = --pipe->users == 0;
    if (is_unused)
        list_remove(&pipe->fifo_link);
    spin_unlock(&fifo_lock);
    if (is_unused)
        pipe_free(pipe);
}

static void fifo_release(struct file *file)
{
    struct pipe *pipe = file->data;

    spin_lock(&pipe->lock);
    pipe_leave(pipe, file);
    spin_unlock(&pipe->lock);
    fifo_put(pipe);
}

static const struct file_ops fifo_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .ioctl = pipe_ioctl,
    .poll = pipe_poll,
    .stat = pipe_stat,
    .release = fifo_release,
};

/*
 * Join the pipe and sleep until the side that `file` lacks is open, or was since; pipe->lock is
 * held. On an error the file has left again.
 */
static int fifo_join(struct pipe *pipe, const struct file *file)
{
    bool reads = file_is_readable(file), writes = file_is_writable(file);
    bool nonblocking = (file->flags & O_NONBLOCK) != 0;
    const unsigned *others = reads ? &pipe->writers : &pipe->readers;
    const uint64_t *others_ever = reads ? &pipe->writers_ever : &pipe->readers_ever;
    uint64_t seen = *others_ever;

    if (writes && !reads && nonblocking && *others == 0)
        return -ENXIO;
    pipe_join(pipe, file);
    if (nonblocking || (reads && writes))
        return 0;
    while (*others == 0 && *others_ever == seen) {
        if (wait_sleep_interruptible(&pipe->other_side, &pipe->lock) != 0) {
            pipe_leave(pipe, file);
            return -ERESTARTSYS;
        }
    }
    return 0;
}

int pipe_open_fifo(struct vnode *vnode, struct file *file)
{
    struct pipe *pipe = fifo_get(vnode);
    int error;

    if (pipe == NULL)
        return -ENOMEM;
    spin_lock(&pipe->lock);
    error = fifo_join(pipe, file);
    spin_unlock(&pipe->lock);
    if (error != 0) {
        fifo_put(pipe);
        return error;
    }
    file->data = pipe;
    file->ops = &fifo_ops;
    return 0;
}
