/*
 * Vnodes: files as the kernel sees them, whatever file system they are in (Kleiman 1986).
 * This header is what the rest of the kernel uses; file systems implement struct vnode_ops.
 * Theory in kern/fs/vnode.c.
 *
 * Data moves between vnodes and kernel memory only: system calls copy to and from the user
 * program while no vnode is locked, so a page fault never waits for a vnode that its own
 * thread holds.
 */
#pragma once

#include "kern/abi/stat.h"
#include "kern/list.h"
#include "kern/mutex.h"
#include "kern/types.h"

struct file;
struct mount;
struct object;
struct vnode;

enum vnode_type {
    VNODE_FILE,
    VNODE_DIRECTORY,
    VNODE_SYMLINK,
    VNODE_CHAR,
    VNODE_BLOCK,
    VNODE_FIFO,
    VNODE_SOCKET
};

/* What setattr changes; `valid` says which. */
struct vnode_attributes {
    unsigned valid;
#define ATTR_MODE  1u
#define ATTR_UID   2u
#define ATTR_GID   4u
#define ATTR_SIZE  8u
#define ATTR_ATIME 16u
#define ATTR_MTIME 32u
    mode_t mode; /* permission bits only */
    uid_t uid;
    gid_t gid;
    off_t size;
    struct timespec atime, mtime;
};

/* Receives one directory entry (type: DT_DIR and so on); false stops before it is consumed. */
typedef bool vnode_entry_fn(void *argument, const char *name, size_t length, ino_t number,
                            unsigned type, off_t next_offset);

/*
 * All are called with vnode->lock held, as are the ones of the directories involved, unless it
 * says otherwise. Names are not NUL-terminated, never "." or "..", 1..NAME_MAX bytes. New vnodes
 * come referenced and unlocked. A NULL member is -ENOTDIR for directory operations, -EINVAL or
 * -EPERM as fits for others.
 */
struct vnode_ops {
    int (*lookup)(struct vnode *dir, const char *name, size_t length, struct vnode **found);
    int (*parent)(struct vnode *dir,
                  struct vnode **found); /* "..", not of a root; NULL: the root */
    int (*create)(struct vnode *dir, const char *name, size_t length, mode_t mode, dev_t device,
                  struct vnode **created); /* mode has the S_IFMT bits: any type but a link */
    int (*symlink)(struct vnode *dir, const char *name, size_t length, const char *target);
    int (*link)(struct vnode *dir, const char *name, size_t length, struct vnode *target);
    int (*unlink)(struct vnode *dir, const char *name, size_t length, struct vnode *target);
    int (*rmdir)(struct vnode *dir, const char *name, size_t length, struct vnode *target);
    int (*rename)(struct vnode *from_dir, const char *from, size_t from_length,
                  struct vnode *to_dir, const char *to, size_t to_length, struct vnode *moved,
                  struct vnode *replaced);
    int (*readdir)(struct vnode *dir, off_t *offset, vnode_entry_fn *entry, void *argument);
    ssize_t (*readlink)(struct vnode *link, char *buffer, size_t size);
    ssize_t (*read)(struct vnode *vnode, void *buffer, size_t size, off_t offset);
    ssize_t (*write)(struct vnode *vnode, const void *buffer, size_t size, off_t offset);
    int (*getattr)(struct vnode *vnode, struct stat *stat);
    int (*setattr)(struct vnode *vnode, const struct vnode_attributes *attributes);
    int (*fsync)(struct vnode *vnode);
    int (*open)(struct vnode *vnode, struct file *file); /* optional: a device's own file_ops */
    void (*inactive)(struct vnode *vnode); /* no references left: write back, free if unlinked */
};

/* (i) immutable, (l) this->lock, (a) atomic, (c) the vnode cache's lock */
struct vnode {
    struct mutex lock;
    uint32_t references;         /* (a), to and from 0 under (c) */
    struct list_node cache_link; /* (c) the hash chain */
    struct list_node idle_link;  /* (c) the idle list, while there are no references */
    bool is_in_transit;          /* (c) being loaded or thrown out: wait for it */
    bool keep;                   /* (l) worth keeping when unreferenced; the file system's choice */
    struct mount *mount;         /* (i) the file system that it is in */
    ino_t number;                /* (i) unique in its mount */
    enum vnode_type type;        /* (i) */
    const struct vnode_ops *ops; /* (i) */
    void *data;                  /* (i) the file system's */
    struct mount *covered_by;    /* the mount list's lock: what is mounted here */
    struct object *object;       /* (l) its pages, for mapping; NULL until wanted */
    unsigned writers;            /* (l) open for writing */
    unsigned deny_write;         /* (l) running as a program: writing is ETXTBSY */
};

