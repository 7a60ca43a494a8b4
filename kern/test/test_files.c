/* unit: kern/file.c kern/sys_file.c kern/sys_file_io.c kern/pipe.c kern/poll.c kern/dev/memory.c kern/dev/random.c kern/test/fake_files.c kern/test/check.c */
/*
 * Descriptors, pipes, FIFOs and poll through their system calls, in one pretended process: results
 * and errors as on Linux, nothing leaked.
 */
#include "kern/test/check.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/abi/termios.h"
#include "kern/abi/uio.h"
#include "kern/dev/device.h"
#include "kern/file.h"
#include "kern/fs/vnode.h"
#include "kern/pipe.h"
#include "kern/poll.h"
#include "kern/syscall.h"
#include "kern/test/fake_files.h"
#include <machine/param.h>

#define CALL(name, ...) sys_##name((const uint64_t[6]){__VA_ARGS__})

static char *const text = fake_user;
static char *const other = fake_user + 128 * 1024;
static int reader, writer;

static void open_pipe(unsigned flags)
{
    int32_t ends[2];

    CHECK(CALL(pipe2, user_address(text), flags) == 0);
    memcpy(ends, text, sizeof(ends));
    reader = ends[0];
    writer = ends[1];
}

static void close_pipe(void)
{
    CHECK(CALL(close, (uint64_t)reader) == 0);
    CHECK(CALL(close, (uint64_t)writer) == 0);
}

static int64_t read_from(int descriptor, char *to, size_t size)
{
    return CALL(read, (uint64_t)descriptor, user_address(to), size);
}

static int64_t write_to(int descriptor, const char *from, size_t size)
{
    return CALL(write, (uint64_t)descriptor, user_address(from), size);
}

static void fill(char *p, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        p[i] = (char)(seed + i * 31 + (i >> 8) * 7);
}

/* --- Descriptors ----------------------------------------------------------------------------- */

static void test_descriptors(void)
{
    CHECK(CALL(close, 0) == -EBADF);
    CHECK(CALL(close, (uint64_t)-1) == -EBADF);
    CHECK(CALL(close, 5000) == -EBADF);
    open_pipe(O_CLOEXEC);
    CHECK(reader == 0 && writer == 1);
    CHECK(CALL(dup, 0) == 2);
    CHECK(CALL(fcntl, 0, F_GETFD, 0) == FD_CLOEXEC && CALL(fcntl, 2, F_GETFD, 0) == 0);
    CHECK(CALL(fcntl, 2, F_SETFD, FD_CLOEXEC) == 0 && CALL(fcntl, 2, F_GETFD, 0) == FD_CLOEXEC);
    CHECK(CALL(dup2, 1, 500) == 500);
    CHECK(CALL(dup2, 1, 1) == 1 && CALL(dup2, 77, 77) == -EBADF);
    CHECK(CALL(dup2, 1, 1024) == -EBADF && CALL(dup2, 1, (uint64_t)-1) == -EBADF);
    CHECK(CALL(dup2, 77, 1) == -EBADF);
    CHECK(CALL(dup3, 1, 1, 0) == -EINVAL && CALL(dup3, 1, 3, O_APPEND) == -EINVAL);
    CHECK(CALL(dup3, 1, 3, O_CLOEXEC) == 3 && CALL(fcntl, 3, F_GETFD, 0) == FD_CLOEXEC);
    CHECK(CALL(fcntl, 0, F_DUPFD, 100) == 100);
    CHECK(CALL(fcntl, 0, F_DUPFD, 1024) == -EINVAL && CALL(fcntl, 99, F_DUPFD, 0) == -EBADF);
    CHECK(CALL(fcntl, 0, F_DUPFD_CLOEXEC, 100) == 101);
    CHECK(CALL(fcntl, 101, F_GETFD, 0) == FD_CLOEXEC);
    CHECK(CALL(close, 2) == 0 && CALL(dup, 0) == 2);
    CHECK(CALL(fcntl, 0, F_GETFL, 0) == O_RDONLY && CALL(fcntl, 1, F_GETFL, 0) == O_WRONLY);
    CHECK(CALL(fcntl, 0, F_SETFL, O_NONBLOCK | O_WRONLY) == 0);
    CHECK(CALL(fcntl, 2, F_GETFL, 0) == (O_RDONLY | O_NONBLOCK));
    CHECK(CALL(fcntl, 0, 4711, 0) == -EINVAL);
    CHECK(CALL(ioctl, 0, FIOCLEX, 0) == 0 && CALL(ioctl, 0, FIONCLEX, 0) == 0);
    CHECK(CALL(fcntl, 0, F_GETFD, 0) == 0);
    CHECK(CALL(ioctl, 0, TCGETS, user_address(text)) == -ENOTTY);
    CHECK(CALL(lseek, 0, 0, SEEK_SET) == -ESPIPE && CALL(lseek, 0, 0, 9) == -EINVAL);
    CHECK(CALL(pread64, 0, user_address(text), 1, 0) == -ESPIPE);
    CHECK(CALL(pread64, 0, user_address(text), 1, (uint64_t)-1) == -EINVAL);
    CHECK(read_from(1, text, 1) == -EBADF && write_to(0, text, 1) == -EBADF);
    CHECK(CALL(pipe, 1) == -EFAULT && CALL(pipe2, user_address(text), O_APPEND) == -EINVAL);
}

