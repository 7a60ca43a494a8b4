/*
 * What the file system's system calls share.
 */
#pragma once

#include "kern/types.h"

struct file;
struct vnode;

/*
 * Copy a path in. *path is to be freed with kfree(). Returns 0, -EFAULT, -ENAMETOOLONG, -ENOMEM;
 * *path is NULL then.
 */
int sys_copyin_path(uaddr_t address, char **path) must_check;

/* Find the file that a path names, as namei_lookup(); the path is the program's. */
int sys_lookup(int base, uaddr_t path, bool follow, struct vnode **found) must_check;

/*
 * As sys_lookup(), with the flags of the *at calls. AT_EMPTY_PATH: an empty path means `base`
 * itself.
 */
int sys_lookup_at(int base, uaddr_t path, uint32_t flags, struct vnode **found) must_check;

/* The vnode of an open file, with a reference: 0, -EBADF, or -EINVAL when it has none. */
int sys_descriptor_vnode(int descriptor, struct vnode **found) must_check;
