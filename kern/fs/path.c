/*
 * Operations on names: open, create, link, remove. Renaming has a file of its own.
 *
 * Each resolves the path up to its last component, locks the directory, looks the name up again
 * under that lock, checks permissions, and calls the file system. The order of the checks is
 * Linux's, because programs see which error comes first.
 */
#include "kern/fs/path.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/dev/device.h"
#include "kern/file.h"
#include "kern/fs/context.h"
#include "kern/fs/mount.h"
#include "kern/fs/namei.h"
#include "kern/pipe.h"
#include "kern/process.h"

/* --- Creating --------------------------------------------------------------------------------- */

/*
 * Lock the directory in which namei's last component is to be created: it does not exist yet and
 * the process may create it.
 */
static int lock_for_new(struct namei *namei)
{
    struct vnode *dir = namei->directory, *found;
    int error;

    if (namei->kind != NAME_NORMAL)
        return -EEXIST;
    mutex_lock(&dir->lock);
    error = vnode_access_locked(dir, X_OK);
    if (error == 0)
        error = dir->ops->lookup(dir, namei->name, namei->length, &found);
    if (error == 0) {
        vnode_release(found);
        error = -EEXIST;
    } else if (error == -ENOENT) {
        error = dir->mount->read_only ? -EROFS : vnode_access_locked(dir, W_OK | X_OK);
        if (error == 0 && dir->ops->create == NULL)
            error = -EPERM;
    }
    if (error != 0)
        mutex_unlock(&dir->lock);
    return error;
}

/* Create the last component, whose directory is not locked yet. */
static int create_last(struct namei *namei, mode_t mode, dev_t device, struct vnode **created)
{
    struct vnode *dir = namei->directory;
    int error = lock_for_new(namei);

    if (error != 0)
        return error;
    error = dir->ops->create(dir, namei->name, namei->length, mode, device, created);
    mutex_unlock(&dir->lock);
    return error;
}

/* As lock_for_new() for what is not a directory: a slash after its name is wrong. */
static int lock_for_new_file(struct namei *namei)
{
    int error = lock_for_new(namei);

    if (error == 0 && namei->trailing_slash) {
        mutex_unlock(&namei->directory->lock);
        error = -ENOENT;
    }
    return error;
}

int path_create(int base, const char *path, mode_t mode, dev_t device)
{
    struct namei namei;
    struct vnode *created;
    int error = namei_begin(base, path, &namei);

    if (error != 0)
        return error;
    error = S_ISDIR(mode) ? lock_for_new(&namei) : lock_for_new_file(&namei);
    if (error == 0) {
        error = namei.directory->ops->create(namei.directory, namei.name, namei.length,
                                             fs_context_apply_umask(mode), device, &created);
        mutex_unlock(&namei.directory->lock);
    }
    namei_end(&namei);
    if (error == 0)
        vnode_release(created);
    return error;
}

int path_symlink(const char *target, int base, const char *path)
{
    struct namei namei;
    struct vnode *dir;
    int error = namei_begin(base, path, &namei);

    if (error != 0)
        return error;
    dir = namei.directory;
    error = target[0] == '\0' ? -ENOENT : lock_for_new_file(&namei);
    if (error == 0) {
        error = -EPERM;
        if (dir->ops->symlink != NULL)
            error = dir->ops->symlink(dir, namei.name, namei.length, target);
        mutex_unlock(&dir->lock);
    }
    namei_end(&namei);
    return error;
}

/* The new name's directory is locked. */
static int link_locked(struct namei *namei, struct vnode *target)
{
    struct vnode *dir = namei->directory;
    int error;

    if (target->mount != dir->mount)
        return -EXDEV;
    if (target->type == VNODE_DIRECTORY || dir->ops->link == NULL)
        return -EPERM;
    mutex_lock_nested(&target->lock);
    error = dir->ops->link(dir, namei->name, namei->length, target);
    mutex_unlock(&target->lock);
    return error;
}

