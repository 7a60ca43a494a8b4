/*
 * ext2: names: lookup, create, link, unlink, rename.
 *
 * Each operation does first what can fail for want of space, so that nothing has to be undone but
 * a new inode; that one becomes an orphan and goes with its last reference. A directory's link
 * count is 2 (its name and ".") plus one for the ".." of each subdirectory.
 *
 * The vnodes involved are locked by the caller (kern/fs/path.c), a new one is not: nobody else can
 * find it before its directory is unlocked.
 */
#include "kern/abi/errno.h"
#include "kern/fs/ext2.h"
#include "kern/string.h"

static bool is_removed(const struct vnode *vnode)
{
    return ext2_inode_of(vnode)->disk.links_count == 0;
}

/* --- Finding ---------------------------------------------------------------------------------- */

static int ext2_lookup(struct vnode *dir, const char *name, size_t length, struct vnode **found)
{
    struct ext2_slot slot;
    int error = ext2_dir_find(dir, name, length, &slot);

    return error != 0 ? error : ext2_get(ext2_fs_of(dir), slot.number, found);
}

/*
 * The parent of a removed directory: still there for someone who works in it, unless its number
 * stands for another file by now.
 */
static int removed_parent(struct vnode *dir, ino_t number, struct vnode **found)
{
    struct vnode *vnode = vnode_find(dir->mount, number);

    if (vnode == NULL)
        return -ENOENT;
    if (ext2_inode_of(vnode)->disk.generation != ext2_inode_of(dir)->parent_generation) {
        vnode_release(vnode);
        return -ENOENT;
    }
    *found = vnode;
    return 0;
}

static int ext2_parent(struct vnode *dir, struct vnode **found)
{
    struct ext2_slot slot;
    int error = ext2_dir_find(dir, "..", 2, &slot);

    if (error == -ENOENT)
        return ext2_corrupt(ext2_fs_of(dir), "no .. in directory", dir->number);
    if (error == 0)
        error = is_removed(dir) ? removed_parent(dir, slot.number, found)
                                : ext2_get(ext2_fs_of(dir), slot.number, found);
    if (error == 0 && (*found)->type != VNODE_DIRECTORY) {
        vnode_release(*found);
        error = ext2_corrupt(ext2_fs_of(dir), "parent of directory", dir->number);
    }
    return error;
}

/* --- Link counts ------------------------------------------------------------------------------ */

static void add_link(struct vnode *vnode)
{
    struct ext2_inode *inode = ext2_inode_of(vnode);

    inode->disk.links_count++;
    ext2_inode_touch(inode, EXT2_CTIME);
    ext2_inode_store(inode);
}

/* One name less; without any the inode becomes an orphan. */
static void drop_link(struct vnode *vnode)
{
    struct ext2_inode *inode = ext2_inode_of(vnode);

    ext2_inode_touch(inode, EXT2_CTIME);
    if (inode->disk.links_count > 1) {
        inode->disk.links_count--;
        ext2_inode_store(inode);
    } else {
        ext2_inode_orphan(inode);
    }
}

/* A subdirectory's ".." less. */
static void drop_parent_link(struct vnode *dir)
{
    struct ext2_inode *inode = ext2_inode_of(dir);

    if (inode->disk.links_count > 2)
        inode->disk.links_count--;
    ext2_inode_store(inode);
}

/* A directory, which is empty, is no longer in `parent`. */
static void remove_directory(struct vnode *parent, struct vnode *dir)
{
    drop_parent_link(parent);
    ext2_inode_of(dir)->parent_generation = ext2_inode_of(parent)->disk.generation;
    ext2_inode_orphan(ext2_inode_of(dir));
}

/* --- Creating --------------------------------------------------------------------------------- */

/* Make an inode with a name; `target` is a symbolic link's. */
static int create_in_change(struct vnode *dir, const char *name, size_t length, mode_t mode,
                            dev_t device, const char *target, struct vnode **created)
{
    struct vnode *vnode;
    int error = ext2_inode_create(dir, mode, device, &vnode);

    if (error != 0)
        return error;
    if (S_ISDIR(mode))
        error = ext2_dir_init(vnode, dir->number);
    else if (S_ISLNK(mode))
        error = ext2_set_link_target(vnode, target, strlen(target));
    if (error == 0)
        error = ext2_dir_add(dir, name, length, vnode->number, vnode->type);
    if (error != 0) {
        ext2_inode_orphan(ext2_inode_of(vnode));
        vnode_release(vnode);
        return error;
    }
    if (S_ISDIR(mode))
        add_link(dir);
    *created = vnode;
    return 0;
}

static int create_any(struct vnode *dir, const char *name, size_t length, mode_t mode, dev_t device,
                      const char *target, struct vnode **created)
{
    struct ext2_fs *fs = ext2_fs_of(dir);
    int error;

    if (is_removed(dir))
        return -ENOENT;
    if (S_ISDIR(mode) && ext2_inode_of(dir)->disk.links_count >= EXT2_LINKS_MAX)
        return -EMLINK;
    error = ext2_begin(fs);
    if (error != 0)
        return error;
    error = create_in_change(dir, name, length, mode, device, target, created);
    ext2_end(fs);
    return error;
}

