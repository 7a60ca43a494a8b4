/*
 * Open files, and each process's table of them. Theory in kern/file.c.
 */
#pragma once

#include "kern/mutex.h"
#include "kern/spinlock.h"
#include "kern/types.h"

struct file;
struct stat;
struct vnode;

/* How many descriptors a process may have (RLIMIT_NOFILE). */
#define FILE_DESCRIPTORS_MAX 1024

/*
 * What can be done with an open file. Buffers are the kernel's. A NULL member answers as Linux
 * does for a file that cannot do it (-EINVAL, -ENOTTY, -ESPIPE).
 */
struct file_ops {
    /*
     * Move at most `size` bytes at *position and advance it. May return less; 0 is the end.
     * -ERESTARTSYS when a signal came before the first byte.
     */
    ssize_t (*read)(struct file *file, void *buffer, size_t size, off_t *position);
    ssize_t (*write)(struct file *file, const void *buffer, size_t size, off_t *position);
    int64_t (*ioctl)(struct file *file, uint32_t command, uaddr_t argument);
    /* Which of `events` (POLLIN, POLLOUT, ...) hold now; see kern/poll.h. NULL: both, always. */
    unsigned (*poll)(struct file *file, unsigned events);
    int (*stat)(struct file *file, struct stat *stat);
    off_t (*size)(struct file *file);   /* where SEEK_END is; NULL: at st_size */
    void (*release)(struct file *file); /* the last reference is gone */
    bool is_seekable;
};

/* (i) immutable once open(2) has finished, (a) atomic */
struct file {
    uint32_t references;        /* (a) */
    uint32_t flags;             /* (a) O_ACCMODE, O_APPEND, O_NONBLOCK */
    const struct file_ops *ops; /* (i) */
    struct vnode *vnode;        /* (i) NULL for pipes */
    void *data;                 /* (i) the ops' own */
    struct mutex offset_lock;
    off_t offset; /* offset_lock */
};

/*
 * Make an open file with one reference. `flags` are open(2)'s; a reference to the vnode (may be
 * NULL) is the file's from then on. Returns 0 or -ENOMEM (the vnode reference stays the caller's).
 */
int file_create(const struct file_ops *ops, uint32_t flags, struct vnode *vnode, void *data,
                struct file **file) must_check;
void file_reference(struct file *file);
void file_release(struct file *file);

/* Whether O_ACCMODE allows it. */
bool file_is_readable(const struct file *file);
bool file_is_writable(const struct file *file);

/*
 * Put `file` into the current process's table at the lowest free descriptor >= `lowest`; the
 * reference is the table's from then on. Returns the descriptor, -EMFILE or -ENOMEM.
 */
int file_install(struct file *file, int lowest, bool close_on_exec) must_check;

/*
 * As file_install(), at exactly `descriptor` (0..FILE_DESCRIPTORS_MAX - 1); what was there is
 * closed. Returns the descriptor or -ENOMEM.
 */
int file_install_at(struct file *file, int descriptor, bool close_on_exec) must_check;

/* The current process's open file `descriptor`, with a reference; NULL: -EBADF. */
struct file *file_get(int descriptor) must_check;

/* Take `descriptor` out of the table: its file with the table's reference, or NULL. */
struct file *file_remove(int descriptor) must_check;

/* The close-on-exec flag of a descriptor: 0 or 1, or -EBADF. */
int file_get_close_on_exec(int descriptor) must_check;
int file_set_close_on_exec(int descriptor, bool close_on_exec) must_check;

/* The file_ops of a vnode's open files: reads and writes go to the vnode. kern/fs/vnode_file.c */
extern const struct file_ops vnode_file_ops;

/* For kern/process.c: tables are made, copied by fork, and released at exit. */
struct file_table *file_table_create(void) must_check;
int file_table_copy(struct file_table *table, struct file_table **copy) must_check;
void file_table_release(struct file_table *table);

/* Share instead of copy (CLONE_FILES). */
void file_table_reference(struct file_table *table);

/*
 * exec: make a shared table the current process's own, close what is marked close-on-exec. A
 * process that shares its table and finds no memory for its own is killed.
 */
void file_table_close_on_exec(struct file_table *table);

/* Open `path` as descriptors 0, 1 and 2 (for init). Returns 0 or an errno. */
int file_table_open_standard(struct file_table *table, const char *path) must_check;

/* Current directory, root and umask. Created at `/`; copied by fork. */
struct fs_context *fs_context_create(void) must_check;
int fs_context_copy(struct fs_context *context, struct fs_context **copy) must_check;
void fs_context_reference(struct fs_context *context);
void fs_context_release(struct fs_context *context);
