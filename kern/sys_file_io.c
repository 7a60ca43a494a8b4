/*
 * The system calls that move data: read, write, readv, writev, pread64, pwrite64.
 *
 * All six are one loop: fill a kernel buffer from one side, empty it to the other. File
 * operations see kernel memory only, so a page fault of the user's buffer never happens inside
 * them. The buffer is on the stack for up to SMALL_BUFFER bytes and else from the heap, at most
 * LARGE_BUFFER bytes; a transfer that is larger goes in several rounds.
 *
 * The user's side is a vector of pieces (struct user_buffer), of which read(2) has one. A
 * bad address in the middle ends the transfer there: the call returns what went before, or
 * -EFAULT if that is nothing, and a file's offset counts only what arrived. Where what was read
 * cannot be read again (pipes, terminals), the memory is probed first, and only one round is
 * made: the next one might sleep.
 *
 * Locks: file->offset_lock while the offset is in use, so that two readers that share an
 * open file get different bytes.
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/abi/mman.h"
#include "kern/abi/uio.h"
#include "kern/file.h"
#include "kern/fs/vnode.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"
#include "vm/heap.h"
#include "vm/map.h"
#include <machine/param.h>

#define SMALL_BUFFER   512
#define LARGE_BUFFER   65536
#define SMALL_VECTOR   8
#define TRANSFER_MAX   0x7ffff000 /* Linux's MAX_RW_COUNT */
#define OFFSET_OF_FILE (-1)       /* no pread(2) position: use and advance the file's offset */

/* What is left of the user's side of a transfer. */
struct user_buffer {
    struct iovec *vectors; /* the first is shortened as it is consumed */
    size_t remaining;
};

/* The current piece, not empty; the caller knows that something remains. */
static struct iovec *user_piece(struct user_buffer *user)
{
    while (user->vectors->iov_len == 0)
        user->vectors++;
    return user->vectors;
}

static void user_advance(struct user_buffer *user, size_t size)
{
    user->vectors->iov_base += size;
    user->vectors->iov_len -= size;
    user->remaining -= size;
}

/* How far a copy goes at once: to the end of the piece, after a fault to that of the page. */
static size_t user_span(const struct iovec *piece, size_t size, bool by_page)
{
    size = min(size, piece->iov_len);
    return by_page ? min(size, PAGE_SIZE - piece->iov_base % PAGE_SIZE) : size;
}

/* Copy up to `size` bytes out or in; returns how many were before the first bad address. */
static size_t user_copy_out(struct user_buffer *user, const char *data, size_t size)
{
    bool by_page = false;
    size_t done = 0, span;

    while (done < size) {
        struct iovec *piece = user_piece(user);

        span = user_span(piece, size - done, by_page);
        if (copyout(piece->iov_base, data + done, span) == 0) {
            user_advance(user, span);
            done += span;
        } else if (by_page) {
            break;
        } else {
            by_page = true;
        }
    }
    return done;
}

static size_t user_copy_in(struct user_buffer *user, char *data, size_t size)
{
    bool by_page = false;
    size_t done = 0, span;

    while (done < size) {
        struct iovec *piece = user_piece(user);

        span = user_span(piece, size - done, by_page);
        if (copyin(data + done, piece->iov_base, span) == 0) {
            user_advance(user, span);
            done += span;
        } else if (by_page) {
            break;
        } else {
            by_page = true;
        }
    }
    return done;
}

/* How many of the next `size` bytes can be written to, brought in if need be. */
static size_t user_probe(const struct user_buffer *user, size_t size)
{
    struct map *map = process_self()->map;
    struct iovec *next = user->vectors, piece = {0};
    size_t done = 0, span;

    for (; done < size; done += span) {
        while (piece.iov_len == 0)
            piece = *next++;
        span = user_span(&piece, size - done, true);
        if ((pte_prot(pmap_lookup(&map->pmap, piece.iov_base)) & PROT_WRITE) == 0 &&
            map_fault(map, piece.iov_base, PROT_WRITE) != 0)
            break;
        piece.iov_base += span;
        piece.iov_len -= span;
    }
    return done;
}

/* --- The loop -------------------------------------------------------------------------------- */

/* One round of reading: at most `size` bytes through `buffer`. Returns the count or an errno. */
static ssize_t read_round(struct file *file, struct user_buffer *user, char *buffer, size_t size,
                          off_t *position)
{
    off_t start = *position;
    ssize_t got;
    size_t copied;

    if (!file->ops->is_seekable && size > 0) {
        size = user_probe(user, size);
        if (size == 0)
            return -EFAULT;
    }
    got = file->ops->read(file, buffer, size, position);
    if (got <= 0)
        return got;
    copied = user_copy_out(user, buffer, (size_t)got);
    if (copied < (size_t)got)
        *position = start + (off_t)copied;
    return copied == 0 ? -EFAULT : (ssize_t)copied;
}

static ssize_t write_round(struct file *file, struct user_buffer *user, char *buffer, size_t size,
                           off_t *position)
{
    size_t copied = user_copy_in(user, buffer, size);

    if (copied < size && !file->ops->is_seekable)
        copied = align_down(copied, (size_t)PAGE_SIZE); /* a pipe takes pages whole, as Linux's */
    if (copied == 0 && size > 0)
        return -EFAULT;
    return file->ops->write(file, buffer, copied, position);
}

typedef ssize_t round_fn(struct file *, struct user_buffer *, char *, size_t, off_t *);

