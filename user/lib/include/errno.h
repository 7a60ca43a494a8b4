/* Error numbers: errno(3). Programs of this library have one thread, so errno is a variable. */
#pragma once

#include "kern/abi/errno.h"

extern int errno;
