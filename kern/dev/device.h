/*
 * Device files: which devices there are under which numbers, and opening them. kern/dev/device.c
 * is the table; devfs (kern/fs/devfs.c) shows it in /dev.
 */
#pragma once

#include "kern/types.h"

struct file;
struct file_ops;

/* dev_t as Linux packs it. */
#define DEVICE_NUMBER(major, minor)                                                                \
    (((dev_t)(major) << 8) | ((minor)&0xff) | ((dev_t)((minor) & ~0xff) << 12))

struct device {
    char name[16];
    dev_t number;
    mode_t mode; /* with S_IFCHR or S_IFBLK */
};

/* The device number `index`, 0 and up without gaps. False: there are no more. */
bool device_at(unsigned index, struct device *device) must_check;

/*
 * Give `file` the operations of the device with this number; `type` is S_IFCHR or S_IFBLK.
 * Returns 0, or -ENXIO: there is no such device, or not for this process (/dev/tty).
 */
int device_open(mode_t type, dev_t number, struct file *file) must_check;

/* Make what was written to a block device durable. Returns 0, -EIO or -ENXIO. */
int device_flush(dev_t number) must_check;

/* /dev/null and the like: kern/dev/memory.c. Raw disks, file->data: kern/dev/disk.c. */
extern const struct file_ops null_ops, zero_ops, full_ops, random_ops;
extern const struct file_ops disk_ops;
