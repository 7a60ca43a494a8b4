/*
 * Random numbers. Theory in kern/dev/random.c.
 */
#pragma once

#include "kern/types.h"

/* Fill `buffer` with bytes that nobody can predict. Any context; never fails, never sleeps. */
void random_bytes(void *buffer, size_t size);