/* Make rounds until all is done, one comes out short, or `once`. */
static ssize_t transfer_through(round_fn *round, struct file *file, struct user_buffer *user,
                                char *buffer, size_t buffer_size, bool once, off_t *position)
{
    size_t total = 0, size;
    ssize_t moved;

    do {
        size = min(user->remaining, buffer_size);
        moved = round(file, user, buffer, size, position);
        if (moved < 0)
            return total > 0 ? (ssize_t)total : moved;
        total += (size_t)moved;
    } while (!once && (size_t)moved == size && user->remaining > 0);
    return (ssize_t)total;
}

static ssize_t transfer_at(round_fn *round, struct file *file, struct user_buffer *user,
                           off_t *position)
{
    bool once = round == read_round && !file->ops->is_seekable;
    char small[SMALL_BUFFER];
    char *large;
    size_t size = min(user->remaining, (size_t)LARGE_BUFFER);
    ssize_t result;

    large = size > SMALL_BUFFER ? kmalloc(size) : NULL;
    if (large == NULL)
        return transfer_through(round, file, user, small, sizeof(small), once, position);
    result = transfer_through(round, file, user, large, size, once, position);
    kfree(large);
    return result;
}

/* Transfer at `offset`, or at the file's offset and advance it. */
static ssize_t transfer(round_fn *round, struct file *file, struct user_buffer *user, off_t offset)
{
    ssize_t result;

    if (round == read_round ? !file_is_readable(file) : !file_is_writable(file))
        return -EBADF;
    if (round == read_round ? file->ops->read == NULL : file->ops->write == NULL)
        return -EINVAL;
    if (offset != OFFSET_OF_FILE || !file->ops->is_seekable)
        return transfer_at(round, file, user, &offset);
    mutex_lock(&file->offset_lock);
    result = transfer_at(round, file, user, &file->offset);
    mutex_unlock(&file->offset_lock);
    return result;
}

/* --- System calls ---------------------------------------------------------------------------- */

/* Whether the buffer lies where user memory can be, and its length is a length. */
static int check_piece(const struct iovec *piece)
{
    if ((int64_t)piece->iov_len < 0)
        return -EINVAL;
    if (piece->iov_base > USER_MAX || piece->iov_len > USER_MAX - piece->iov_base)
        return -EFAULT;
    return 0;
}

/* read, write and their p- twins: arguments descriptor, buffer, size. */
static int64_t transfer_plain(round_fn *round, const uint64_t arg[], off_t offset)
{
    struct iovec piece = {.iov_base = arg[1], .iov_len = arg[2]};
    struct user_buffer user = {.vectors = &piece};
    struct file *file = file_get((int)arg[0]);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    if (offset != OFFSET_OF_FILE && !file->ops->is_seekable) {
        file_release(file);
        return -ESPIPE;
    }
    result = check_piece(&piece);
    if (result == 0) {
        piece.iov_len = user.remaining = min(piece.iov_len, (size_t)TRANSFER_MAX);
        result = transfer(round, file, &user, offset);
    }
    file_release(file);
    return result;
}

/* Check a vector of `count` pieces and cut it to TRANSFER_MAX bytes. */
static int check_vector(struct user_buffer *user, size_t count)
{
    size_t total = 0;
    int error;

    for (size_t i = 0; i < count; i++) {
        error = check_piece(&user->vectors[i]);
        if (error != 0)
            return error;
        user->vectors[i].iov_len = min(user->vectors[i].iov_len, TRANSFER_MAX - total);
        total += user->vectors[i].iov_len;
    }
    user->remaining = total;
    return 0;
}

/* readv and writev: arguments descriptor, array of pieces, its length. */
static int64_t transfer_vector(round_fn *round, const uint64_t arg[])
{
    struct iovec small[SMALL_VECTOR], *large = NULL;
    struct user_buffer user = {.vectors = small};
    size_t count = arg[2];
    struct file *file;
    int64_t result;

    file = file_get((int)arg[0]);
    if (file == NULL)
        return -EBADF;
    result = -EINVAL;
    if (count > IOV_MAX)
        goto out;
    if (count > SMALL_VECTOR) {
        result = -ENOMEM;
        user.vectors = large = kmalloc(count * sizeof(*large));
        if (large == NULL)
            goto out;
    }
    result = copyin(user.vectors, arg[1], count * sizeof(*user.vectors));
    if (result == 0)
        result = check_vector(&user, count);
    if (result == 0)
        result = transfer(round, file, &user, OFFSET_OF_FILE);
out:
    kfree(large);
    file_release(file);
    return result;
}

int64_t sys_read(const uint64_t arg[])
{
    return transfer_plain(read_round, arg, OFFSET_OF_FILE);
}

int64_t sys_write(const uint64_t arg[])
{
    return transfer_plain(write_round, arg, OFFSET_OF_FILE);
}

/* Whether a transfer would begin before a file's first byte or end behind its last possible one. */
static bool is_out_of_range(off_t offset, uint64_t size)
{
    off_t end;

    return offset < 0 || __builtin_add_overflow(offset, size, &end);
}

int64_t sys_pread64(const uint64_t arg[])
{
    off_t offset = (off_t)arg[3];

    return is_out_of_range(offset, arg[2]) ? -EINVAL : transfer_plain(read_round, arg, offset);
}

int64_t sys_pwrite64(const uint64_t arg[])
{
    off_t offset = (off_t)arg[3];

    return is_out_of_range(offset, arg[2]) ? -EINVAL : transfer_plain(write_round, arg, offset);
}

int64_t sys_readv(const uint64_t arg[])
{
    return transfer_vector(read_round, arg);
}

int64_t sys_writev(const uint64_t arg[])
{
    return transfer_vector(write_round, arg);
}
