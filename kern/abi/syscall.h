/* System-call numbers of Linux x86-64 that Duet has: SYS_read and so on. */
#pragma once

enum syscall_number {
#define SYSCALL(number, name) SYS_##name = (number),
#include "kern/syscall_table.h"
#undef SYSCALL
};
