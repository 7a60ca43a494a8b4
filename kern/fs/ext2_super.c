/*
 * ext2: the file system as a whole.
 *
 * The disk is divided into block groups, each with a bitmap of its blocks, a bitmap of its
 * inodes, and a table of these inodes; what is left are data blocks. A file is an inode: its
 * attributes and the numbers of its blocks, the first 12 directly, the others through one to
 * three levels of indirect blocks. A directory is a file of entries (name, inode number).
 *
 *      | boot | super | group descriptors | block map | inode map | inode table | data ... |
 *      |<------ copies in some groups ---->|<------------- in every group ----------------->|
 *
 *      ext2_super.c   mounting, consistency at the end     ext2_file.c    contents
 *      ext2_alloc.c   bitmaps                              ext2_dir.c     directory blocks
 *      ext2_inode.c   inodes and attributes                ext2_names.c   create, link, rename
 *      ext2_map.c     from file offsets to blocks
 *
 * Every change is between ext2_begin() and ext2_end(); shutting down lets those that run end and
 * refuses others, so that what is then written is final. Metadata goes to the buffer cache at
 * once, but for the superblock's counts, which are written by sync and shutdown. While mounted
 * for writing the superblock on disk lacks EXT2_STATE_VALID, so that after a crash everyone knows
 * that e2fsck must look.
 *
 * Nothing read from the disk is trusted: every block number, inode number, length and count is
 * checked before use, and what is wrong is -EIO and a line in the log (ext2_corrupt()).
 *
 * Locks: vnode->lock for an inode and its blocks, then fs->lock for bitmaps, counts and
 * orphans, then one buffer. A new inode, which nobody can find yet, needs no lock.
 */
#include "kern/abi/errno.h"
#include "kern/clock.h"
#include "kern/fs/ext2.h"
#include "kern/print.h"
#include "kern/string.h"
#include "vm/heap.h"

#define ERRORS_REPORTED_MAX 20

/* --- Changes ---------------------------------------------------------------------------------- */

int ext2_begin(struct ext2_fs *fs)
{
    int error = 0;

    buffer_throttle();
    spin_lock(&fs->gate_lock);
    if (fs->is_frozen)
        error = -EROFS;
    else
        fs->changes_in_progress++;
    spin_unlock(&fs->gate_lock);
    return error;
}

void ext2_begin_always(struct ext2_fs *fs)
{
    spin_lock(&fs->gate_lock);
    fs->changes_in_progress++;
    spin_unlock(&fs->gate_lock);
}

void ext2_end(struct ext2_fs *fs)
{
    spin_lock(&fs->gate_lock);
    if (--fs->changes_in_progress == 0)
        wait_wake_all(&fs->gate);
    spin_unlock(&fs->gate_lock);
}

/* Let no change begin any more, and wait for those in progress. Returns whether it was so. */
static bool ext2_freeze(struct ext2_fs *fs)
{
    bool was_frozen;

    spin_lock(&fs->gate_lock);
    was_frozen = fs->is_frozen;
    fs->is_frozen = true;
    while (fs->changes_in_progress > 0)
        wait_sleep(&fs->gate, &fs->gate_lock);
    spin_unlock(&fs->gate_lock);
    return was_frozen;
}

int ext2_corrupt(struct ext2_fs *fs, const char *what, uint64_t number)
{
    __atomic_fetch_or(&fs->super.state, EXT2_STATE_ERROR, __ATOMIC_RELAXED);
    if (__atomic_fetch_add(&fs->errors_reported, 1, __ATOMIC_RELAXED) < ERRORS_REPORTED_MAX)
        kprintf("ext2: %s: corrupt: %s %lu\n", fs->device->name, what, (unsigned long)number);
    return -EIO;
}

/* --- Superblock and descriptors --------------------------------------------------------------- */

