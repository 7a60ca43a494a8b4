/*
 * System calls: the table and the handlers' common shape.
 *
 * A handler gets the six raw argument registers and returns the result or a negative errno,
 * exactly what the program finds in its result register. It names its arguments first:
 *
 *      int64_t sys_dup2(const uint64_t arg[])
 *      {
 *              int from = (int)arg[0];
 *              int to = (int)arg[1];
 *
 * The numbers and names are Linux's (kern/abi/syscall.h); docs/abi.md lists what is a subset.
 */
#pragma once

#include "kern/types.h"

typedef int64_t syscall_fn(const uint64_t arg[]);

/*
 * What a handler returns that was interrupted by a signal and left nothing behind (Linux's names
 * for the same). The call is made again unless a signal handler of the program runs; then it is
 * -EINTR, but for ERESTARTSYS and a signal action with SA_RESTART.
 */
#define ERESTARTSYS    512
#define ERESTARTNOHAND 514

/*
 * Sleeps with an end, for calls that are made again without a handler (-ERESTARTNOHAND): _deadline
 * returns `deadline`, or that of the first time when the call goes on; _restart_until notes it and
 * returns what the handler returns.
 */
nsec_t syscall_deadline(nsec_t deadline);
int64_t syscall_restart_until(nsec_t deadline);

/* Make the system call that the current thread's frame asks for and set its result there, or
 * note in thread->interrupted that it was interrupted. */
void syscall_dispatch(void);

/* Linux's name of a system call, whether Duet has it or not; NULL for a number it does not have. */
const char *syscall_name(uint64_t number);

/* How often calls were made that the kernel does not know, since boot. */
extern uint64_t syscall_unknown_count;

#define SYSCALL(number, name) syscall_fn sys_##name;
#include "kern/syscall_table.h"
#undef SYSCALL