int path_link(int old_base, const char *old_path, int new_base, const char *new_path, bool follow)
{
    struct namei namei;
    struct vnode *target;
    int error = namei_lookup(old_base, old_path, follow, &target);

    if (error != 0)
        return error;
    error = namei_begin(new_base, new_path, &namei);
    if (error == 0) {
        error = lock_for_new_file(&namei);
        if (error == 0) {
            error = link_locked(&namei, target);
            mutex_unlock(&namei.directory->lock);
        }
        namei_end(&namei);
    }
    vnode_release(target);
    return error;
}

/* --- Removing --------------------------------------------------------------------------------- */

int path_check_delete(struct vnode *dir, struct vnode *target)
{
    const struct process *process = process_self();
    struct stat dir_stat, target_stat;
    int error = vnode_access_locked(dir, W_OK | X_OK);

    if (error != 0)
        return error;
    if (target == dir || target == dir->mount->root)
        return -EBUSY;
    if (process == NULL || process->euid == 0)
        return 0;
    error = dir->ops->getattr(dir, &dir_stat);
    if (error != 0 || (dir_stat.st_mode & S_ISVTX) == 0 || dir_stat.st_uid == process->euid)
        return error;
    mutex_lock_nested(&target->lock);
    error = target->ops->getattr(target, &target_stat);
    mutex_unlock(&target->lock);
    return error != 0 || target_stat.st_uid == process->euid ? error : -EPERM;
}

/* The directory is locked; `target` is what the name stands for. */
static int remove_locked(struct namei *namei, struct vnode *target, bool is_directory)
{
    struct vnode *dir = namei->directory;
    int (*remove)(struct vnode *, const char *, size_t, struct vnode *);
    int error;

    if (!is_directory && namei->trailing_slash)
        return target->type == VNODE_DIRECTORY ? -EISDIR : -ENOTDIR;
    error = path_check_delete(dir, target);
    if (error != 0)
        return error;
    if (is_directory != (target->type == VNODE_DIRECTORY))
        return is_directory ? -ENOTDIR : -EISDIR;
    if (target->covered_by != NULL)
        return -EBUSY;
    remove = is_directory ? dir->ops->rmdir : dir->ops->unlink;
    if (remove == NULL)
        return -EPERM;
    mutex_lock_nested(&target->lock);
    error = remove(dir, namei->name, namei->length, target);
    mutex_unlock(&target->lock);
    return error;
}

static int remove_last(struct namei *namei, bool is_directory)
{
    struct vnode *dir = namei->directory, *target;
    int error;

    if (namei->kind != NAME_NORMAL && !is_directory)
        return -EISDIR;
    if (namei->kind == NAME_DOT)
        return -EINVAL;
    if (namei->kind != NAME_NORMAL)
        return namei->kind == NAME_DOT_DOT ? -ENOTEMPTY : -EBUSY;
    if (dir->mount->read_only)
        return -EROFS;
    mutex_lock(&dir->lock);
    error = vnode_access_locked(dir, X_OK);
    if (error == 0)
        error = dir->ops->lookup(dir, namei->name, namei->length, &target);
    if (error != 0) {
        mutex_unlock(&dir->lock);
        return error;
    }
    error = remove_locked(namei, target, is_directory);
    mutex_unlock(&dir->lock);
    vnode_release(target);
    return error;
}

