/*
 * The global lock order: a lock may be taken only while every lock that the CPU (spinlocks)
 * or the thread (sleep locks) holds has a smaller rank. Debug builds check it at each
 * acquisition (kern/spinlock.c, kern/mutex.c). Where two locks of one rank are held together,
 * the comment says in which order, and the second is taken with the _nested variant.
 */
#pragma once

enum lock_rank {
    LOCK_NONE,

    /* Sleep locks: held across disk I/O and page faults. */
    LOCK_FILE,   /* an open file's offset */
    LOCK_MAP,    /* an address map; parent before child in fork */
    LOCK_PAGER,  /* an object's pages while the pager fills them */
    LOCK_MOUNTS, /* mounting and unmounting */
    LOCK_RENAME, /* a file system's rename and directory topology */
    LOCK_VNODE,  /* a vnode's contents; directories first, parent before child, else by address */
    LOCK_FS,     /* a file system's allocation maps and superblock */
    LOCK_BUFFER, /* one buffer of the cache */

    /* Spinlocks: interrupts are disabled while one is held. */
    LOCK_PROCESS_TREE, /* pids, parents and children */
    LOCK_PROCESS,      /* one process; parent before child */
    LOCK_FILE_TABLE,   /* one file table */
    LOCK_MOUNT,        /* the mount list */
    LOCK_VNODE_CACHE,  /* the table of active vnodes */
    LOCK_BUFFER_CACHE, /* the table of buffers */
    LOCK_PIPE,         /* one pipe */
    LOCK_FUTEX,        /* who waits for which futex */
    LOCK_TTY,          /* one terminal */
    LOCK_DEVICE,       /* one device driver's queue */
    LOCK_CONDVAR,      /* the inside of a condition variable */
    LOCK_SLEEP_LOCK,   /* the inside of a sleep lock */
    LOCK_OBJECT_LIST,  /* the list of memory objects */
    LOCK_OBJECT,       /* a memory object's or anon map's pages */
    LOCK_PMAP,         /* one page table */
    LOCK_TLB,          /* a TLB shootdown in progress */
    LOCK_HEAP,         /* one cache of the kernel heap */
    LOCK_PAGES,        /* the physical page allocator */
    LOCK_TIMEOUT,      /* one CPU's timeouts */
    LOCK_WAIT_QUEUE,   /* one wait queue */
    LOCK_RUN_QUEUE,    /* one CPU's run queue */
    LOCK_THREADS,      /* the lists of all threads */
    LOCK_LOG,          /* the kernel log */
};
