/* assert(3). NDEBUG, defined before the first inclusion, leaves nothing behind. */
#pragma once

#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition)                                                                          \
    ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))
#endif

#define static_assert _Static_assert

_Noreturn void assert_failed(const char *condition, const char *file, int line,
                             const char *function);
