/* Device numbers: makedev(3). */
#pragma once

#include <sys/types.h>

static inline unsigned major(dev_t device)
{
    return (unsigned)((device >> 8 & 0xfff) | (device >> 32 & 0xfffff000));
}

static inline unsigned minor(dev_t device)
{
    return (unsigned)((device & 0xff) | (device >> 12 & 0xffffff00));
}

static inline dev_t makedev(unsigned major_number, unsigned minor_number)
{
    return (dev_t)(major_number & 0xfff) << 8 | (dev_t)(major_number & 0xfffff000) << 32 |
           (minor_number & 0xff) | (dev_t)(minor_number & 0xffffff00) << 12;
}
