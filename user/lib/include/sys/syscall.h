/* System call numbers: SYS_read and so on. */
#pragma once

#include "kern/abi/syscall.h"
