/*
 * What the parts of the vmspace library share. Theory in vmspace.c.
 *
 * Locks: vmspace->lock (everything in it and in its stub), then the pool's (stub.c) or the
 * table's (vmspace.c) or the arena's (translate.c), none of which is held while another is taken.
 */
#pragma once

#include "arch/vkernel/vmspace/slot.h"
#include "arch/vkernel/vmspace/vmspace.h"
#include "kern/types.h"
#include <machine/frame.h>
#include <machine/pte.h>

#define VMSPACE_MAX 2048 /* address spaces, and stubs, at a time */

#define OPERATIONS_MAX                                                                             \
    (STUB_OPERATIONS - 1) /* that may wait for a resume; one is for a new stub                     \
                           */
#define SHADOW_BUCKETS 64
#define SHADOW_BITS    21 /* a piece of the shadow is 2 MiB: what one leaf table maps */

/* A lock that spins a little and then lets others run. Its holder must not be interrupted by
 * code that takes it (vmspace.h). */
struct host_lock {
    volatile uint32_t locked;
};

void host_lock(struct host_lock *lock);
void host_unlock(struct host_lock *lock);

/* The last page fault that the page table did not resolve: it is likely to come again. */
struct fault_record {
    bool is_valid;
    uint64_t address, access, pc;
};

/*
 * A host process that serves one vmspace. (i) immutable while it lives, (a) atomic, (v) the lock
 * of the vmspace that it serves
 */
struct stub {
    int pid;                     /* (i) */
    int tracer;                  /* (i) the process that traces it, or 0 */
    uint32_t dead;               /* (a) */
    struct stub *leader;         /* (i) the one whose address space this one shares, or itself */
    uint64_t slot;               /* (i) where its slot is in its address space, */
    struct stub_orders *orders;  /* (i) and here, writable */
    struct stub_words *words;    /* (i) */
    uint8_t *frame;              /* (i) where the host puts its signal frames */
    uint8_t *fpstate;            /* (i) and the floating-point state in them */
    struct vmspace *vmspace;     /* (v) whom it serves, or NULL */
    struct vextframe *runner;    /* (v) the CPU inside RUN with it */
    bool in_guest;               /* (v) guest code may be running now */
    struct fault_record fault;   /* (v) */
    struct trapframe *owner;     /* (v) whose floating-point state is in the signal frame */
    uint64_t fs_base, gs_base;   /* (v) loaded in the process */
    uint64_t our_turn, its_turn; /* (v) average cycles of a turn (handover.c) */
    uint64_t our_turn_began;     /* (v) */
    unsigned beside, apart;      /* (v) the processor that it is bound to, or kept from; 0: none */
    unsigned calm;               /* (v) handovers since there was last no processor to spare */
    unsigned misses;             /* (v) weight of the spinning that was in vain */
    uint64_t strained_until;     /* (v) the host is busy: do not spin, in cycles, */
    uint64_t strain;             /* (v) for so many of them */
    uint64_t stuck_at;           /* (v) its CPU time when a kick was first ignored, or 0 */
    bool is_fresh;               /* (v) the set-up code is still mapped */
    bool is_used;                /* (v) its user range may not be empty when it is idle */
    bool is_worn_out;            /* (v) not fit for another vmspace */
    struct stub *next;           /* the pool's; (v) the next one of the vmspace */
};

/* What the checker knows of a piece of the shadow (check.c): how its page tables were when they
 * were last in order. */
struct shadow_check {
    uint64_t lines;              /* bit i: of entries 8i to 8i + 7 some are not 0 */
    uint64_t fresh;              /* and some were not checked yet */
    pte_t above[PTE_LEVELS - 1]; /* the entries that lead to the leaf table, from the root */
    pte_t seen[PTE_ENTRIES];     /* and its own */
};

/* The translations of one piece that the stub has mapped: pfn << 3 | PROT_ bits, or 0. */
struct shadow {
    uint64_t number;             /* address >> SHADOW_BITS */
    struct shadow *next, **link; /* in the bucket */
    uint32_t count;              /* entries that are not 0 */
    uint32_t entries[512];
#ifdef DEBUG
    struct shadow_check check;
#endif
};

static inline uint64_t shadow_page(uint32_t entry)
{
    return (uint64_t)(entry >> 3) << PAGE_SHIFT;
}

