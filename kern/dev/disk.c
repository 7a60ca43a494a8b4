/*
 * Raw access to a disk through its device file, at any byte offset. Transfers go through a
 * buffer of whole sectors; a write that covers a part of a sector reads it first. The buffer
 * cache of a file system on the same disk knows nothing of this.
 */
#include "kern/abi/errno.h"
#include "kern/abi/ioctl.h"
#include "kern/dev/block.h"
#include "kern/dev/device.h"
#include "kern/file.h"
#include "kern/string.h"
#include "kern/uaccess.h"
#include "vm/heap.h"

#define TRANSFER_MAX (64 * 1024)

/* The sectors that a transfer touches, and a buffer for them. */
struct span {
    uint64_t sector;
    uint32_t count;
    size_t skip; /* bytes before the transfer in the first sector */
    size_t size; /* bytes of the transfer */
    char *buffer;
};

static off_t disk_size(struct file *file)
{
    const struct block_device *disk = file->data;

    return (off_t)(disk->sectors * SECTOR_SIZE);
}

/* Which sectors hold [position, position + size), cut to the disk's end and TRANSFER_MAX. */
static int span_create(struct file *file, size_t size, off_t position, struct span *span)
{
    uint64_t end = (uint64_t)disk_size(file);

    span->sector = (uint64_t)position / SECTOR_SIZE;
    span->skip = (size_t)position % SECTOR_SIZE;
    span->size = min(size, TRANSFER_MAX - span->skip);
    span->size = min(span->size, end - (uint64_t)position);
    span->count = (uint32_t)((span->skip + span->size + SECTOR_SIZE - 1) / SECTOR_SIZE);
    span->buffer = kmalloc((size_t)span->count * SECTOR_SIZE);
    return span->buffer != NULL ? 0 : -ENOMEM;
}

static int span_transfer(struct file *file, const struct span *span, bool is_write)
{
    return block_transfer(file->data, span->sector, span->count, span->buffer, is_write);
}

static ssize_t disk_read(struct file *file, void *buffer, size_t size, off_t *position)
{
    struct span span;
    int error;

    if (size == 0 || *position >= disk_size(file))
        return 0;
    error = span_create(file, size, *position, &span);
    if (error != 0)
        return error;
    error = span_transfer(file, &span, false);
    if (error == 0) {
        memcpy(buffer, span.buffer + span.skip, span.size);
        *position += (off_t)span.size;
    }
    kfree(span.buffer);
    return error != 0 ? error : (ssize_t)span.size;
}

static ssize_t disk_write(struct file *file, const void *buffer, size_t size, off_t *position)
{
    const struct block_device *disk = file->data;
    struct span span;
    int error = 0;

    if (size == 0)
        return 0;
    if (disk->is_read_only)
        return -EPERM;
    if (*position >= disk_size(file))
        return -ENOSPC;
    error = span_create(file, size, *position, &span);
    if (error != 0)
        return error;
    if (span.size != (size_t)span.count * SECTOR_SIZE)
        error = span_transfer(file, &span, false);
    if (error == 0) {
        memcpy(span.buffer + span.skip, buffer, span.size);
        error = span_transfer(file, &span, true);
    }
    if (error == 0)
        *position += (off_t)span.size;
    kfree(span.buffer);
    return error != 0 ? error : (ssize_t)span.size;
}

static int64_t disk_ioctl(struct file *file, uint32_t command, uaddr_t argument)
{
    uint64_t size = (uint64_t)disk_size(file);
    int32_t sector_size = SECTOR_SIZE;

    switch (command) {
    case BLKGETSIZE64:
        return copyout(argument, &size, sizeof(size));
    case BLKSSZGET:
        return copyout(argument, &sector_size, sizeof(sector_size));
    default:
        return -ENOTTY;
    }
}

const struct file_ops disk_ops = {
    .read = disk_read,
    .write = disk_write,
    .ioctl = disk_ioctl,
    .size = disk_size,
    .is_seekable = true,
};
