/* futex(2) and robust lists, as on Linux. */
#pragma once

#include <stdint.h>

#define FUTEX_WAIT           0
#define FUTEX_WAKE           1
#define FUTEX_REQUEUE        3
#define FUTEX_CMP_REQUEUE    4
#define FUTEX_WAIT_BITSET    9
#define FUTEX_WAKE_BITSET    10
#define FUTEX_PRIVATE_FLAG   128
#define FUTEX_CLOCK_REALTIME 256

#define FUTEX_BITSET_MATCH_ANY 0xffffffffu

/* The word of a lock that may outlive its holder. */
#define FUTEX_WAITERS    0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK   0x3fffffffu

/* What set_robust_list(2) registers: a circular list of the locks that a thread holds. */
struct robust_list_head {
    uint64_t next;    /* address of the next entry, itself the address of the one after it */
    int64_t offset;   /* from an entry to its lock's word */
    uint64_t pending; /* an entry that is being added or removed, or 0 */
};

#define ROBUST_LIST_LIMIT 2048
