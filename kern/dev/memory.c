/*
 * The devices that need no hardware: null, zero, full, random (mem(4), random(4)).
 */
#include "kern/abi/errno.h"
#include "kern/dev/device.h"
#include "kern/dev/random.h"
#include "kern/file.h"
#include "kern/string.h"

static ssize_t read_nothing(struct file *file, void *buffer, size_t size, off_t *position)
{
    (void)file;
    (void)buffer;
    (void)size;
    (void)position;
    return 0;
}

static ssize_t write_away(struct file *file, const void *buffer, size_t size, off_t *position)
{
    (void)file;
    (void)buffer;
    (void)position;
    return (ssize_t)size;
}

static ssize_t read_zeros(struct file *file, void *buffer, size_t size, off_t *position)
{
    (void)file;
    (void)position;
    memset(buffer, 0, size);
    return (ssize_t)size;
}

static ssize_t refuse_write(struct file *file, const void *buffer, size_t size, off_t *position)
{
    (void)file;
    (void)buffer;
    (void)size;
    (void)position;
    return -ENOSPC;
}

static ssize_t read_random(struct file *file, void *buffer, size_t size, off_t *position)
{
    (void)file;
    (void)position;
    random_bytes(buffer, size);
    return (ssize_t)size;
}

const struct file_ops null_ops = {.read = read_nothing, .write = write_away, .is_seekable = true};
const struct file_ops zero_ops = {.read = read_zeros, .write = write_away, .is_seekable = true};
const struct file_ops full_ops = {.read = read_zeros, .write = refuse_write, .is_seekable = true};
const struct file_ops random_ops = {.read = read_random, .write = write_away, .is_seekable = true};
