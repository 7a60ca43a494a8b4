/* Vectors of buffers, as on Linux x86-64 (readv(2)). */
#pragma once

#include <stdint.h>

#define IOV_MAX 1024

struct iovec {
    uint64_t iov_base;
    uint64_t iov_len;
};
