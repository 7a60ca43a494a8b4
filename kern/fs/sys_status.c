/*
 * System calls on the attributes of files: stat, access, chmod, chown, truncate, utimensat.
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/clock.h"
#include "kern/file.h"
#include "kern/fs/mount.h"
#include "kern/fs/sys_fs.h"
#include "kern/process.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"

/* --- stat and access -------------------------------------------------------------------------- */

static int64_t stat_at(int base, uaddr_t path, uaddr_t to, uint32_t flags)
{
    struct vnode *vnode;
    struct stat stat;
    int error = sys_lookup_at(base, path, flags, &vnode);

    if (error != 0)
        return error;
    error = vnode_stat(vnode, &stat);
    vnode_release(vnode);
    return error != 0 ? error : copyout(to, &stat, sizeof stat);
}

int64_t sys_stat(const uint64_t arg[])
{
    return stat_at(AT_FDCWD, arg[0], arg[1], 0);
}

int64_t sys_lstat(const uint64_t arg[])
{
    return stat_at(AT_FDCWD, arg[0], arg[1], AT_SYMLINK_NOFOLLOW);
}

int64_t sys_fstat(const uint64_t arg[])
{
    struct file *file = file_get((int)arg[0]);
    struct stat stat;
    int error;

    if (file == NULL)
        return -EBADF;
    if (file->ops->stat != NULL)
        error = file->ops->stat(file, &stat);
    else
        error = file->vnode != NULL ? vnode_stat(file->vnode, &stat) : -EINVAL;
    file_release(file);
    return error != 0 ? error : copyout(arg[1], &stat, sizeof stat);
}

