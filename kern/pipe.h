/*
 * Pipes and FIFOs. Theory in kern/pipe.c.
 */
#pragma once

#include "kern/types.h"

struct file;
struct vnode;

/* Make a pipe: files for reading and writing, one reference each. Returns 0 or -ENOMEM. */
int pipe_create(uint32_t flags, struct file **read_end, struct file **write_end) must_check;

/*
 * open(2) of a FIFO: give `file`, made with the vnode and the flags of open(2), the operations
 * of the pipe that belongs to `vnode`. Without O_NONBLOCK this sleeps until the other side is
 * open too: the vnode is not locked. Returns 0, or -ENXIO (O_WRONLY | O_NONBLOCK and nobody
 * reads), -ERESTARTSYS, -ENOMEM; the file's operations are unchanged then.
 */
int pipe_open_fifo(struct vnode *vnode, struct file *file) must_check;
