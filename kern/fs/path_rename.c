/*
 * rename(2).
 *
 * Moving a directory changes the tree itself, so two such moves at a time could make a loop (a
 * into b/x, b into a/y) or deadlock. A rename between two directories therefore holds the
 * mount's rename_lock; while it does, no directory changes its parent. Then:
 *
 *      1. find out whether one directory lies below the other, and through which child;
 *      2. lock both, the upper one first, else by address;
 *      3. look up both names. If what is moved is that child of the upper directory, it would move
 *         into itself: -EINVAL. If what is replaced is that child, it is not empty: -ENOTEMPTY;
 *      4. lock what is moved and what is replaced, by address: neither lies below the other now.
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/fs/mount.h"
#include "kern/fs/namei.h"
#include "kern/fs/path.h"
#include "kern/print.h"

#define DEPTH_MAX 65536 /* no path is that deep: a loop on a corrupt disk */

struct rename {
    struct namei from, to;
    struct vnode *from_child; /* the child of from.directory above or at to.directory, or NULL */
    struct vnode *to_child;   /* the other way round */
    struct vnode *moved, *replaced;
};

/*
 * Find the child of `upper` on the way down to `lower`, with a reference; *child is NULL if
 * `lower` does not lie below `upper`. rename_lock is held.
 */
static int find_child_towards(struct vnode *upper, struct vnode *lower, struct vnode **child)
{
    struct vnode *parent, *vnode = lower;
    int error = 0;

    *child = NULL;
    vnode_reference(vnode);
    for (unsigned depth = 0; vnode != vnode->mount->root; depth++) {
        error = depth < DEPTH_MAX ? vnode_parent(vnode, &parent) : -EIO;
        if (error != 0)
            break;
        if (parent == upper) {
            vnode_release(parent);
            *child = vnode;
            return 0;
        }
        vnode_release(vnode);
        vnode = parent;
    }
    vnode_release(vnode);
    /* A removed directory has no parent and lies below nothing. */
    return error == -ENOENT ? 0 : error;
}

static void lock_two(struct vnode *first, struct vnode *second)
{
    mutex_lock(&first->lock);
    mutex_lock_nested(&second->lock);
}

static void lock_directories(struct rename *rename)
{
    struct vnode *from = rename->from.directory, *to = rename->to.directory;

    if (from == to)
        mutex_lock(&from->lock);
    else if (rename->from_child != NULL || (rename->to_child == NULL && from < to))
        lock_two(from, to);
    else
        lock_two(to, from);
}

static void unlock_directories(struct rename *rename)
{
    if (rename->from.directory != rename->to.directory)
        mutex_unlock(&rename->to.directory->lock);
    mutex_unlock(&rename->from.directory->lock);
}

/* Look up both names; the directories are locked. */
static int lookup_both(struct rename *rename)
{
    struct vnode *from = rename->from.directory, *to = rename->to.directory;
    int error = vnode_access_locked(from, X_OK);

    if (error == 0)
        error = vnode_access_locked(to, X_OK);
    if (error == 0)
        error = from->ops->lookup(from, rename->from.name, rename->from.length, &rename->moved);
    if (error != 0)
        return error;
    error = to->ops->lookup(to, rename->to.name, rename->to.length, &rename->replaced);
    return error == -ENOENT ? 0 : error;
}

/* Everything that forbids it, in Linux's order. */
static int check_rename(struct rename *rename)
{
    struct vnode *from = rename->from.directory, *to = rename->to.directory;
    struct vnode *moved = rename->moved, *replaced = rename->replaced;
    bool is_directory = moved->type == VNODE_DIRECTORY;
    int error;

    if (moved == rename->from_child)
        return -EINVAL;
    if (replaced != NULL && replaced == rename->to_child)
        return -ENOTEMPTY;
    if (moved == to || replaced == from)
        return -EBUSY;
    error = path_check_delete(from, moved);
    if (error == 0)
        error = replaced == NULL ? vnode_access_locked(to, W_OK | X_OK)
                                 : path_check_delete(to, replaced);
    if (error != 0)
        return error;
    if (replaced != NULL && is_directory != (replaced->type == VNODE_DIRECTORY))
        return is_directory ? -ENOTDIR : -EISDIR;
    if (moved->covered_by != NULL || (replaced != NULL && replaced->covered_by != NULL))
        return -EBUSY;
    return from->ops->rename == NULL ? -EPERM : 0;
}

/* The directories are locked, and nothing forbids it. */
static int do_rename(struct rename *rename)
{
    struct namei *from = &rename->from, *to = &rename->to;
    struct vnode *moved = rename->moved, *replaced = rename->replaced;
    struct vnode *first = replaced != NULL && replaced < moved ? replaced : moved;
    struct vnode *second = first == moved ? replaced : moved;
    int error = 0;

    mutex_lock_nested(&first->lock);
    if (second != NULL)
        mutex_lock_nested(&second->lock);
    if (moved->type == VNODE_DIRECTORY && from->directory != to->directory)
        error = vnode_access_locked(moved, W_OK);
    if (error == 0)
        error = from->directory->ops->rename(from->directory, from->name, from->length,
                                             to->directory, to->name, to->length, moved, replaced);
    if (second != NULL)
        mutex_unlock(&second->lock);
    mutex_unlock(&first->lock);
    return error;
}

/* rename_lock is held if the directories differ. */
static int rename_between(struct rename *rename)
{
    struct vnode *from = rename->from.directory, *to = rename->to.directory;
    int error = 0;

    if (from != to) {
        error = find_child_towards(from, to, &rename->from_child);
        if (error == 0 && rename->from_child == NULL)
            error = find_child_towards(to, from, &rename->to_child);
        if (error != 0)
            return error;
    }
    lock_directories(rename);
    error = lookup_both(rename);
    if (error == 0 && rename->moved->type != VNODE_DIRECTORY &&
        (rename->from.trailing_slash || rename->to.trailing_slash))
        error = -ENOTDIR;
    if (error == 0 && rename->moved != rename->replaced) {
        error = check_rename(rename);
        if (error == 0)
            error = do_rename(rename);
    }
    unlock_directories(rename);
    return error;
}

static int rename_last(struct rename *rename)
{
    struct vnode *from = rename->from.directory, *to = rename->to.directory;
    struct mount *mount = from->mount;
    struct vnode *used[4];
    int error;

    if (mount != to->mount)
        return -EXDEV;
    if (rename->from.kind != NAME_NORMAL || rename->to.kind != NAME_NORMAL)
        return -EBUSY;
    if (mount->read_only)
        return -EROFS;
    if (from != to)
        mutex_lock(&mount->rename_lock);
    error = rename_between(rename);
    if (from != to)
        mutex_unlock(&mount->rename_lock);
    used[0] = rename->from_child;
    used[1] = rename->to_child;
    used[2] = rename->moved;
    used[3] = rename->replaced;
    for (size_t i = 0; i < array_length(used); i++)
        if (used[i] != NULL)
            vnode_release(used[i]);
    return error;
}

int path_rename(int from_base, const char *from_path, int to_base, const char *to_path)
{
    struct rename rename = {0};
    int error = namei_begin(from_base, from_path, &rename.from);

    if (error != 0)
        return error;
    error = namei_begin(to_base, to_path, &rename.to);
    if (error == 0) {
        error = rename_last(&rename);
        namei_end(&rename.to);
    }
    namei_end(&rename.from);
    return error;
}
