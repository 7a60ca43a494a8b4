/*
 * What the sanitizers have to be told. Without them these functions are nothing.
 *
 * AddressSanitizer (make SAN=address): memory that the kernel manages itself. Poisoned bytes are
 * those that nobody may touch.
 *
 * ThreadSanitizer (make SAN=thread): what is no access of the kernel's own. Between begin and end
 *
 *      user      a program's bytes are read or written for it, in memory that its other threads
 *                share; races there are the program's
 *      schedule  the schedule is decided: bookkeeping of the run, which only one CPU at a time can
 *                reach, and which must not look as if it synchronised the CPUs
 *
 * The thread neither sleeps nor takes locks in between.
 */
#pragma once

#include "kern/types.h"

#ifdef SAN_ADDRESS

/* The sanitizer's own names. They take no lock and work in any context. */
void __asan_poison_memory_region(void const volatile *start, size_t size);
void __asan_unpoison_memory_region(void const volatile *start, size_t size);

static inline void sanitizer_poison(const void *start, size_t size)
{
    __asan_poison_memory_region(start, size);
}

static inline void sanitizer_unpoison(const void *start, size_t size)
{
    __asan_unpoison_memory_region(start, size);
}

#else

static inline void sanitizer_poison(const void *start, size_t size)
{
    (void)start;
    (void)size;
}

static inline void sanitizer_unpoison(const void *start, size_t size)
{
    (void)start;
    (void)size;
}

#endif

/* ThreadSanitizer leaves this function alone: it may run where an interrupt has come in the middle
 * of the sanitizer's own code. */
#ifdef __clang__
#define not_instrumented __attribute__((disable_sanitizer_instrumentation))
#else
#define not_instrumented __attribute__((no_sanitize("thread")))
#endif

#ifdef SAN_THREAD

/* The sanitizer's own names. What they begin belongs to the current thread of the kernel. */
void __tsan_ignore_thread_begin(void);
void __tsan_ignore_thread_end(void);
void AnnotateIgnoreSyncBegin(const char *file, int line);
void AnnotateIgnoreSyncEnd(const char *file, int line);

static inline void sanitizer_user_begin(void)
{
    __tsan_ignore_thread_begin();
}

static inline void sanitizer_user_end(void)
{
    __tsan_ignore_thread_end();
}

static inline void sanitizer_schedule_begin(void)
{
    __tsan_ignore_thread_begin();
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
}

static inline void sanitizer_schedule_end(void)
{
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
    __tsan_ignore_thread_end();
}

#else

static inline void sanitizer_user_begin(void)
{
}

static inline void sanitizer_user_end(void)
{
}

static inline void sanitizer_schedule_begin(void)
{
}

static inline void sanitizer_schedule_end(void)
{
}

#endif