int64_t sys_newfstatat(const uint64_t arg[])
{
    uint32_t flags = (uint32_t)arg[3] & ~(uint32_t)AT_NO_AUTOMOUNT;
    uint64_t fstat_arg[] = {arg[0], arg[2]};
    char first;

    if ((flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    if ((flags & AT_EMPTY_PATH) != 0 && (int)arg[0] != AT_FDCWD && copyin(&first, arg[1], 1) == 0 &&
        first == '\0')
        return sys_fstat(fstat_arg); /* pipes have no vnode */
    return stat_at((int)arg[0], arg[1], arg[2], flags);
}

static int64_t access_at(int base, uaddr_t path, uint32_t mode)
{
    struct vnode *vnode;
    int error;

    if ((mode & ~(uint32_t)(R_OK | W_OK | X_OK)) != 0)
        return -EINVAL;
    error = sys_lookup(base, path, true, &vnode);
    if (error != 0)
        return error;
    error = vnode_access_real(vnode, (int)mode);
    if (error == 0 && (mode & W_OK) != 0 && vnode->mount->read_only &&
        (vnode->type == VNODE_FILE || vnode->type == VNODE_DIRECTORY))
        error = -EROFS;
    vnode_release(vnode);
    return error;
}

int64_t sys_access(const uint64_t arg[])
{
    return access_at(AT_FDCWD, arg[0], (uint32_t)arg[1]);
}

int64_t sys_faccessat(const uint64_t arg[])
{
    return access_at((int)arg[0], arg[1], (uint32_t)arg[2]);
}

/* --- chmod and chown -------------------------------------------------------------------------- */

/* The vnode's owner may do it, and root: -EPERM for others. */
static int check_owner(struct vnode *vnode, struct stat *stat)
{
    uid_t uid = process_self()->euid;
    int error = vnode_stat(vnode, stat);

    if (error != 0)
        return error;
    return uid == 0 || uid == stat->st_uid ? 0 : -EPERM;
}

/* These take over the reference to the vnode. */
static int64_t change_mode(struct vnode *vnode, mode_t mode)
{
    struct vnode_attributes attributes = {.valid = ATTR_MODE, .mode = mode & 07777};
    struct stat stat;
    int error = check_owner(vnode, &stat);

    if (error == 0 && process_self()->euid != 0 && process_self()->egid != stat.st_gid)
        attributes.mode &= ~(mode_t)S_ISGID;
    if (error == 0)
        error = vnode->type == VNODE_SYMLINK ? -EOPNOTSUPP : vnode_setattr(vnode, &attributes);
    vnode_release(vnode);
    return error;
}

static int64_t change_owner(struct vnode *vnode, uid_t uid, gid_t gid)
{
    struct vnode_attributes attributes = {.uid = uid, .gid = gid};
    const struct process *process = process_self();
    struct stat stat;
    int error = check_owner(vnode, &stat);

    if (uid != (uid_t)-1)
        attributes.valid |= ATTR_UID;
    if (gid != (gid_t)-1)
        attributes.valid |= ATTR_GID;
    if (error == 0 && process->euid != 0 &&
        (((attributes.valid & ATTR_UID) != 0 && uid != stat.st_uid) ||
         ((attributes.valid & ATTR_GID) != 0 && gid != stat.st_gid && gid != process->egid)))
        error = -EPERM;
    if (error == 0 && vnode->type != VNODE_DIRECTORY && (stat.st_mode & (S_ISUID | S_ISGID)) != 0) {
        attributes.valid |= ATTR_MODE;
        attributes.mode = stat.st_mode & 07777 & ~(mode_t)S_ISUID;
        if ((stat.st_mode & 0010) != 0)
            attributes.mode &= ~(mode_t)S_ISGID;
    }
    if (error == 0)
        error = vnode_setattr(vnode, &attributes);
    vnode_release(vnode);
    return error;
}

int64_t sys_chmod(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_lookup(AT_FDCWD, arg[0], true, &vnode);

    return error != 0 ? error : change_mode(vnode, (mode_t)arg[1]);
}

int64_t sys_fchmod(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_descriptor_vnode((int)arg[0], &vnode);

    return error != 0 ? error : change_mode(vnode, (mode_t)arg[1]);
}

int64_t sys_fchmodat(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_lookup((int)arg[0], arg[1], true, &vnode);

    return error != 0 ? error : change_mode(vnode, (mode_t)arg[2]);
}

int64_t sys_chown(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_lookup(AT_FDCWD, arg[0], true, &vnode);

    return error != 0 ? error : change_owner(vnode, (uid_t)arg[1], (gid_t)arg[2]);
}

int64_t sys_lchown(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_lookup(AT_FDCWD, arg[0], false, &vnode);

    return error != 0 ? error : change_owner(vnode, (uid_t)arg[1], (gid_t)arg[2]);
}

int64_t sys_fchown(const uint64_t arg[])
{
    struct vnode *vnode;
    int error = sys_descriptor_vnode((int)arg[0], &vnode);

    return error != 0 ? error : change_owner(vnode, (uid_t)arg[1], (gid_t)arg[2]);
}

int64_t sys_fchownat(const uint64_t arg[])
{
    struct vnode *vnode;
    uint32_t flags = (uint32_t)arg[4];
    int error;

    if ((flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    error = sys_lookup_at((int)arg[0], arg[1], flags, &vnode);
    return error != 0 ? error : change_owner(vnode, (uid_t)arg[2], (gid_t)arg[3]);
}

/* --- Size and times --------------------------------------------------------------------------- */

int64_t sys_truncate(const uint64_t arg[])
{
    struct vnode_attributes attributes = {.valid = ATTR_SIZE, .size = (off_t)arg[1]};
    struct vnode *vnode;
    int error = attributes.size < 0 ? -EINVAL : sys_lookup(AT_FDCWD, arg[0], true, &vnode);

    if (error != 0)
        return error;
    if (vnode->type != VNODE_FILE)
        error = vnode->type == VNODE_DIRECTORY ? -EISDIR : -EINVAL;
    if (error == 0)
        error = vnode_access(vnode, W_OK);
    if (error == 0 && __atomic_load_n(&vnode->deny_write, __ATOMIC_RELAXED) > 0)
        error = -ETXTBSY;
    if (error == 0)
        error = vnode_setattr(vnode, &attributes);
    vnode_release(vnode);
    return error;
}

int64_t sys_ftruncate(const uint64_t arg[])
{
    struct vnode_attributes attributes = {.valid = ATTR_SIZE, .size = (off_t)arg[1]};
    struct file *file = file_get((int)arg[0]);
    int error = -EINVAL;

    if (file == NULL)
        return -EBADF;
    if (attributes.size >= 0 && file->vnode != NULL && file->vnode->type == VNODE_FILE &&
        file_is_writable(file))
        error = vnode_setattr(file->vnode, &attributes);
    file_release(file);
    return error;
}

/* One of the two times: sets `bit` in *valid unless it is to stay; *explicit if it is given. */
static int decode_time(struct timespec *time, unsigned bit, unsigned *valid, bool *explicit)
{
    nsec_t now;

    if (time->tv_nsec == UTIME_OMIT) {
        *explicit = true;
        return 0;
    }
    *valid |= bit;
    if (time->tv_nsec == UTIME_NOW) {
        now = clock_realtime();
        *time = (struct timespec){now / NSEC_PER_SEC, now % NSEC_PER_SEC};
        return 0;
    }
    *explicit = true;
    return time->tv_nsec >= 0 && time->tv_nsec < NSEC_PER_SEC ? 0 : -EINVAL;
}

/* Whoever may write the file may set its times to now; other times are for its owner. */
static int check_times(struct vnode *vnode, bool explicit)
{
    struct stat stat;
    int error = check_owner(vnode, &stat);

    return error == -EPERM && !explicit ? vnode_access(vnode, W_OK) : error;
}

int64_t sys_utimensat(const uint64_t arg[])
{
    struct timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    struct vnode_attributes attributes = {0};
    uint32_t flags = (uint32_t)arg[3];
    struct vnode *vnode;
    bool explicit = false;
    int error = 0;

    if ((flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    if (arg[2] != 0)
        error = copyin(times, arg[2], sizeof times);
    if (error == 0)
        error = decode_time(&times[0], ATTR_ATIME, &attributes.valid, &explicit);
    if (error == 0)
        error = decode_time(&times[1], ATTR_MTIME, &attributes.valid, &explicit);
    if (error != 0 || attributes.valid == 0)
        return error;
    attributes.atime = times[0];
    attributes.mtime = times[1];
    if (arg[1] == 0)
        error = sys_descriptor_vnode((int)arg[0], &vnode);
    else
        error = sys_lookup_at((int)arg[0], arg[1], flags, &vnode);
    if (error != 0)
        return error;
    error = check_times(vnode, explicit);
    if (error == 0)
        error = vnode_setattr(vnode, &attributes);
    vnode_release(vnode);
    return error;
}