static void test_table(void)
{
    struct file_table *shared = fake_process.files, *copy;
    int count = 0;

    file_table_reference(shared);
    file_table_close_on_exec(shared);
    CHECK(fake_process.files != shared);
    file_table_release(shared);
    CHECK(CALL(fcntl, 101, F_GETFD, 0) == -EBADF && CALL(fcntl, 100, F_GETFD, 0) == 0);
    CHECK(CALL(fcntl, 3, F_GETFD, 0) == -EBADF);
    CHECK(file_table_copy(fake_process.files, &copy) == 0);
    while (CALL(dup, 0) >= 0)
        count++;
    CHECK(CALL(dup, 0) == -EMFILE && CALL(pipe, user_address(text)) == -EMFILE);
    CHECK(count > 1000 && count < 1024);
    CHECK(CALL(close, 1023) == 0 && CALL(dup, 0) == 1023);
    file_table_release(fake_process.files);
    fake_process.files = copy;
    CHECK(CALL(fcntl, 100, F_GETFD, 0) == 0 && CALL(fcntl, 900, F_GETFD, 0) == -EBADF);
}

/* --- Pipes ----------------------------------------------------------------------------------- */

static void test_pipe_ring(void)
{
    unsigned seed = 1;

    open_pipe(O_NONBLOCK);
    CHECK(read_from(reader, other, 10) == -EAGAIN && read_from(reader, other, 0) == 0);
    for (size_t size = 1; size < 70000; size = size * 3 + 1) {
        size_t expected = min(size, (size_t)65536);

        fill(text, size, ++seed);
        CHECK(write_to(writer, text, size) == (int64_t)expected);
        CHECK(CALL(ioctl, (uint64_t)reader, FIONREAD, user_address(other)) == 0);
        CHECK(*(int32_t *)(void *)other == (int32_t)expected);
        CHECK(read_from(reader, other, 100000) == (int64_t)expected);
        CHECK(memcmp(text, other, expected) == 0);
    }
    /* Never empty, so that the counters run around the ring several times. */
    CHECK(write_to(writer, "", 0) < 1);
    fill(text, 5000, 9);
    CHECK(write_to(writer, text, 5000) == 5000);
    for (int i = 0; i < 60; i++) {
        CHECK(write_to(writer, text, 5000) == 5000);
        CHECK(read_from(reader, other, 5000) == 5000 && memcmp(text, other, 5000) == 0);
    }
    CHECK(read_from(reader, other, 70000) == 5000);
    close_pipe();
}