/* Write the superblock to its buffer. */
static int ext2_store_super(struct ext2_fs *fs)
{
    struct buffer *buffer;
    int error;

    mutex_lock(&fs->lock);
    error = buffer_get(fs->device, EXT2_SUPERBLOCK_OFFSET / fs->block_size, fs->block_size,
                       BUFFER_READ, &buffer);
    if (error == 0) {
        fs->super.write_time = (uint32_t)(clock_realtime() / NSEC_PER_SEC);
        memcpy((char *)buffer->data + EXT2_SUPERBLOCK_OFFSET % fs->block_size, &fs->super,
               sizeof fs->super);
        buffer_mark_dirty(buffer);
        buffer_release(buffer);
    }
    mutex_unlock(&fs->lock);
    return error;
}

static block_t group_start(const struct ext2_fs *fs, uint32_t group)
{
    return fs->super.first_data_block + group * fs->super.blocks_per_group;
}

static uint32_t inode_table_blocks(const struct ext2_fs *fs)
{
    return (fs->super.inodes_per_group * fs->inode_size + fs->block_size - 1) / fs->block_size;
}

static uint32_t descriptor_blocks(const struct ext2_fs *fs)
{
    return (uint32_t)((fs->group_count * sizeof(struct ext2_group) + fs->block_size - 1) /
                      fs->block_size);
}

bool ext2_is_data_block(const struct ext2_fs *fs, block_t block)
{
    const struct ext2_group *group;

    if (block <= fs->super.first_data_block + descriptor_blocks(fs) ||
        block >= fs->super.blocks_count)
        return false;
    group = &fs->groups[(block - fs->super.first_data_block) / fs->super.blocks_per_group];
    return block != group->block_bitmap && block != group->inode_bitmap &&
           (block < group->inode_table || block - group->inode_table >= inode_table_blocks(fs));
}

/* --- Mounting --------------------------------------------------------------------------------- */

/* Refuse what we do not understand, saying what it is. */
static int check_features(struct mount *mount, const struct ext2_superblock *super)
{
    const char *name = mount->device->name;
    uint32_t incompat = super->feature_incompat & ~(uint32_t)EXT2_INCOMPAT_SUPPORTED;
    uint32_t ro_compat = super->feature_ro_compat & ~(uint32_t)EXT2_RO_COMPAT_SUPPORTED;

    if (super->revision > 1 || super->log_block_size > 2) {
        kprintf("ext2: %s: revision %u or block size 1024 << %u is not supported\n", name,
                super->revision, super->log_block_size);
        return -EINVAL;
    }
    if (super->revision == 0)
        return 0;
    if (incompat != 0) {
        kprintf("ext2: %s: cannot mount: unsupported features 0x%x (made by mke2fs -t ext2?)\n",
                name, incompat);
        return -EINVAL;
    }
    if (ro_compat != 0 && !mount->read_only) {
        kprintf("ext2: %s: cannot mount for writing: unsupported features 0x%x\n", name, ro_compat);
        return -EINVAL;
    }
    return 0;
}

/* Check the layout that the superblock states; fills in the members that follow from it. */
static int check_layout(struct ext2_fs *fs)
{
    const struct ext2_superblock *super = &fs->super;
    uint32_t bits = fs->block_size * 8;
    uint64_t size = (uint64_t)super->blocks_count * fs->block_size;

    fs->inode_size = super->revision == 0 ? EXT2_BASE_INODE_SIZE : super->inode_size;
    if (super->revision == 0)
        fs->super.first_inode = 11;
    if (super->first_data_block != (fs->block_size == 1024) ||
        super->blocks_count <= super->first_data_block + 1 || super->blocks_per_group == 0 ||
        super->blocks_per_group > bits || super->inodes_per_group == 0 ||
        super->inodes_per_group > bits || fs->inode_size < EXT2_BASE_INODE_SIZE ||
        fs->inode_size > fs->block_size || (fs->inode_size & (fs->inode_size - 1)) != 0 ||
        super->first_inode <= EXT2_ROOT_INODE) {
        kprintf("ext2: %s: the superblock makes no sense\n", fs->device->name);
        return -EINVAL;
    }
    if (size > fs->device->sectors * SECTOR_SIZE) {
        kprintf("ext2: %s: the disk has only %lu of %lu bytes: truncated?\n", fs->device->name,
                (unsigned long)(fs->device->sectors * SECTOR_SIZE), (unsigned long)size);
        return -EINVAL;
    }
    fs->group_count =
        (super->blocks_count - super->first_data_block - 1) / super->blocks_per_group + 1;
    if ((uint64_t)fs->group_count * super->inodes_per_group != super->inodes_count) {
        kprintf("ext2: %s: the superblock's counts disagree\n", fs->device->name);
        return -EINVAL;
    }
    fs->size_max = ext2_map_size_max(fs->block_size);
    return 0;
}

