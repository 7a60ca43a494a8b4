/*
 * Mounted file systems, and what a file system type is. Theory in kern/fs/mount.c.
 *
 * A file system type provides mount(), which fills in a struct mount: its operations, its root
 * vnode, its private data. Types are listed in kern/fs/fs.c. A pseudo file system makes its
 * vnodes with vnode_get_pseudo() (kern/fs/vnode.h); its readdir lists "." and ".." too
 * (vnode_list_dots() helps), with the same numbers as its vnodes have.
 */
#pragma once

#include "kern/fs/vnode.h"
#include "kern/list.h"
#include "kern/mutex.h"
#include "kern/types.h"

struct block_device;
struct mount;

struct mount_ops {
    /* Write everything back. NULL: nothing to write. */
    int (*sync)(struct mount *mount);
    /* Write everything back and leave the medium clean; whatever would change it from then on is
     * -EROFS. At unmount no vnode but the root is in use; at power-off any may be. May be NULL. */
    void (*shutdown)(struct mount *mount);
    /* Free mount->data: after shutdown() and after the last vnode. May be NULL. */
    void (*release)(struct mount *mount);
    /* Fill in what is known; the structure is zeroed, f_bsize and f_namelen have defaults. */
    int (*statfs)(struct mount *mount, struct statfs *statfs);
};

struct fs_type {
    const char *name;
    bool needs_device;
    /* Read what is on mount->device (if any); set mount->ops, mount->data, and mount->root with
     * a reference. Returns 0 or an errno, having undone everything. */
    int (*mount)(struct mount *mount);
};

/* (i) immutable once mounted, (m) the mount list's lock */
struct mount {
    struct list_node link;       /* (m) */
    const struct fs_type *type;  /* (i) */
    const struct mount_ops *ops; /* (i) */
    struct block_device *device; /* (i) NULL: none */
    char source[16];             /* (i) the device's name, or the type's */
    char *path;                  /* (i) where it was mounted, for /proc/mounts */
    dev_t number;                /* (i) st_dev of its files */
    bool read_only;              /* (i) */
    struct vnode *root;          /* (i) with a reference */
    struct vnode *covered;       /* (i) the directory below, with a reference; NULL: `/` */
    struct mutex rename_lock;    /* held while a directory may change its parent */
    void *data;                  /* (i) the file system's */
};

extern const struct fs_type ext2_type, devfs_type, procfs_type;

/* Prepare; before the first mount. */
void mount_init(void);

/* The type called `name`, or NULL. */
const struct fs_type *fs_type_find(const char *name);

/*
 * Mount a file system on the directory `covered` (whose reference stays the caller's); NULL makes
 * it the root. `device` may be NULL where the type needs none. `path` is for /proc/mounts.
 * Returns 0, -EBUSY (something is mounted there, or the device is in use), -ENOTBLK, -ENOTDIR,
 * -ENOMEM, or what the type says.
 */
int mount_create(const struct fs_type *type, struct block_device *device, bool read_only,
                 struct vnode *covered, const char *path) must_check;

/*
 * Unmount the file system whose root is `root`; releases the caller's reference to it in any
 * case. Returns 0, -EINVAL (not a root) or -EBUSY (in use).
 */
int mount_destroy(struct vnode *root) must_check;

/* The root of the root file system, with a reference. */
struct vnode *mount_root(void);

/* Replace *vnode, which is referenced, by the root of what is mounted there (and there, ...). */
void mount_cross_down(struct vnode **vnode);

/* Replace *vnode by the directory that it covers, while it is the root of a mounted one. */
void mount_cross_up(struct vnode **vnode);

/* Sync or shut down all; throw out what vnodes are idle. */
void mount_sync_all(void);
void mount_evict_all(void);
void mount_shutdown_all(void);

/* What /proc/mounts shows of the mount number `index` (0 is `/`). False: there is none. */
struct mount_info {
    char source[16], type[16], path[128];
    bool read_only;
};
bool mount_get_info(unsigned index, struct mount_info *info) must_check;