static void test_pipe_atomicity(void)
{
    open_pipe(O_NONBLOCK);
    fill(text, 66000, 3);
    CHECK(write_to(writer, text, 65000) == 65000);
    CHECK(write_to(writer, text, 4096) == -EAGAIN);
    CHECK(write_to(writer, text, 4097) == 536);
    CHECK(write_to(writer, text, 1) == -EAGAIN && write_to(writer, text, 5000) == -EAGAIN);
    CHECK(read_from(reader, other, 4096) == 4096);
    CHECK(write_to(writer, text, 4096) == 4096);
    close_pipe();
}

static void test_pipe_ends(void)
{
    open_pipe(0);
    CHECK(write_to(writer, text, 3) == 3 && CALL(close, (uint64_t)writer) == 0);
    CHECK(read_from(reader, other, 10) == 3 && read_from(reader, other, 10) == 0);
    CHECK(CALL(close, (uint64_t)reader) == 0);
    open_pipe(0);
    CHECK(CALL(close, (uint64_t)reader) == 0);
    fake_signal = 0;
    CHECK(write_to(writer, text, 0) == 0 && fake_signal == 0);
    CHECK(write_to(writer, text, 10) == -EPIPE && fake_signal == SIGPIPE);
    CHECK(CALL(close, (uint64_t)writer) == 0);
}

static int sleep_interrupted(void)
{
    return -EINTR;
}

static int sleep_until_written(void)
{
    CHECK(write_to(writer, text, 2) == 2);
    return 0;
}

static int sleep_until_read(void)
{
    CHECK(read_from(reader, other, 4096) == 4096);
    return 0;
}

static void test_pipe_sleeping(void)
{
    open_pipe(0);
    fake_sleep = sleep_interrupted;
    CHECK(read_from(reader, other, 10) == -ERESTARTSYS);
    fake_sleep = sleep_until_written;
    CHECK(read_from(reader, other, 10) == 2);
    fake_sleep = sleep_interrupted;
    CHECK(write_to(writer, text, 70000) == 65536);
    CHECK(write_to(writer, text, 1) == -ERESTARTSYS);
    fake_sleep = sleep_until_read;
    CHECK(write_to(writer, text, 6000) == 6000);
    fake_sleep = NULL;
    close_pipe();
}

static void test_bad_addresses(void)
{
    uaddr_t end = FAKE_USER_BASE + FAKE_USER_SIZE;

    open_pipe(O_NONBLOCK);
    CHECK(CALL(write, (uint64_t)writer, 8, 1) == -EFAULT);
    CHECK(CALL(write, (uint64_t)writer, end - 10, 20) == -EFAULT);
    CHECK(CALL(write, (uint64_t)writer, (uint64_t)-4096, 1) == -EFAULT);
    CHECK(CALL(write, (uint64_t)writer, user_address(text), (uint64_t)-1) == -EINVAL);
    CHECK(CALL(write, (uint64_t)writer, end - PAGE_SIZE, 2 * PAGE_SIZE) == PAGE_SIZE);
    CHECK(CALL(read, (uint64_t)reader, 8, 10) == -EFAULT);
    CHECK(CALL(read, (uint64_t)reader, end - PAGE_SIZE, 5 * PAGE_SIZE) == PAGE_SIZE);
    CHECK(read_from(reader, text, 1) == -EAGAIN);
    close_pipe();
}

