/*
 * Threads for the test programs, by raw system calls: our libc knows of none, and its errno is one
 * for all. So threads call the system by raw(), and only the main thread prints.
 */
#pragma once

#include "check.h"
#include "kern/abi/futex.h"
#include "kern/abi/sched.h"
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define THREAD_STACK (64 * 1024)

/* What pthread_create() passes. */
#define THREAD_FLAGS                                                                               \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* A system call that leaves errno alone: the result, or the negative error. */
MAYBE_UNUSED static long raw6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define RAW(number, a, b, c, d, e, f, ...)                                                         \
    raw6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define raw(...) RAW(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

/* Name of the error that raw() returned, or "ok". */
MAYBE_UNUSED static const char *raw_name(long result)
{
    return result < 0 ? error_name((int)-result) : "ok";
}

/* --- Futexes -------------------------------------------------------------------------------- */

MAYBE_UNUSED static long futex(volatile uint32_t *word, int operation, uint32_t value,
                               const void *timeout, volatile uint32_t *other, uint32_t value3)
{
    return raw(SYS_futex, word, operation, value, timeout, other, value3);
}

MAYBE_UNUSED static long futex_wake(volatile uint32_t *word, int count)
{
    return futex(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, (uint32_t)count, NULL, NULL, 0);
}

/* Sleep until *word is no longer `value`. */
MAYBE_UNUSED static void wait_while(volatile uint32_t *word, uint32_t value)
{
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value)
        futex(word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Set a word, and wake all who wait for that. */
MAYBE_UNUSED static void announce(volatile uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
    futex_wake(word, INT32_MAX);
}

/* A lock: 0 free, 1 held, 2 held and somebody may wait. */
MAYBE_UNUSED static void lock(volatile uint32_t *word)
{
    uint32_t state = 0;

    if (__atomic_compare_exchange_n(word, &state, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    while (__atomic_exchange_n(word, 2, __ATOMIC_SEQ_CST) != 0)
        futex(word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, NULL, NULL, 0);
}

MAYBE_UNUSED static void unlock(volatile uint32_t *word)
{
    if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) == 2)
        futex_wake(word, 1);
}

/* --- Threads -------------------------------------------------------------------------------- */

struct thread {
    char *stack;
    volatile uint32_t tid; /* 0 once it has ended */
    int (*run)(void *argument);
    void *argument;
    volatile int result;
};

/*
 * long thread_clone(flags, stack, parent_tid, child_tid, tls, main): the child calls main(), with
 * what it finds on its stack; main() does not return.
 */
long thread_clone(unsigned long flags, void *stack, volatile void *parent_tid,
                  volatile void *child_tid, void *tls, void (*start)(struct thread *));
__asm__(".text\n"
        ".type thread_clone, @function\n"
        "thread_clone:\n"
        "    mov %rcx, %r10\n"
        "    mov $56, %eax\n"
        "    syscall\n"
        "    test %eax, %eax\n"
        "    jz 1f\n"
        "    ret\n"
        "1:  xor %ebp, %ebp\n"
        "    pop %rdi\n"
        "    call *%r9\n"
        "    hlt\n"
        ".size thread_clone, . - thread_clone\n");

MAYBE_UNUSED static void thread_main(struct thread *self)
{
    self->result = self->run(self->argument);
    raw(SYS_exit, self->result);
}

/* Start a thread, or with other flags a process, that calls run(argument). Its id, or an error. */
MAYBE_UNUSED static long thread_start_with(struct thread *thread, unsigned long flags,
                                           int (*run)(void *), void *argument)
{
    thread->stack = (char *)raw(SYS_mmap, 0, THREAD_STACK, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    thread->run = run;
    thread->argument = argument;
    thread->result = 0;
    struct thread **top = (struct thread **)(thread->stack + THREAD_STACK) - 1;
    *top = thread;
    return thread_clone(flags, top, &thread->tid, &thread->tid, NULL, thread_main);
}

MAYBE_UNUSED static void thread_start(struct thread *thread, int (*run)(void *), void *argument)
{
    long tid = thread_start_with(thread, THREAD_FLAGS, run, argument);

    if (tid < 0) {
        say("clone failed: %s", raw_name(tid));
        _exit(97);
    }
}

/* Wait for the end of a thread; its result. */
MAYBE_UNUSED static int thread_join(struct thread *thread)
{
    uint32_t tid;

    /* Without FUTEX_PRIVATE_FLAG, as the kernel wakes. */
    while ((tid = __atomic_load_n(&thread->tid, __ATOMIC_SEQ_CST)) != 0)
        futex(&thread->tid, FUTEX_WAIT, tid, NULL, NULL, 0);
    raw(SYS_munmap, thread->stack, THREAD_STACK);
    return thread->result;
}
