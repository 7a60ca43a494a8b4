/* assert(3). NDEBUG leaves nothing behind. */
#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition)                                                                          \
    ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))
#endif

#ifndef DUET_ASSERT_H
#define DUET_ASSERT_H
_Noreturn void assert_failed(const char *condition, const char *file, int line,
                             const char *function);
#define static_assert _Static_assert
#endif
