/*
 * Operations on names: what the system calls do once their strings are in the kernel. `base` is
 * a directory's descriptor or AT_FDCWD. All return 0 or a negative errno, as the man pages say.
 * Theory in kern/fs/path.c.
 */
#pragma once

#include "kern/types.h"

struct file;
struct vnode;

/* open(2): an open file with one reference. */
int path_open(int base, const char *path, uint32_t flags, mode_t mode,
              struct file **file) must_check;

/* mkdir(2), mknod(2): `mode` has the type; the umask is applied. */
int path_create(int base, const char *path, mode_t mode, dev_t device) must_check;

int path_symlink(const char *target, int base, const char *path) must_check;
int path_link(int old_base, const char *old_path, int new_base, const char *new_path,
              bool follow) must_check;

/* unlink(2), rmdir(2) */
int path_remove(int base, const char *path, bool is_directory) must_check;

/* Whether the process may remove `target`'s name from `dir`, which is locked: 0 or an errno. */
int path_check_delete(struct vnode *dir, struct vnode *target) must_check;

int path_rename(int from_base, const char *from_path, int to_base, const char *to_path) must_check;
