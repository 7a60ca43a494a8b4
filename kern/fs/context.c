/*
 * Current directory, root directory and umask of processes.
 *
 * The directories are held by references, so that they cannot be unmounted. A directory that
 * was removed while it was someone's current one stays as an empty one without a name.
 */
#include "kern/fs/context.h"

#include "kern/abi/errno.h"
#include "kern/file.h"
#include "kern/fs/mount.h"
#include "kern/process.h"
#include "vm/heap.h"

struct fs_context *fs_context_create(void)
{
    struct fs_context *context = kzalloc(sizeof *context);

    if (context == NULL)
        return NULL;
    context->references = 1;
    spin_init(&context->lock, "fs context", LOCK_FILE_TABLE);
    context->root = mount_root();
    context->directory = mount_root();
    context->umask = 022;
    return context;
}

/* One of the context's directories, with a reference. */
static struct vnode *context_get(struct fs_context *context, struct vnode **which)
{
    struct vnode *vnode;

    spin_lock(&context->lock);
    vnode = *which;
    vnode_reference(vnode);
    spin_unlock(&context->lock);
    return vnode;
}

int fs_context_copy(struct fs_context *context, struct fs_context **copy)
{
    struct fs_context *new = kzalloc(sizeof *new);

    if (new == NULL)
        return -ENOMEM;
    new->references = 1;
    spin_init(&new->lock, "fs context", LOCK_FILE_TABLE);
    new->root = context_get(context, &context->root);
    new->directory = context_get(context, &context->directory);
    new->umask = context->umask;
    *copy = new;
    return 0;
}

void fs_context_reference(struct fs_context *context)
{
    __atomic_fetch_add(&context->references, 1, __ATOMIC_RELAXED);
}

void fs_context_release(struct fs_context *context)
{
    if (__atomic_fetch_sub(&context->references, 1, __ATOMIC_ACQ_REL) > 1)
        return;
    vnode_release(context->directory);
    vnode_release(context->root);
    kfree(context);
}

struct vnode *fs_context_root(void)
{
    struct process *process = process_self();

    return process != NULL ? context_get(process->fs, &process->fs->root) : mount_root();
}

struct vnode *fs_context_directory(void)
{
    struct process *process = process_self();

    return process != NULL ? context_get(process->fs, &process->fs->directory) : mount_root();
}

void fs_context_set_directory(struct vnode *directory)
{
    struct fs_context *context = process_self()->fs;
    struct vnode *before;

    spin_lock(&context->lock);
    before = context->directory;
    context->directory = directory;
    spin_unlock(&context->lock);
    vnode_release(before);
}

mode_t fs_context_apply_umask(mode_t mode)
{
    const struct process *process = process_self();

    return process != NULL ? mode & ~process->fs->umask : mode;
}