static void test_vectors(void)
{
    struct iovec *vector = (struct iovec *)(void *)(text + 65536);
    uaddr_t address = user_address(text + 65536);

    open_pipe(O_NONBLOCK);
    memcpy(text, "abcdefgh", 8);
    vector[0] = (struct iovec){user_address(text), 3};
    vector[1] = (struct iovec){0, 0};
    vector[2] = (struct iovec){user_address(text + 3), 5};
    CHECK(CALL(writev, (uint64_t)writer, address, 3) == 8);
    vector[0] = (struct iovec){user_address(other), 6};
    vector[1] = (struct iovec){user_address(other + 100), 10};
    CHECK(CALL(readv, (uint64_t)reader, address, 2) == 8);
    CHECK(memcmp(other, "abcdef", 6) == 0 && memcmp(other + 100, "gh", 2) == 0);
    CHECK(CALL(readv, (uint64_t)reader, address, 2) == -EAGAIN);
    CHECK(CALL(readv, (uint64_t)reader, address, 1025) == -EINVAL);
    CHECK(CALL(readv, (uint64_t)reader, address, (uint64_t)-1) == -EINVAL);
    CHECK(CALL(readv, (uint64_t)reader, 8, 2) == -EFAULT);
    CHECK(CALL(writev, (uint64_t)writer, address, 0) == 0);
    vector[1].iov_len = (uint64_t)-1;
    CHECK(CALL(writev, (uint64_t)writer, address, 2) == -EINVAL);
    for (int i = 0; i < 1024; i++)
        vector[i] = (struct iovec){user_address(text + i), 1};
    CHECK(CALL(writev, (uint64_t)writer, address, 1024) == 1024);
    CHECK(read_from(reader, other, 2000) == 1024 && memcmp(text, other, 1024) == 0);
    close_pipe();
}

/* --- Poll ------------------------------------------------------------------------------------ */

static int poll_one(int descriptor, int events, int timeout, int *revents)
{
    struct pollfd entry = {.fd = descriptor, .events = (int16_t)events, .revents = -1};
    char *place = text + 100000;
    int result;

    memcpy(place, &entry, sizeof(entry));
    result = (int)CALL(poll, user_address(place), 1, (uint64_t)(int64_t)timeout);
    memcpy(&entry, place, sizeof(entry));
    *revents = entry.revents;
    return result;
}

static int sleep_timed_out(void)
{
    return -ETIMEDOUT;
}

static int sleep_until_written_and_notified(void)
{
    CHECK(write_to(writer, text, 1) == 1);
    return 0;
}

static void test_poll(void)
{
    int events;

    open_pipe(0);
    CHECK(poll_one(reader, POLLIN, 0, &events) == 0 && events == 0);
    CHECK(poll_one(writer, POLLOUT | POLLIN, 0, &events) == 1 && events == POLLOUT);
    CHECK(poll_one(999, POLLIN, 0, &events) == 1 && events == POLLNVAL);
    CHECK(poll_one(-1, POLLIN, 0, &events) == 0 && events == 0);
    fake_sleep = sleep_timed_out;
    CHECK(poll_one(reader, POLLIN, 20, &events) == 0);
    CHECK(fake_deadline == fake_clock + 20 * NSEC_PER_MSEC);
    fake_sleep = sleep_interrupted;
    CHECK(poll_one(reader, POLLIN, -1, &events) == -ERESTARTNOHAND && fake_deadline == NSEC_NEVER);
    fake_sleep = sleep_until_written_and_notified;
    CHECK(poll_one(reader, POLLIN, -1, &events) == 1 && events == POLLIN);
    fake_sleep = NULL;
    CHECK(write_to(writer, text, 65536 - 4096) == 65536 - 4096);
    CHECK(poll_one(writer, POLLOUT, 0, &events) == 0);
    CHECK(CALL(close, (uint64_t)writer) == 0);
    CHECK(poll_one(reader, POLLIN, 0, &events) == 1 && events == (POLLIN | POLLHUP));
    CHECK(CALL(close, (uint64_t)reader) == 0);
    open_pipe(0);
    CHECK(CALL(close, (uint64_t)reader) == 0);
    CHECK(poll_one(writer, 0, 0, &events) == 1 && events == POLLERR);
    CHECK(CALL(close, (uint64_t)writer) == 0);
    CHECK(CALL(poll, 0, 1025, 0) == -EINVAL && CALL(poll, 8, 1, 0) == -EFAULT);
    CHECK(CALL(poll, 0, 0, 0) == 0);
}

/* --- FIFOs ----------------------------------------------------------------------------------- */

static struct vnode fifo = {.type = VNODE_FIFO, .references = 100};