static bool group_is_sane(const struct ext2_fs *fs, uint32_t number)
{
    const struct ext2_group *group = &fs->groups[number];
    uint64_t start = group_start(fs, number);
    uint64_t end = min(start + fs->super.blocks_per_group, (uint64_t)fs->super.blocks_count);

    return group->block_bitmap >= start && group->block_bitmap < end &&
           group->inode_bitmap >= start && group->inode_bitmap < end &&
           group->inode_table >= start && group->inode_table + inode_table_blocks(fs) <= end &&
           group->inode_table + inode_table_blocks(fs) > group->inode_table;
}

static int read_groups(struct ext2_fs *fs)
{
    size_t per_block = fs->block_size / sizeof(struct ext2_group);
    struct buffer *buffer;
    int error;

    fs->groups = kmalloc(fs->group_count * sizeof(struct ext2_group));
    if (fs->groups == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < fs->group_count; i += (uint32_t)per_block) {
        error = buffer_get(fs->device, fs->super.first_data_block + 1 + (block_t)(i / per_block),
                           fs->block_size, BUFFER_READ, &buffer);
        if (error != 0)
            return error;
        memcpy(&fs->groups[i], buffer->data,
               min(per_block, (size_t)(fs->group_count - i)) * sizeof(struct ext2_group));
        buffer_release(buffer);
    }
    for (uint32_t i = 0; i < fs->group_count; i++)
        if (!group_is_sane(fs, i))
            return ext2_corrupt(fs, "descriptor of group", i);
    return 0;
}

static int read_super(struct ext2_fs *fs)
{
    void *data = kmalloc(sizeof fs->super);
    int error = -ENOMEM;

    if (data != NULL)
        error = block_transfer(fs->device, EXT2_SUPERBLOCK_OFFSET / SECTOR_SIZE,
                               sizeof fs->super / SECTOR_SIZE, data, false);
    if (error == 0)
        memcpy(&fs->super, data, sizeof fs->super);
    kfree(data);
    if (error == -EIO)
        kprintf("ext2: %s: the superblock cannot be read: is the disk too small?\n",
                fs->device->name);
    if (error == 0 && fs->super.magic != EXT2_MAGIC) {
        kprintf("ext2: %s: there is no ext2 file system on this disk\n", fs->device->name);
        error = -EINVAL;
    }
    return error;
}

static void ext2_release(struct mount *mount)
{
    struct ext2_fs *fs = mount->data;

    buffer_drop(fs->device);
    kfree(fs->groups);
    kfree(fs);
}

/* Everything after the superblock: tables, root directory, and the mark that we write. */
static int mount_rest(struct ext2_fs *fs)
{
    int error = read_groups(fs);

    if (error != 0)
        return error;
    error = ext2_get(fs, EXT2_ROOT_INODE, &fs->mount->root);
    if (error != 0)
        return error;
    if (fs->mount->root->type != VNODE_DIRECTORY) {
        error = ext2_corrupt(fs, "root inode", EXT2_ROOT_INODE);
    } else if (!fs->mount->read_only) {
        fs->super.state &= (uint16_t)~EXT2_STATE_VALID;
        fs->super.mount_time = (uint32_t)(clock_realtime() / NSEC_PER_SEC);
        fs->super.mount_count++;
        error = ext2_store_super(fs);
        if (error == 0)
            error = buffer_sync(fs->device);
        fs->is_frozen = false;
    }
    if (error != 0) {
        fs->mount->root->keep = false;
        vnode_release(fs->mount->root);
    }
    return error;
}

static int ext2_sync(struct mount *mount)
{
    struct ext2_fs *fs = mount->data;
    int error = ext2_begin(fs);

    if (error != 0)
        return 0;
    error = ext2_store_super(fs);
    ext2_end(fs);
    return error != 0 ? error : buffer_sync(fs->device);
}