static inline prot_t shadow_prot(uint32_t entry)
{
    return entry & 7;
}

/* (l) lock, (i) immutable while it exists, (a) atomic */
struct vmspace {
    struct host_lock lock;
    void *id;                /* (l) and the table's lock; NULL: free */
    struct stub *stubs;      /* (l) that run guest code; the last one is their leader */
    struct stub *mother;     /* (l) makes stubs and maps, if there are several (siblings.c) */
    unsigned slot_count;     /* (l) slots in use */
    uint64_t start, end;     /* (l) the window; empty: none */
    uint64_t root;           /* (l) the page table; NO_ROOT: none */
    volatile uint32_t stops; /* (a) how often guest code stopped, or may start again */
    uint32_t stop_waiters;   /* (l) sleep on `stops` */
    uint32_t freezers;       /* (l) CPUs that keep guest code from running */
    uint32_t waiters;        /* (l) CPUs that wait for the stub of another one */
    bool is_used;            /* (l) anything was mapped in it, ever */
    size_t mapped;           /* (l) pages in the shadow */
    struct shadow *shadow[SHADOW_BUCKETS]; /* (l) */
    uint32_t operation_count;              /* (l) to be performed before guest code runs */
    struct stub_operation operations[OPERATIONS_MAX]; /* (l) */
    struct vmspace *next;                             /* the table's lock */
};

#define NO_ROOT    UINT64_MAX
#define MAPPED_MIN 64 /* pages: more than one instruction needs at a time */

extern struct vmspace_config vmspace_config;
extern uint64_t stub_secret; /* what the filter wants to see with an operation */
extern uint32_t stub_flags;  /* FLAG_FSGSBASE or 0 */

/* --- start.c ------------------------------------------------------------------------------- */

struct zygote {
    int pid;     /* 0: none */
    int control; /* the socket to it */
    struct stub_hello hello;
};

/* Returns 0 or an errno as vmspace_start(); vmspace_config.means says what was agreed on. */
int zygote_start(struct zygote *zygote) must_check;

/* Wait for a message of this size. */
bool zygote_receive(const struct zygote *zygote, void *data, size_t size) must_check;

/* --- stub.c -------------------------------------------------------------------------------- */

/* Start the zygote and have the first stubs made. Returns 0 or an errno as vmspace_start(). */
int stub_start(void) must_check;

/* A stub that has no owner; its user range is empty, or will be after a queued operation.
 * NULL when the host gives no process. */
struct stub *stub_acquire(void) must_check;

/* Give a stub back, or kill it if it is not fit for another program. */
void stub_release(struct stub *stub);

/* Its process is gone, or was killed. */
static inline bool stub_is_dead(const struct stub *stub)
{
    return __atomic_load_n(&stub->dead, __ATOMIC_ACQUIRE);
}

/* Kill a stub and those that share its address space; they count as dead at once. */
void stub_kill(struct stub *stub);

/*
 * A stub that will share the address space of `leader`, in the slot with this index; its process
 * is to be cloned. stub_free_sibling() kills it and takes it back. NULL: too many.
 */
struct stub *stub_new_sibling(struct stub *leader, unsigned index) must_check;
void stub_free_sibling(struct stub *stub);

/* Write the second filter into the orders, for seccomp(2). */
void stub_write_filter(struct stub *stub);

/* The stub with this number, counting from 1, or NULL. */
struct stub *stub_by_number(uint64_t number);
uint64_t stub_number(const struct stub *stub);

/* --- filter.c ------------------------------------------------------------------------------ */

struct sock_filter;

/* Write the filter for stubs with these system calls, or that for traced stubs; returns its
 * length. */
size_t filter_build_for_traced(struct sock_filter *filter);
size_t filter_build(struct sock_filter *filter, const struct stub_calls *calls, uint64_t secret);

/* Write the second filter of the stub whose slot is at `slot`. */
#define FILTER_FOR_SLOT 9
void filter_build_for_slot(struct sock_filter *filter, const struct stub_calls *calls,
                           uint64_t slot);

/* --- handover.c ---------------------------------------------------------------------------- */

/* Called once. */
void handover_init(void);

/* It is the stub's turn. */
void handover_resume(struct stub *stub);

