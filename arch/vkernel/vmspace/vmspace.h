/*
 * Address spaces for user programs, run by the host: the calls of DragonFly BSD's vkernel on
 * stock Linux, unprivileged.
 *
 * A *vmspace* is an address space in which the caller can run a program natively. It is named
 * by an id of the caller's choice. Its translation is a page table in the caller's memory (the
 * bits are those of <machine/pte.h>), which the library follows as a processor's MMU would: it
 * sets A and D, and remembers translations until it is told to drop them, as a TLB does.
 *
 *      vmspace_start(&config)                     once
 *      vmspace_create(id, 0, NULL)
 *      vmspace_mmap(id, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_VPAGETABLE, fd, 0)
 *      vmspace_mcontrol(id, 0, size, MADV_SETMAP, root)
 *      for (;;) {
 *              vmspace_ctl(id, VMSPACE_CTL_RUN, frame, vframe)
 *              ... frame->trap_number says why it came back ...
 *      }
 *
 * Errors are returned as negative errno values, also by those that return pointers. No call uses
 * the C library, so they may be made from code that is not a host thread of its own.
 *
 * Any thread may make any call. A signal handler must not make calls while the thread that it
 * interrupted is inside one, except vmspace_kick(), which is meant for that.
 */
#pragma once

#include "kern/types.h"
#include <machine/frame.h>

/* vmspace_ctl() commands */
#define VMSPACE_CTL_RUN 1

/* vmspace_mmap() flag: the mapping is a window on memory that a page table translates. */
#define MAP_VPAGETABLE 0x2000

/* vmspace_mcontrol() behaviours */
#define MADV_INVAL  10 /* drop translations of the range */
#define MADV_SETMAP 11 /* value: the page table's root, as an entry or an address */

/* Why RUN returned: frame->trap_number. */
#define VMSPACE_INTERRUPT 0 /* vmspace_kick() */
#define VMSPACE_PAGEFAULT 1 /* no translation; error_code: as the processor's; vx_address */
#define VMSPACE_TIMEOUT   2 /* vx_timeout is over */
#define VMSPACE_TRAP      3 /* another exception: vx_signal, vx_code, vx_address; error_code */
#define VMSPACE_SYSCALL   4 /* a SYSCALL instruction; rip is behind it */
#define VMSPACE_LOST      5 /* the host process is gone; the program cannot be resumed */

/* Bits of a page fault's error code (Intel SDM vol. 3A, section 4.7). */
#define PAGEFAULT_PRESENT  1
#define PAGEFAULT_WRITE    2
#define PAGEFAULT_USER     4
#define PAGEFAULT_RESERVED 8 /* an entry points outside of memory */
#define PAGEFAULT_FETCH    16

/* One for each virtual CPU; zeroed before its first use, then the library's but for vx_. */
struct vextframe {
    uint64_t vx_timeout; /* to RUN: return after so many nanoseconds at most; 0: no bound */
    uint64_t vx_steps;   /* to RUN: so many traps of single steps are not reported; from it: how
                          * many of them did not come */
    uint64_t vx_address; /* what was accessed, or the instruction's address */
    int vx_signal;       /* TRAP: the signal that a host would send (SIGFPE, SIGILL, ...) */
    int vx_code;         /* TRAP: its si_code */

    volatile uint32_t kicked; /* RUN is to return */
    volatile int host_pid;    /* the process that runs for this CPU, or 0 */
    uint64_t deadline;        /* of this RUN, on the host's monotonic clock; 0: none */
    bool is_late;             /* the deadline has passed */
    unsigned processor;       /* of the host, where its thread was last seen, + 1; 0: nowhere */
    struct vmspace *cached;   /* the last one that it ran, */
    struct stub *stub;        /* and with what */
    struct stub *left;        /* what it ran with before, if that may still wait actively */
};

/*
 * A translation that a program could use although the page table does not allow it (any more):
 * an entry was changed without MADV_INVAL.
 */
struct vmspace_stale {
    uint64_t address;  /* of the page */
    uint64_t page;     /* where the program would get to, in the caller's memory */
    int protection;    /* and what it could do there: PROT_ bits */
    int level;         /* of the entry that was changed: 1 for the last one of the walk */
    uint64_t entry;    /* where that lies, in the caller's memory */
    uint64_t old, new; /* what it was when the translation was in order, or 0: not known; and is */
};

/* How the system calls of programs are caught. */
enum vmspace_means {
    VMSPACE_MEANS_BEST, /* as the host allows: SECCOMP, or else PTRACE */
    VMSPACE_MEANS_SECCOMP,
    VMSPACE_MEANS_PTRACE, /* a reference for the other; several times slower */
};

/* How the library is to work; see vmspace_start(). */
struct vmspace_config {
    int memory_fd;      /* the memory that page tables and pages lie in: a memfd */
    void *memory;       /* where the caller has mapped all of it, shared */
    size_t memory_size; /* bytes */
    enum vmspace_means means;

