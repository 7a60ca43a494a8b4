/*
 * devfs, mounted on /dev: one directory with the devices of kern/dev/device.h. Its files have no
 * contents; opening one gives the open file the device's operations.
 *
 * Device `index` of the table is inode FIRST_DEVICE + index; its vnode remembers nothing else.
 * Attributes may be set, as touch(1) and a truncating open do, and are not kept.
 */
#include "kern/abi/errno.h"
#include "kern/dev/device.h"
#include "kern/fs/mount.h"
#include "kern/machine.h"
#include "kern/string.h"

#define ROOT_NUMBER  1
#define FIRST_DEVICE 2

static bool device_of(const struct vnode *vnode, struct device *device)
{
    return device_at((unsigned)(vnode->number - FIRST_DEVICE), device);
}

static void fill_stat(const struct vnode *vnode, struct stat *stat, mode_t mode)
{
    nsec_t boot = machine_boot_time();
    struct timespec time = {boot / NSEC_PER_SEC, boot % NSEC_PER_SEC};

    *stat = (struct stat){
        .st_dev = vnode->mount->number,
        .st_ino = vnode->number,
        .st_nlink = 1,
        .st_mode = mode,
        .st_blksize = 4096,
        .st_atim = time,
        .st_mtim = time,
        .st_ctim = time,
    };
}

/* --- Devices --------------------------------------------------------------------------------- */

static int device_getattr(struct vnode *vnode, struct stat *stat)
{
    struct device device;

    if (!device_of(vnode, &device))
        return -ENXIO;
    fill_stat(vnode, stat, device.mode);
    stat->st_rdev = device.number;
    return 0;
}

static int device_setattr(struct vnode *vnode, const struct vnode_attributes *attributes)
{
    (void)vnode;
    (void)attributes;
    return 0;
}

static int device_fsync(struct vnode *vnode)
{
    struct device device;

    if (!device_of(vnode, &device) || vnode->type != VNODE_BLOCK)
        return -EINVAL;
    return device_flush(device.number);
}

static int device_vnode_open(struct vnode *vnode, struct file *file)
{
    struct device device;

    if (!device_of(vnode, &device))
        return -ENXIO;
    return device_open(device.mode & S_IFMT, device.number, file);
}

static const struct vnode_ops device_ops = {
    .getattr = device_getattr,
    .setattr = device_setattr,
    .fsync = device_fsync,
    .open = device_vnode_open,
};

/* --- The directory --------------------------------------------------------------------------- */

static int root_lookup(struct vnode *dir, const char *name, size_t length, struct vnode **found)
{
    enum vnode_type type;
    struct device device;

    for (unsigned i = 0; device_at(i, &device); i++) {
        if (strlen(device.name) != length || memcmp(device.name, name, length) != 0)
            continue;
        type = S_ISBLK(device.mode) ? VNODE_BLOCK : VNODE_CHAR;
        return vnode_get_pseudo(dir->mount, FIRST_DEVICE + i, type, &device_ops, NULL, found);
    }
    return -ENOENT;
}

static int root_readdir(struct vnode *dir, off_t *offset, vnode_entry_fn *entry, void *argument)
{
    struct device device;
    unsigned type;

    if (!vnode_list_dots(dir, dir->number, offset, entry, argument))
        return 0;
    for (; device_at((unsigned)(*offset - 2), &device); ++*offset) {
        type = S_ISBLK(device.mode) ? DT_BLK : DT_CHR;
        if (!entry(argument, device.name, strlen(device.name), FIRST_DEVICE + (ino_t)(*offset - 2),
                   type, *offset + 1))
            break;
    }
    return 0;
}

static int root_getattr(struct vnode *vnode, struct stat *stat)
{
    fill_stat(vnode, stat, S_IFDIR | 0755);
    stat->st_nlink = 2;
    return 0;
}

static const struct vnode_ops root_ops = {
    .lookup = root_lookup,
    .readdir = root_readdir,
    .getattr = root_getattr,
};

/* --- The file system ------------------------------------------------------------------------- */

static int devfs_statfs(struct mount *mount, struct statfs *statfs)
{
    (void)mount;
    statfs->f_type = 0x1373; /* DEVFS_SUPER_MAGIC */
    return 0;
}

static const struct mount_ops devfs_mount_ops = {.statfs = devfs_statfs};

static int devfs_mount(struct mount *mount)
{
    mount->ops = &devfs_mount_ops;
    return vnode_get_pseudo(mount, ROOT_NUMBER, VNODE_DIRECTORY, &root_ops, NULL, &mount->root);
}

const struct fs_type devfs_type = {.name = "devfs", .mount = devfs_mount};