int path_remove(int base, const char *path, bool is_directory)
{
    struct namei namei;
    int error = namei_begin(base, path, &namei);

    if (error != 0)
        return error;
    error = remove_last(&namei, is_directory);
    namei_end(&namei);
    return error;
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* R_OK and W_OK as the flags of open(2) want them. */
static int wanted_access(uint32_t flags)
{
    static const int accesses[] = {R_OK, W_OK, R_OK | W_OK, R_OK | W_OK};

    return accesses[flags & O_ACCMODE] | ((flags & O_TRUNC) != 0 ? W_OK : 0);
}

/* Find the file, or create it if the flags say so. */
static int find_or_create(struct namei *namei, uint32_t flags, mode_t mode, struct vnode **found,
                          bool *is_new)
{
    bool follow = (flags & O_NOFOLLOW) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
    int error;

    *is_new = false;
    if ((flags & O_CREAT) == 0)
        return namei_last(namei, follow, found);
    namei->for_create = true;
    mode = S_IFREG | fs_context_apply_umask(mode & 07777);
    do {
        if (namei->kind != NAME_NORMAL)
            return (flags & O_EXCL) != 0 ? -EEXIST : -EISDIR;
        if (namei->trailing_slash)
            return -EISDIR;
        error = namei_last(namei, follow, found);
        if (error == 0 && (flags & O_EXCL) != 0) {
            vnode_release(*found);
            return -EEXIST;
        }
        if (error != -ENOENT || namei->name == NULL)
            return error;
        error = create_last(namei, mode, 0, found);
        *is_new = error == 0;
    } while (error == -EEXIST && (flags & O_EXCL) == 0);
    return error;
}

/* Whether this file may be opened this way. */
static int check_open(struct vnode *vnode, uint32_t flags)
{
    int access = wanted_access(flags);

    if ((flags & O_DIRECTORY) != 0 && vnode->type != VNODE_DIRECTORY)
        return -ENOTDIR;
    if ((flags & O_PATH) != 0)
        return 0;
    if (vnode->type == VNODE_SYMLINK)
        return -ELOOP;
    if (vnode->type == VNODE_SOCKET)
        return -ENXIO;
    if (vnode->type == VNODE_DIRECTORY && ((access & W_OK) != 0 || (flags & O_CREAT) != 0))
        return -EISDIR;
    if ((access & W_OK) != 0 && vnode->type == VNODE_FILE && vnode->mount->read_only)
        return -EROFS;
    return vnode_access(vnode, access);
}

/* Count a writer; -ETXTBSY while the file runs as a program. */
static int begin_writing(struct vnode *vnode, uint32_t flags)
{
    int error = 0;

    if (vnode->type != VNODE_FILE || (wanted_access(flags) & W_OK) == 0 || (flags & O_PATH) != 0)
        return 0;
    mutex_lock(&vnode->lock);
    if (vnode->deny_write > 0)
        error = -ETXTBSY;
    else if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR)
        vnode->writers++;
    mutex_unlock(&vnode->lock);
    return error;
}

/* What a type of file or a file system wants to do about the open file. */
static int open_specially(struct vnode *vnode, struct file *file)
{
    struct stat stat;
    int error = 0;

    if (vnode->ops->open != NULL) {
        mutex_lock(&vnode->lock);
        error = vnode->ops->open(vnode, file);
        mutex_unlock(&vnode->lock);
    } else if (vnode->type == VNODE_FIFO) {
        error = pipe_open_fifo(vnode, file);
    } else if (vnode->type == VNODE_CHAR || vnode->type == VNODE_BLOCK) {
        error = vnode_stat(vnode, &stat);
        if (error == 0)
            error = device_open(stat.st_mode & S_IFMT, stat.st_rdev, file);
    }
    return error;
}

/* Make an open file of a vnode, whose reference it takes over in any case. */
static int open_vnode(struct vnode *vnode, uint32_t flags, bool is_new, struct file **file)
{
    struct vnode_attributes empty = {.valid = ATTR_SIZE};
    int error = is_new ? 0 : check_open(vnode, flags);

    if (error == 0)
        error = begin_writing(vnode, flags);
    if (error == 0)
        error = file_create(&vnode_file_ops, flags, vnode, NULL, file);
    if (error != 0) {
        vnode_release(vnode);
        return error;
    }
    if ((flags & O_PATH) != 0)
        return 0;
    if ((flags & O_TRUNC) != 0 && vnode->type == VNODE_FILE && !is_new)
        error = vnode_setattr(vnode, &empty);
    if (error == 0)
        error = open_specially(vnode, *file);
    if (error != 0)
        file_release(*file);
    return error;
}

int path_open(int base, const char *path, uint32_t flags, mode_t mode, struct file **file)
{
    struct namei namei;
    struct vnode *vnode;
    bool is_new;
    int error;

    if ((flags & O_PATH) != 0)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
        return -EINVAL;
    error = namei_begin(base, path, &namei);
    if (error != 0)
        return error;
    error = find_or_create(&namei, flags, mode, &vnode, &is_new);
    namei_end(&namei);
    return error != 0 ? error : open_vnode(vnode, flags, is_new, file);
}