static int ext2_create(struct vnode *dir, const char *name, size_t length, mode_t mode,
                       dev_t device, struct vnode **created)
{
    return create_any(dir, name, length, mode, device, NULL, created);
}

static int ext2_symlink(struct vnode *dir, const char *name, size_t length, const char *target)
{
    struct vnode *created;
    int error = create_any(dir, name, length, S_IFLNK | 0777, 0, target, &created);

    if (error == 0)
        vnode_release(created);
    return error;
}

static int ext2_link(struct vnode *dir, const char *name, size_t length, struct vnode *target)
{
    struct ext2_fs *fs = ext2_fs_of(dir);
    int error;

    if (is_removed(dir) || is_removed(target))
        return -ENOENT;
    if (ext2_inode_of(target)->disk.links_count >= EXT2_LINKS_MAX)
        return -EMLINK;
    error = ext2_begin(fs);
    if (error != 0)
        return error;
    error = ext2_dir_add(dir, name, length, target->number, target->type);
    if (error == 0)
        add_link(target);
    ext2_end(fs);
    return error;
}

/* --- Removing --------------------------------------------------------------------------------- */

static int remove_name(struct vnode *dir, const char *name, size_t length)
{
    struct ext2_slot slot;
    int error = ext2_dir_find(dir, name, length, &slot);

    return error != 0 ? error : ext2_dir_remove(dir, &slot);
}

static int ext2_unlink(struct vnode *dir, const char *name, size_t length, struct vnode *target)
{
    struct ext2_fs *fs = ext2_fs_of(dir);
    int error = ext2_begin(fs);

    if (error != 0)
        return error;
    error = remove_name(dir, name, length);
    if (error == 0)
        drop_link(target);
    ext2_end(fs);
    return error;
}

static int ext2_rmdir(struct vnode *dir, const char *name, size_t length, struct vnode *target)
{
    struct ext2_fs *fs = ext2_fs_of(dir);
    int error = ext2_dir_check_empty(target);

    if (error == 0)
        error = ext2_begin(fs);
    if (error != 0)
        return error;
    error = remove_name(dir, name, length);
    if (error == 0)
        remove_directory(dir, target);
    ext2_end(fs);
    return error;
}

/* --- Renaming --------------------------------------------------------------------------------- */

/* Make the name `to` refer to `moved`. */
static int rename_enter(struct vnode *to_dir, const char *to, size_t to_length, struct vnode *moved,
                        struct vnode *replaced)
{
    struct ext2_slot slot;
    int error;

    if (replaced == NULL)
        return ext2_dir_add(to_dir, to, to_length, moved->number, moved->type);
    error = ext2_dir_find(to_dir, to, to_length, &slot);
    if (error == 0)
        error = ext2_dir_replace(to_dir, &slot, moved->number, moved->type);
    if (error != 0)
        return error;
    if (replaced->type == VNODE_DIRECTORY)
        remove_directory(to_dir, replaced);
    else
        drop_link(replaced);
    return 0;
}

/* A directory has another parent now. */
static int rename_parent(struct vnode *moved, struct vnode *from_dir, struct vnode *to_dir)
{
    struct ext2_slot slot;
    int error = ext2_dir_find(moved, "..", 2, &slot);

    if (error == 0)
        error = ext2_dir_replace(moved, &slot, to_dir->number, VNODE_DIRECTORY);
    add_link(to_dir);
    drop_parent_link(from_dir);
    return error;
}

static int ext2_rename(struct vnode *from_dir, const char *from, size_t from_length,
                       struct vnode *to_dir, const char *to, size_t to_length, struct vnode *moved,
                       struct vnode *replaced)
{
    struct ext2_fs *fs = ext2_fs_of(from_dir);
    bool new_parent = moved->type == VNODE_DIRECTORY && from_dir != to_dir;
    int error = 0;

    if (is_removed(to_dir))
        return -ENOENT;
    if (new_parent && ext2_inode_of(to_dir)->disk.links_count >= EXT2_LINKS_MAX)
        return -EMLINK;
    if (replaced != NULL && replaced->type == VNODE_DIRECTORY)
        error = ext2_dir_check_empty(replaced);
    if (error == 0)
        error = ext2_begin(fs);
    if (error != 0)
        return error;
    error = rename_enter(to_dir, to, to_length, moved, replaced);
    if (error == 0)
        error = remove_name(from_dir, from, from_length);
    if (error == 0 && new_parent)
        error = rename_parent(moved, from_dir, to_dir);
    if (error == 0) {
        ext2_inode_touch(ext2_inode_of(moved), EXT2_CTIME);
        ext2_inode_store(ext2_inode_of(moved));
    }
    ext2_end(fs);
    return error;
}

const struct vnode_ops ext2_vnode_ops = {
    .lookup = ext2_lookup,
    .parent = ext2_parent,
    .create = ext2_create,
    .symlink = ext2_symlink,
    .link = ext2_link,
    .unlink = ext2_unlink,
    .rmdir = ext2_rmdir,
    .rename = ext2_rename,
    .readdir = ext2_readdir,
    .readlink = ext2_readlink,
    .read = ext2_read,
    .write = ext2_write,
    .getattr = ext2_getattr,
    .setattr = ext2_setattr,
    .fsync = ext2_fsync,
    .inactive = ext2_inactive,
};