/* Free the inodes that have no name but are still in use: nobody will after power-off. */
static void free_orphans(struct ext2_fs *fs)
{
    struct ext2_inode *inode;
    struct vnode *vnode;
    ino_t number;

    for (;;) {
        mutex_lock(&fs->lock);
        inode = list_first(&fs->orphans, struct ext2_inode, orphan_link);
        number = inode != NULL ? inode->vnode->number : 0;
        mutex_unlock(&fs->lock);
        if (inode == NULL)
            return;
        vnode = vnode_find(fs->mount, number);
        if (vnode == NULL)
            continue;
        mutex_lock(&vnode->lock);
        ext2_inode_free_orphan(ext2_inode_of(vnode));
        mutex_unlock(&vnode->lock);
        vnode_release(vnode);
    }
}

static void ext2_shutdown(struct mount *mount)
{
    struct ext2_fs *fs = mount->data;
    int error;

    if (ext2_freeze(fs))
        return;
    free_orphans(fs);
    (void)ext2_freeze(fs); /* others may have been freeing orphans meanwhile */
    error = buffer_sync(fs->device);
    if (error == 0) {
        if (fs->was_valid)
            fs->super.state |= EXT2_STATE_VALID;
        error = ext2_store_super(fs);
    }
    if (error == 0)
        error = buffer_sync(fs->device);
    if (error != 0)
        kprintf("ext2: %s: could not write everything: error %d\n", fs->device->name, -error);
}

static int ext2_statfs(struct mount *mount, struct statfs *statfs)
{
    struct ext2_fs *fs = mount->data;
    uint64_t reserved = fs->super.reserved_blocks_count;
    uint64_t overhead = fs->super.first_data_block + 1ul + descriptor_blocks(fs) +
                        (uint64_t)fs->group_count * (2 + inode_table_blocks(fs));

    mutex_lock(&fs->lock);
    statfs->f_type = EXT2_MAGIC;
    statfs->f_bsize = fs->block_size;
    statfs->f_blocks = fs->super.blocks_count - min(overhead, (uint64_t)fs->super.blocks_count);
    statfs->f_bfree = fs->super.free_blocks_count;
    statfs->f_bavail = statfs->f_bfree > reserved ? statfs->f_bfree - reserved : 0;
    statfs->f_files = fs->super.inodes_count;
    statfs->f_ffree = fs->super.free_inodes_count;
    mutex_unlock(&fs->lock);
    return 0;
}

static const struct mount_ops ext2_mount_ops = {
    .sync = ext2_sync,
    .shutdown = ext2_shutdown,
    .release = ext2_release,
    .statfs = ext2_statfs,
};

static int ext2_mount(struct mount *mount)
{
    struct ext2_fs *fs = kzalloc(sizeof *fs);
    int error;

    if (fs == NULL)
        return -ENOMEM;
    fs->mount = mount;
    fs->device = mount->device;
    fs->is_frozen = true;
    fs->next_generation = (uint32_t)(clock_realtime() / NSEC_PER_MSEC);
    mutex_init(&fs->lock, "ext2", LOCK_FS);
    list_init(&fs->orphans);
    spin_init(&fs->gate_lock, "ext2 gate", LOCK_VNODE_CACHE);
    wait_queue_init(&fs->gate);
    mount->data = fs;
    mount->ops = &ext2_mount_ops;
    error = read_super(fs);
    if (error == 0)
        error = check_features(mount, &fs->super);
    if (error == 0) {
        fs->block_size = 1024u << fs->super.log_block_size;
        error = check_layout(fs);
    }
    if (error == 0) {
        fs->was_valid = (fs->super.state & EXT2_STATE_VALID) != 0;
        if (!fs->was_valid || (fs->super.state & EXT2_STATE_ERROR) != 0)
            kprintf("ext2: %s: was not unmounted cleanly; run e2fsck\n", fs->device->name);
        error = mount_rest(fs);
    }
    if (error != 0)
        ext2_release(mount);
    return error;
}

const struct fs_type ext2_type = {.name = "ext2", .needs_device = true, .mount = ext2_mount};