/* Wait until it is the vkernel's turn again. `vframe`: of the RUN that waits, or NULL. */
enum handover {
    HANDOVER_TRAPPED,
    HANDOVER_FAILED, /* the host refused an operation; the rest of them were not performed */
    HANDOVER_DEAD,   /* the stub is gone */
};
enum handover handover_wait(struct stub *stub, struct vextframe *vframe) must_check;

/* A RUN begins: its deadline, if vframe->vx_timeout asks for one. */
void handover_set_deadline(struct vextframe *vframe);

/* The CPU has resumed another stub than the last time: it will not be that one's turn soon, and it
 * should sleep. No vmspace's lock is held. */
void handover_leave_last(struct vextframe *vframe);

/* Make a running stub stop soon. */
void handover_kick(const struct stub *stub);

/* --- run.c: with vmspace->lock ------------------------------------------------------------- */

/* VMSPACE_CTL_RUN with `stub`; releases the lock while guest code runs. Returns 0. */
int run_stub(struct stub *stub, struct trapframe *frame, struct vextframe *vframe);

/* Store the floating-point state that the stub has where it belongs: the stub is to be freed. */
void run_release_frame(struct stub *stub);

/* Give the stub these operations to perform, and its turn. */
void run_operations(struct stub *stub, const struct stub_operation *operations, uint32_t count,
                    uint32_t flags);

/* Sleep until vmspace->stops is not `stops`, or a while; the lock is released meanwhile. */
void run_wait_for_stop(struct vmspace *vmspace, uint32_t stops);

/* Wait until none of the vmspace's stubs runs guest code; none will before thaw(). */
void run_freeze(struct vmspace *vmspace);
void run_thaw(struct vmspace *vmspace);

/* --- siblings.c: with vmspace->lock -------------------------------------------------------- */

/* One more stub for `vmspace`. NULL when the host refuses. The lock is released meanwhile. */
struct stub *sibling_make(struct vmspace *vmspace) must_check;

/* There is a mother: let her perform the queued operations now. */
void mother_perform(struct vmspace *vmspace);

/* Free all stubs but the leader. */
void siblings_free(struct vmspace *vmspace);

/* --- translate.c: with vmspace->lock ------------------------------------------------------- */

/*
 * Walk the page table for an access (PAGEFAULT_WRITE, PAGEFAULT_FETCH or 0) at `address` and set
 * A and D. Returns 0 with the page's host address in *page, or -EFAULT with the processor's
 * error code in *error.
 */
int translate(struct vmspace *vmspace, uint64_t address, uint64_t access, uint8_t **page,
              uint64_t *error) must_check;

/* As translate(), and queue operations that map the page and its neighbours in the stub. Returns
 * -ENOMEM when the host has no memory to note them. */
int translate_and_map(struct vmspace *vmspace, uint64_t address, uint64_t access,
                      uint64_t *error) must_check;

/* Forget the translations of a range and queue the operation that removes them. Returns false
 * when there are none. */
bool translate_invalidate(struct vmspace *vmspace, uint64_t start, uint64_t end);

/* Forget all; `queue`: and unmap the whole user range. */
void translate_reset(struct vmspace *vmspace, bool queue);

/* Queue the removal of host mappings. */
void translate_queue_unmap(struct vmspace *vmspace, uint64_t start, uint64_t end);

/* The operation that removes host mappings. */
struct stub_operation operation_unmap(uint64_t start, uint64_t end);

/* --- check.c: with vmspace->lock; nothing in release builds -------------------------------- */

#ifdef DEBUG

/* Guest code is about to run: report a translation that is stale (vmspace_config.report_stale);
 * releases the lock for that. */
void check_translations(struct vmspace *vmspace);

/* Entry `index` of the shadow has been set, from page tables that said so. */
static inline void check_note(struct shadow *shadow, size_t index)
{
    uint32_t entry = shadow->entries[index];
    uint64_t line = 1UL << index / 8;
    pte_t dirty = (shadow_prot(entry) & PROT_WRITE) ? PTE_DIRTY : 0;

    shadow->check.lines |= line;
    shadow->check.fresh |= line;
    shadow->check.seen[index] =
        pte_make_user(shadow_page(entry), shadow_prot(entry)) | PTE_ACCESSED | dirty;
}

#else

static inline void check_translations(struct vmspace *vmspace)
{
    (void)vmspace;
}

static inline void check_note(struct shadow *shadow, size_t index)
{
    (void)shadow;
    (void)index;
}

#endif