    /*
     * How many host processors there are for virtual CPUs. While at most half as many CPUs are
     * busy (vmspace_cpu_busy()), handing over waits actively for a while.
     * is_bound: the thread of each CPU is bound to one processor, and so is kept apart from its
     * host processes while they wait actively.
     */
    unsigned processors;
    bool is_bound;

    /* For tests, or NULL: whether the host is to refuse the process that is wanted now. */
    bool (*is_refused)(void);

    /*
     * The TLB checker, in debug builds of the library; NULL: none. Before a program runs, all
     * that it could use of the page table is checked.
     *
     * is_changing: whether somebody is changing entries of that address space now and has not
     * done with MADV_INVAL yet: then stale translations are no mistake. Called with the address
     * space locked; must not make calls of the library.
     * report_stale: a mistake. Called inside RUN, without locks. When it returns, the program
     * runs nevertheless.
     */
    bool (*is_changing)(const void *id);
    void (*report_stale)(const void *id, const struct vmspace_stale *stale);
};

/*
 * Prepare the library; called once, by a thread that lives as long as the process (stubs die
 * with it). Returns 0, or -ENOSYS when the host refuses the means wanted, or another errno.
 */
int vmspace_start(const struct vmspace_config *config) must_check;

/* Which means are in use: SECCOMP or PTRACE. */
enum vmspace_means vmspace_means(void);

/* Kill all host processes that the library started. No call may follow. Any context. */
void vmspace_stop(void);

/*
 * Process `pid`, a child of the caller, has died and has been waited for: note it if it was the
 * library's. Programs in it are lost. Returns whether it was.
 */
bool vmspace_child_died(int pid);

/*
 * Make an empty address space named `id`, not NULL; type is 0 and data NULL. Returns 0, or
 * -EINVAL, -EEXIST, -ENOMEM, or -EAGAIN when the host has no process for it.
 */
int vmspace_create(void *id, int type, void *data) must_check;

/* Free an address space. Returns 0, -ENOENT, or -EBUSY when it is being run. */
int vmspace_destroy(void *id);

/*
 * VMSPACE_CTL_RUN: run the program with the registers of `frame` until it traps or is kicked;
 * then `frame` holds its registers and the reason. The floating-point state may remain with the
 * host process (vmspace_frame_copy()). Several CPUs may run one vmspace, each with a frame of its
 * own. Returns 0, or -EINVAL (nothing mapped), -ENOENT, -EOPNOTSUPP (another command), -EBUSY
 * (the host has no process for one more CPU: try again).
 */
int vmspace_ctl(void *id, int command, struct trapframe *frame, struct vextframe *vframe);

/*
 * Make [address, address + length) a window through a page table on the memory given to
 * vmspace_start(), whose descriptor `fd` is; offset 0. One such mapping a vmspace.
 * Returns the address, or -EINVAL, -ENOENT, -EEXIST, -EOPNOTSUPP (anything else).
 */
void *vmspace_mmap(void *id, void *address, size_t length, int protection, int flags, int fd,
                   off_t offset);

/* Remove the mapping: the whole of it. Returns 0, -EINVAL or -ENOENT. */
int vmspace_munmap(void *id, void *address, size_t length);

/*
 * MADV_SETMAP: translate by another page table from now on. MADV_INVAL: when this returns, no
 * program uses a translation of the range that was looked up before the call.
 * Returns 0, -EINVAL or -ENOENT.
 */
int vmspace_mcontrol(void *id, void *address, size_t length, int behaviour, off_t value);

/*
 * Read or write the address space at `offset`, as the program would: A and D are set,
 * permissions count. A short count says that the next byte is to be faulted in first.
 * Returns the count, or -EINVAL (flags not 0), -ENOENT.
 */
ssize_t vmspace_pread(void *id, void *buffer, size_t size, int flags, off_t offset);
ssize_t vmspace_pwrite(void *id, const void *buffer, size_t size, int flags, off_t offset);

/* A virtual CPU begins to work, or goes idle. Any context. */
void vmspace_cpu_busy(bool is_busy);

/*
 * End the RUN that was given `vframe`, or the next one if none is in progress. For signal
 * handlers on the thread inside RUN, and for other threads while it cannot end its last RUN.
 */
void vmspace_kick(struct vextframe *vframe);

/* Copy all registers, fetching the floating-point state from the host process if it is still
 * there. The program of `from` does not run now; nothing is known of `to`. */
void vmspace_frame_copy(struct trapframe *to, struct trapframe *from);

/* Store the floating-point state in frame->fpu; the next RUN loads it from there. Its program does
 * not run now. What the caller writes to frame->fpu meanwhile need not be trustworthy. */
void vmspace_frame_sync(struct trapframe *frame);

/* The registers in `frame` are to be forgotten: it is about to be freed or filled anew. The
 * frame may be garbage that never ran. */
void vmspace_frame_forget(struct trapframe *frame);
