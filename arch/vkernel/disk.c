/*
 * Disks: files of the host.
 *
 * Each disk has a worker, a host thread that serves its requests in the order in which they were
 * submitted; their completions are an interrupt of CPU 0. Requests travel in both directions on
 * lists that are changed by single atomic operations, so that neither side needs a lock:
 *
 *      CPU: push on disk->submitted, wake the worker   -->   worker: take all, serve each
 *      CPU 0: take all of `completed`, complete it     <--   push on `completed`, interrupt
 *
 * -r opens the file for reading and writing, and locks it against other instances, of QEMU as
 * well; the kernel's flush is fdatasync(2). -R maps it privately: what the guest writes stays in
 * our memory.
 */
#include "arch/vkernel/seeded.h"
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/linux.h"
#include "kern/cpu.h"
#include "kern/dev/timed_disk.h"
#include "kern/machine.h"
#include "kern/print.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* (i) immutable after start, (a) atomic */
struct disk {
    struct block_device device;
    int fd;                          /* (i) of a file that is written, or -1 */
    uint8_t *data;                   /* (i) of a file that is not, or NULL */
    struct block_request *submitted; /* (a) newest first, linked by link.next */
    volatile uint32_t work;          /* (a) counts submissions: the worker sleeps on it */
    struct timed_disk timed;         /* what a seeded run has instead */
};

static struct disk disks[DISK_MAX];
static struct block_request *completed; /* (a) newest first */

/* --- Lists --------------------------------------------------------------------------------- */

static void push(struct block_request **list, struct block_request *request)
{
    struct block_request *first = __atomic_load_n(list, __ATOMIC_RELAXED);

    do {
        request->link.next = (void *)first;
    } while (!__atomic_compare_exchange_n(list, &first, request, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
}

static struct block_request *next_of(const struct block_request *request)
{
    return (void *)request->link.next;
}

/* Take the whole list, oldest first. */
static struct block_request *take_all(struct block_request **list)
{
    struct block_request *newest = __atomic_exchange_n(list, NULL, __ATOMIC_SEQ_CST);
    struct block_request *oldest = NULL;

    while (newest != NULL) {
        struct block_request *next = next_of(newest);

        newest->link.next = (void *)oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* --- The worker ---------------------------------------------------------------------------- */

/* Move bytes between memory and the file. Returns 0 or -EIO. */
static int transfer(const struct disk *disk, uint8_t *data, size_t size, off_t offset,
                    bool is_write)
{
    while (size > 0) {
        ssize_t n =
            is_write ? pwrite(disk->fd, data, size, offset) : pread(disk->fd, data, size, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* an error, or the file has been cut */
            return -EIO;
        data += n;
        size -= (size_t)n;
        offset += n;
    }
    return 0;
}

static int serve(const struct disk *disk, const struct block_request *request)
{
    size_t size = (size_t)request->count * SECTOR_SIZE;
    uint64_t offset = request->sector * SECTOR_SIZE;

    if (request->is_flush)
        return disk->fd < 0 || fdatasync(disk->fd) == 0 ? 0 : -EIO;
    if (disk->fd >= 0)
        return transfer(disk, request->data, size, (off_t)offset, request->is_write);
    if (request->is_write)
        memcpy(disk->data + offset, request->data, size);
    else
        memcpy(request->data, disk->data + offset, size);
    return 0;
}

static void *worker(void *argument)
{
    struct disk *disk = argument;

    for (;;) {
        uint32_t work = __atomic_load_n(&disk->work, __ATOMIC_SEQ_CST);
        struct block_request *request = take_all(&disk->submitted);

        if (request == NULL)
            host_futex_wait(&disk->work, work, NULL);
        while (request != NULL) {
            struct block_request *next = next_of(request);

            request->error = serve(disk, request);
            push(&completed, request);
            interrupt_raise(&cpus[0], INTERRUPT_DISK);
            request = next;
        }
    }
    return NULL;
}

/* --- In a seeded run ----------------------------------------------------------------------- */

/* The kernel says when a request is served: there is no worker. */
static int serve_timed(struct timed_disk *timed, const struct block_request *request)
{
    return serve(timed->data, request);
}

static void start_timed(struct disk *disk)
{
    disk->timed.device = disk->device;
    disk->timed.data = disk;
    disk->timed.serve = serve_timed;
    timed_disk_register(&disk->timed);
}

/* --- For the kernel ------------------------------------------------------------------------ */

static void submit(struct block_device *device, struct block_request *request)
{
    struct disk *disk = device->driver_data;

    push(&disk->submitted, request);
    __atomic_add_fetch(&disk->work, 1, __ATOMIC_SEQ_CST);
    host_futex_wake(&disk->work, 1);
}

static const struct block_driver driver = {.submit = submit};

void disk_interrupt(void)
{
    struct block_request *request = take_all(&completed);

    while (request != NULL) {
        struct block_request *next = next_of(request);

        block_complete(request);
        request = next;
    }
}

void disk_start_all(void)
{
    for (unsigned i = 0; i < options.disk_count; i++) {
        if (is_seeded)
            start_timed(&disks[i]);
        else
            block_register(&disks[i].device);
    }
}

/* --- Start --------------------------------------------------------------------------------- */

/* QEMU says with read locks on single bytes of this range how it uses an image. */
#define LOCKS_START 100
#define LOCKS_COUNT 200

/* Lock the image until this process ends, however it does. Returns whether nobody else uses it. */
static bool lock_image(int fd)
{
    struct flock lock = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = LOCKS_START,
        .l_len = LOCKS_COUNT,
    };

    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static void open_disk(struct disk *disk, const struct disk_option *option)
{
    int fd = open(option->path, (option->copy_on_write ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    struct stat status;
    off_t size;

    if (fd < 0)
        die(1, errno, "%s", option->path);
    if (fstat(fd, &status) != 0 || !(S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)))
        die(1, 0, "%s: neither a file nor a block device", option->path);
    size = lseek(fd, 0, SEEK_END);
    if (size <= 0)
        die(1, 0, "%s: the image is empty", option->path);
    if (size % SECTOR_SIZE != 0)
        die(1, 0, "%s: not a disk image: %ld bytes, which is not a multiple of %d; truncated?",
            option->path, (long)size, SECTOR_SIZE);
    if (!option->copy_on_write && !lock_image(fd))
        die(1, 0, "%s: in use by another instance (-R would run on a copy)", option->path);
    disk->fd = fd;
    if (option->copy_on_write) {
        disk->data =
            mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
        if (disk->data == MAP_FAILED)
            die(1, errno, "%s: cannot map the image", option->path);
        close(fd);
        disk->fd = -1;
    }
    disk->device.sectors = (uint64_t)size / SECTOR_SIZE;
    disk->device.driver = &driver;
    disk->device.driver_data = disk;
}

void disk_open_all(void)
{
    for (unsigned i = 0; i < options.disk_count; i++)
        open_disk(&disks[i], &options.disks[i]);
    for (unsigned i = 0; i < options.disk_count && !is_seeded; i++)
        service_thread_start(worker, &disks[i]);
}
