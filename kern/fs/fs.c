/*
 * The file system types that this kernel has, and the start and end of all file systems.
 */
#include "kern/abi/errno.h"
#include "kern/dev/block.h"
#include "kern/fs/buffer.h"
#include "kern/fs/mount.h"
#include "kern/print.h"
#include "kern/string.h"

static const struct fs_type *const fs_types[] = {&ext2_type, &devfs_type, &procfs_type};

const struct fs_type *fs_type_find(const char *name)
{
    for (size_t i = 0; i < array_length(fs_types); i++)
        if (strcmp(fs_types[i]->name, name) == 0)
            return fs_types[i];
    return NULL;
}

/* Mount a pseudo file system on `path` if the root has such a directory. */
static void mount_pseudo(const struct fs_type *type, const char *path)
{
    struct vnode *covered;
    int error = vnode_lookup(path, true, &covered);

    if (error == 0) {
        error = mount_create(type, NULL, false, covered, path);
        vnode_release(covered);
    }
    if (error != 0)
        kprintf("fs: cannot mount %s on %s: error %d\n", type->name, path, -error);
}

int fs_mount_root(const char *device_name, bool read_only)
{
    struct block_device *device = block_find(device_name);
    int error;

    vnode_init();
    mount_init();
    buffer_init();
    if (device == NULL) {
        kprintf("fs: there is no disk %s\n", device_name);
        return -ENODEV;
    }
    error = mount_create(&ext2_type, device, read_only, NULL, "/");
    if (error != 0)
        return error;
    mount_pseudo(&devfs_type, "/dev");
    mount_pseudo(&procfs_type, "/proc");
    return 0;
}

void fs_shutdown(void)
{
    mount_shutdown_all();
}
