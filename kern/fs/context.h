/*
 * A process's place in the file system: current directory, root directory, umask.
 * fs_context_create() and its kin are declared in kern/file.h.
 */
#pragma once

#include "kern/spinlock.h"
#include "kern/types.h"

struct vnode;

/* (a) atomic, (l) this->lock: CLONE_FS shares it */
struct fs_context {
    uint32_t references; /* (a) */
    struct spinlock lock;
    struct vnode *root, *directory; /* (l) referenced */
    mode_t umask;                   /* (a) */
};

/* The current process's root or current directory, with a reference; a kernel thread's is `/`. */
struct vnode *fs_context_root(void) must_check;
struct vnode *fs_context_directory(void) must_check;

/* Change the current directory; the reference is the context's from then on. */
void fs_context_set_directory(struct vnode *directory);

/* `mode` without the bits in the current process's umask. */
mode_t fs_context_apply_umask(mode_t mode);