static int open_fifo(uint32_t flags, struct file **file)
{
    int error = file_create(&vnode_file_ops, flags, &fifo, NULL, file);

    return error != 0 ? error : pipe_open_fifo(&fifo, *file);
}

static struct file *partner;

/* The partner comes and goes again before the sleeper can look. */
static int sleep_until_visited(void)
{
    CHECK(open_fifo(O_WRONLY, &partner) == 0);
    file_release(partner);
    return 0;
}

static void test_fifo(void)
{
    struct file *file, *second;
    char byte = 0;
    off_t position = 0;

    CHECK(open_fifo(O_WRONLY | O_NONBLOCK, &file) == -ENXIO);
    file_release(file);
    fake_sleep = sleep_interrupted;
    CHECK(open_fifo(O_RDONLY, &file) == -ERESTARTSYS);
    file_release(file);
    fake_sleep = sleep_until_visited;
    CHECK(open_fifo(O_RDONLY, &file) == 0);
    fake_sleep = NULL;
    CHECK(file->ops->read(file, &byte, 1, &position) == 0);
    CHECK(open_fifo(O_WRONLY, &second) == 0);
    CHECK(second->ops->write(second, "x", 1, &position) == 1);
    CHECK(file->ops->read(file, &byte, 1, &position) == 1 && byte == 'x');
    file_release(second);
    file_release(file);
    CHECK(open_fifo(O_RDWR, &file) == 0);
    file_release(file);
}

/* --- Everything else ------------------------------------------------------------------------- */

static void test_seekable(void)
{
    struct file *file;
    int descriptor;

    CHECK(file_create(&zero_ops, O_RDWR, NULL, NULL, &file) == 0);
    descriptor = file_install(file, 0, false);
    memset(other, 'x', 100000);
    CHECK(read_from(descriptor, other, 100000) == 100000 && other[0] == 0 && other[99999] == 0);
    CHECK(CALL(pread64, (uint64_t)descriptor, user_address(other), 10, 5) == 10);
    CHECK(CALL(lseek, (uint64_t)descriptor, 10, SEEK_SET) == 10);
    CHECK(CALL(lseek, (uint64_t)descriptor, 5, SEEK_CUR) == 15);
    CHECK(CALL(lseek, (uint64_t)descriptor, (uint64_t)-16, SEEK_CUR) == -EINVAL);
    CHECK(CALL(lseek, (uint64_t)descriptor, INT64_MAX, SEEK_CUR) == -EOVERFLOW);
    CHECK(CALL(read, (uint64_t)descriptor, FAKE_USER_BASE + FAKE_USER_SIZE - 100, 200000) == 100);
    CHECK(CALL(close, (uint64_t)descriptor) == 0);
}

static void test_no_memory(void)
{
    int64_t result = -ENOMEM;

    for (int allowed = 0; result == -ENOMEM; allowed++) {
        fake_failing = allowed;
        result = CALL(pipe, user_address(text));
    }
    CHECK(result == 0);
    memcpy(&reader, text, sizeof(reader));
    memcpy(&writer, text + 4, sizeof(writer));
    fake_failing = 0;
    CHECK(write_to(writer, text, 2) == -ENOMEM);
    fake_failing = 1;
    CHECK(write_to(writer, text, 2) == 2);
    /* With the one page that it has, and through the small buffer on the stack. */
    CHECK(write_to(writer, text, 3000) == 3000);
    CHECK(write_to(writer, text, 3000) == 512 * 2);
    CHECK(read_from(reader, other, 4000) == 512);
    fake_failing = -1;
    close_pipe();
}

int main(void)
{
    int before = fake_allocations;

    fake_process.files = file_table_create();
    test_descriptors();
    test_table();
    test_pipe_ring();
    test_pipe_atomicity();
    test_pipe_ends();
    test_pipe_sleeping();
    test_bad_addresses();
    test_vectors();
    test_poll();
    test_fifo();
    test_seekable();
    test_no_memory();
    file_table_release(fake_process.files);
    CHECK(fake_allocations == before && fake_held_locks == 0);
    return check_report();
}
