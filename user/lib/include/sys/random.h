/* Random bytes: getrandom(2). */
#pragma once

#include <sys/types.h>

#define GRND_NONBLOCK 1
#define GRND_RANDOM   2

ssize_t getrandom(void *buffer, size_t size, unsigned flags);
