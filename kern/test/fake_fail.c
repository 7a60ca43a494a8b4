/*
 * For unit tests: nothing fails.
 */
#include "kern/fail.h"

bool fail_is_counting;

bool fail_count(enum fail_kind kind)
{
    (void)kind;
    return false;
}
