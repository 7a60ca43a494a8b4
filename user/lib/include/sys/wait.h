/* Waiting for children: wait4(2). */
#pragma once

#include <sys/types.h>

#include "kern/abi/wait.h"

#define WIFCONTINUED(s) ((s) == 0xffff)

pid_t wait(int *status);
pid_t waitpid(pid_t pid, int *status, int options);
pid_t wait4(pid_t pid, int *status, int options, void *usage);