void vnode_reference(struct vnode *vnode);

/* Drop a reference. May sleep (the last one of an unlinked file frees it on disk). */
void vnode_release(struct vnode *vnode);

/* --- For file systems ----------------------------------------------------------------------- */

/*
 * The vnode `number` of `mount`, with a reference: the one in the cache, or a new one for which
 * load(vnode, argument) set at least `type` and `ops`. The caller may hold locks of other vnodes;
 * load() and ops->inactive() of this mount may take none that it holds.
 * Returns 0, -ENOMEM, or what load() says.
 */
int vnode_get(struct mount *mount, ino_t number, int (*load)(struct vnode *vnode, void *argument),
              void *argument, struct vnode **found) must_check;

/* As vnode_get() for a file that lives in memory: a new vnode gets these values. */
int vnode_get_pseudo(struct mount *mount, ino_t number, enum vnode_type type,
                     const struct vnode_ops *ops, void *data, struct vnode **found) must_check;

/*
 * For a pseudo directory's readdir: list "." and ".." at the offsets 0 and 1. False: stop.
 * `parent` is the number of the parent directory.
 */
bool vnode_list_dots(struct vnode *dir, ino_t parent, off_t *offset, vnode_entry_fn *entry,
                     void *argument);

/* The type bits of st_mode for a vnode type, and back (false: there is none). */
mode_t vnode_type_mode(enum vnode_type type);
bool vnode_type_from_mode(mode_t mode, enum vnode_type *type);

/* The vnode in the cache, with a reference, or NULL. */
struct vnode *vnode_find(struct mount *mount, ino_t number) must_check;

/* Whether there is a vnode with this number, not on its way out. */
bool vnode_is_cached(const struct mount *mount, ino_t number);

/* Throw out all vnodes of a mount but its root: 0, or -EBUSY when one is in use. */
int vnode_evict_all(struct mount *mount) must_check;

/* Throw out idle vnodes with their cached pages: at most `count`. Takes only spinlocks. */
void vnode_reclaim(size_t count);

/* Prepare the cache. */
void vnode_init(void);

/* --- For everyone --------------------------------------------------------------------------- */

/*
 * Find a file from the current process's root or current directory (from `/` in a kernel
 * thread). Follows symbolic links, the last one only if `follow`. The result is referenced and
 * unlocked. Returns 0, -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EACCES, -EIO, -ENOMEM.
 */
int vnode_lookup(const char *path, bool follow, struct vnode **found) must_check;

/* The parent directory; of a root itself. Takes dir->lock; stays in the mount. */
int vnode_parent(struct vnode *dir, struct vnode **parent) must_check;

/* Change attributes; takes vnode->lock. */
int vnode_setattr(struct vnode *vnode, const struct vnode_attributes *attributes) must_check;

/* Forget the cached pages of a file from `offset` on, after it was changed there. */
void vnode_drop_pages(struct vnode *vnode, off_t offset);

/* Read into kernel memory; takes vnode->lock. Returns the count (short at the end) or an errno. */
ssize_t vnode_read(struct vnode *vnode, void *buffer, size_t size, off_t offset) must_check;

/* File status; takes vnode->lock. */
int vnode_stat(struct vnode *vnode, struct stat *stat) must_check;

/*
 * The memory object that shows the file's bytes, with a reference for the caller. Writes and
 * truncation drop its cached pages. Returns 0, -ENODEV (not a regular file), -ENOMEM.
 */
int vnode_get_object(struct vnode *vnode, struct object **object) must_check;

/*
 * Forbid writing while the file runs as a program: 0, or -ETXTBSY when someone has it open for
 * writing. The counterpart ends that.
 */
int vnode_deny_write(struct vnode *vnode) must_check;
void vnode_allow_write(struct vnode *vnode);

/* Whether the current process may access the file: R_OK, W_OK, X_OK bits. 0 or -EACCES. */
int vnode_access(struct vnode *vnode, int access) must_check;

/* The same with vnode->lock held, and for the process's real instead of its effective ids. */
int vnode_access_locked(struct vnode *vnode, int access) must_check;
int vnode_access_real(struct vnode *vnode, int access) must_check;

/* Where a symbolic link points, not NUL-terminated, cut to `size`: its length, or -EINVAL. */
ssize_t vnode_readlink(struct vnode *link, char *buffer, size_t size) must_check;

/* --- For kern/main.c ------------------------------------------------------------------------ */

/*
 * Mount the root file system from a disk ("disk0") and devfs and procfs where the root has /dev
 * and /proc. Returns 0 or an errno after telling on the log what is wrong with it.
 */
int fs_mount_root(const char *device, bool read_only) must_check;

/* Write everything back and mark the file systems clean: before power-off. */
void fs_shutdown(void);
