/*
 * ext2: inodes, from creation to deletion, and attributes.
 *
 * While a vnode exists it holds a copy of its inode; each change is copied to the buffer of the
 * inode table by ext2_inode_store() before the operation ends.
 *
 * An inode whose last name was removed becomes an orphan: it is on fs->orphans until the last
 * user has gone (ext2_inactive()) or the file system is shut down. Whoever takes it off that list
 * frees its blocks and then its bit in the inode bitmap.
 *
 * Inodes of 256 bytes hold nanoseconds and two more bits of the seconds in "extra" words, as ext4
 * defines them; smaller ones know whole seconds only.
 */
#include "kern/abi/errno.h"
#include "kern/clock.h"
#include "kern/fs/ext2.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "vm/heap.h"

#define XATTR_MAGIC 0xea020000

struct xattr_header {
    uint32_t magic, references, blocks;
};

/* --- Reading and writing ---------------------------------------------------------------------- */

/* Get the block of the inode table with inode `number`; *disk is where the inode is in it. */
static int table_get(struct ext2_fs *fs, ino_t number, struct buffer **buffer, void **disk)
{
    uint64_t index = (number - 1) % fs->super.inodes_per_group * fs->inode_size;
    uint32_t group = (uint32_t)((number - 1) / fs->super.inodes_per_group);
    block_t block = fs->groups[group].inode_table + (block_t)(index / fs->block_size);
    int error = buffer_get(fs->device, block, fs->block_size, BUFFER_READ, buffer);

    if (error == 0)
        *disk = (char *)(*buffer)->data + index % fs->block_size;
    return error;
}

/* How many bytes of struct ext2_disk_inode are on disk for this inode. */
static size_t stored_size(const struct ext2_fs *fs, const struct ext2_disk_inode *disk)
{
    if (fs->inode_size < sizeof *disk || disk->extra_size > fs->inode_size - EXT2_BASE_INODE_SIZE)
        return EXT2_BASE_INODE_SIZE;
    return EXT2_BASE_INODE_SIZE + min((size_t)disk->extra_size, EXT2_EXTRA_SIZE);
}

int ext2_inode_store(struct ext2_inode *inode)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    struct buffer *buffer;
    void *disk;
    int error = table_get(fs, inode->vnode->number, &buffer, &disk);

    if (error != 0)
        return error;
    memcpy(disk, &inode->disk, stored_size(fs, &inode->disk));
    buffer_mark_dirty(buffer);
    buffer_release(buffer);
    return 0;
}

static int read_disk_inode(struct ext2_fs *fs, ino_t number, struct ext2_disk_inode *inode)
{
    struct buffer *buffer;
    void *disk;
    int error = table_get(fs, number, &buffer, &disk);

    if (error != 0)
        return error;
    memset(inode, 0, sizeof *inode);
    memcpy(inode, disk, min(sizeof *inode, (size_t)fs->inode_size));
    if (stored_size(fs, inode) < sizeof *inode)
        memset((char *)inode + stored_size(fs, inode), 0, sizeof *inode - stored_size(fs, inode));
    buffer_release(buffer);
    return 0;
}

static int ext2_load(struct vnode *vnode, void *argument)
{
    struct ext2_fs *fs = argument;
    struct ext2_inode *inode = kzalloc(sizeof *inode);
    int error;

    if (inode == NULL)
        return -ENOMEM;
    inode->vnode = vnode;
    list_node_init(&inode->orphan_link);
    error = read_disk_inode(fs, vnode->number, &inode->disk);
    if (error == 0 &&
        (inode->disk.links_count == 0 || !vnode_type_from_mode(inode->disk.mode, &vnode->type) ||
         (uint64_t)ext2_inode_size(inode) > (uint64_t)fs->size_max))
        error = ext2_corrupt(fs, "inode", vnode->number);
    if (error != 0) {
        kfree(inode);
        return error;
    }
    vnode->data = inode;
    vnode->ops = &ext2_vnode_ops;
    vnode->keep = true;
    return 0;
}

int ext2_get(struct ext2_fs *fs, ino_t number, struct vnode **found)
{
    if ((number < fs->super.first_inode && number != EXT2_ROOT_INODE) ||
        number > fs->super.inodes_count)
        return ext2_corrupt(fs, "inode number", number);
    return vnode_get(fs->mount, number, ext2_load, fs, found);
}

/* --- Members ---------------------------------------------------------------------------------- */

off_t ext2_inode_size(const struct ext2_inode *inode)
{
    uint64_t size = inode->disk.size;

    if (S_ISREG(inode->disk.mode))
        size |= (uint64_t)inode->disk.size_high << 32;
    return (off_t)size;
}

void ext2_inode_set_size(struct ext2_inode *inode, off_t size)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);

    inode->disk.size = (uint32_t)size;
    if (!S_ISREG(inode->disk.mode))
        return;
    inode->disk.size_high = (uint32_t)((uint64_t)size >> 32);
    if (size > INT32_MAX && fs->super.revision > 0) {
        mutex_lock(&fs->lock);
        fs->super.feature_ro_compat |= EXT2_RO_COMPAT_LARGE_FILE;
        mutex_unlock(&fs->lock);
    }
}

bool ext2_inode_has_blocks(const struct ext2_inode *inode)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);

    if (inode->vnode->type != VNODE_SYMLINK)
        return inode->vnode->type == VNODE_FILE || inode->vnode->type == VNODE_DIRECTORY;
    return inode->disk.sectors > (inode->disk.file_acl != 0 ? fs->block_size / 512 : 0);
}

static void time_set(uint32_t *seconds, uint32_t *extra, const struct timespec *time)
{
    int64_t epoch = (time->tv_sec - (int32_t)time->tv_sec) >> 32;

    *seconds = (uint32_t)time->tv_sec;
    *extra = (uint32_t)time->tv_nsec << 2 | (uint32_t)(epoch & 3);
}

static struct timespec time_get(uint32_t seconds, uint32_t extra)
{
    return (struct timespec){
        .tv_sec = (int32_t)seconds + ((int64_t)(extra & 3) << 32),
        .tv_nsec = extra >> 2 < NSEC_PER_SEC ? extra >> 2 : 0,
    };
}

void ext2_inode_touch(struct ext2_inode *inode, unsigned which)
{
    nsec_t now = clock_realtime();
    struct timespec time = {now / NSEC_PER_SEC, now % NSEC_PER_SEC};
    struct ext2_disk_inode *disk = &inode->disk;

    if ((which & EXT2_ATIME) != 0)
        time_set(&disk->atime, &disk->atime_extra, &time);
    if ((which & EXT2_MTIME) != 0)
        time_set(&disk->mtime, &disk->mtime_extra, &time);
    if ((which & EXT2_CTIME) != 0)
        time_set(&disk->ctime, &disk->ctime_extra, &time);
}

/* Device numbers: 16 bits in the first block pointer, or 32 in the second (Linux's encoding). */
static void device_set(struct ext2_disk_inode *disk, dev_t device)
{
    uint32_t major = (uint32_t)(device >> 8 & 0xfff), minor = (uint32_t)(device & 0xff);

    minor |= (uint32_t)(device >> 12 & 0xfff00);
    if (major < 256 && minor < 256)
        disk->block[0] = major << 8 | minor;
    else
        disk->block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static dev_t device_get(const struct ext2_disk_inode *disk)
{
    return disk->block[0] != 0 ? disk->block[0] & 0xffff : disk->block[1];
}

/* --- Creation --------------------------------------------------------------------------------- */

/* Fill in a new inode: whose it is, what it is, when. */
static void init_disk_inode(struct ext2_inode *inode, const struct ext2_disk_inode *dir,
                            mode_t mode, dev_t device, uint32_t generation)
{
    const struct process *process = process_self();
    uid_t uid = process != NULL ? process->euid : 0;
    gid_t gid = process != NULL ? process->egid : 0;
    struct ext2_disk_inode *disk = &inode->disk;

    if ((dir->mode & S_ISGID) != 0) {
        gid = dir->gid | (gid_t)dir->gid_high << 16;
        if (S_ISDIR(mode))
            mode |= S_ISGID;
    }
    disk->mode = (uint16_t)mode;
    disk->links_count = S_ISDIR(mode) ? 2 : 1;
    disk->uid = (uint16_t)uid;
    disk->uid_high = (uint16_t)(uid >> 16);
    disk->gid = (uint16_t)gid;
    disk->gid_high = (uint16_t)(gid >> 16);
    disk->generation = generation;
    disk->extra_size = EXT2_EXTRA_SIZE;
    ext2_inode_touch(inode, EXT2_ATIME | EXT2_MTIME | EXT2_CTIME);
    disk->creation_time = disk->mtime;
    disk->creation_time_extra = disk->mtime_extra;
    if (S_ISCHR(mode) || S_ISBLK(mode))
        device_set(disk, device);
}

/* Write an inode that has no vnode yet to its place in the table. */
static int write_fresh(struct ext2_fs *fs, ino_t number, const struct ext2_disk_inode *inode)
{
    struct buffer *buffer;
    void *disk;
    int error = table_get(fs, number, &buffer, &disk);

    if (error != 0)
        return error;
    memset(disk, 0, fs->inode_size);
    memcpy(disk, inode, min(sizeof *inode, (size_t)fs->inode_size));
    buffer_mark_dirty(buffer);
    buffer_release(buffer);
    return 0;
}

int ext2_inode_create(struct vnode *dir, mode_t mode, dev_t device, struct vnode **created)
{
    struct ext2_fs *fs = ext2_fs_of(dir);
    struct ext2_inode *inode;
    ino_t number;
    int error;

    inode = kzalloc(sizeof *inode);
    if (inode == NULL)
        return -ENOMEM;
    error = ext2_allocate_inode(fs, dir->number, S_ISDIR(mode), &number);
    if (error == 0) {
        init_disk_inode(inode, &ext2_inode_of(dir)->disk, mode, device,
                        __atomic_fetch_add(&fs->next_generation, 1, __ATOMIC_RELAXED));
        error = write_fresh(fs, number, &inode->disk);
        if (error == 0)
            error = ext2_get(fs, number, created);
        if (error != 0) {
            memset(&inode->disk, 0, sizeof inode->disk);
            (void)write_fresh(fs, number, &inode->disk);
            ext2_free_inode(fs, number, S_ISDIR(mode));
        }
    }
    kfree(inode);
    return error;
}

/* --- Deletion --------------------------------------------------------------------------------- */

void ext2_inode_orphan(struct ext2_inode *inode)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);

    inode->disk.links_count = 0;
    inode->vnode->keep = false;
    (void)ext2_inode_store(inode);
    mutex_lock(&fs->lock);
    if (!list_is_linked(&inode->orphan_link))
        list_push_back(&fs->orphans, &inode->orphan_link);
    mutex_unlock(&fs->lock);
}

/* Drop the inode's share of its block of extended attributes. */
static void free_xattr(struct ext2_fs *fs, block_t block)
{
    struct xattr_header *header;
    struct buffer *buffer;
    bool is_last;

    if (!ext2_is_data_block(fs, block) ||
        buffer_get(fs->device, block, fs->block_size, BUFFER_READ, &buffer) != 0)
        return;
    header = buffer->data;
    is_last = header->magic == XATTR_MAGIC && header->references <= 1;
    if (header->magic != XATTR_MAGIC) {
        (void)ext2_corrupt(fs, "extended attributes in block", block);
    } else if (!is_last) {
        header->references--;
        buffer_mark_dirty(buffer);
    }
    buffer_release(buffer);
    if (is_last)
        ext2_free_block(fs, block);
}

void ext2_inode_free_orphan(struct ext2_inode *inode)
{
    struct vnode *vnode = inode->vnode;
    struct ext2_fs *fs = ext2_fs_of(vnode);
    bool was_orphan;

    mutex_lock(&fs->lock);
    was_orphan = list_is_linked(&inode->orphan_link);
    list_remove(&inode->orphan_link);
    mutex_unlock(&fs->lock);
    if (!was_orphan)
        return;
    if (ext2_inode_has_blocks(inode))
        ext2_map_truncate(inode, 0);
    if (inode->disk.file_acl != 0)
        free_xattr(fs, inode->disk.file_acl);
    inode->disk.file_acl = 0;
    inode->disk.sectors = 0;
    ext2_inode_set_size(inode, 0);
    inode->disk.dtime = (uint32_t)(clock_realtime() / NSEC_PER_SEC);
    (void)ext2_inode_store(inode);
    ext2_free_inode(fs, vnode->number, vnode->type == VNODE_DIRECTORY);
}

void ext2_inactive(struct vnode *vnode)
{
    struct ext2_fs *fs = ext2_fs_of(vnode);
    struct ext2_inode *inode = ext2_inode_of(vnode);

    if (inode->disk.links_count == 0) {
        ext2_begin_always(fs);
        ext2_inode_free_orphan(inode);
        ext2_end(fs);
    }
    kfree(inode);
}

/* --- Attributes ------------------------------------------------------------------------------- */

int ext2_getattr(struct vnode *vnode, struct stat *stat)
{
    const struct ext2_inode *inode = ext2_inode_of(vnode);
    const struct ext2_disk_inode *disk = &inode->disk;
    uint32_t mask = stored_size(ext2_fs_of(vnode), disk) == sizeof *disk ? UINT32_MAX : 0;

    *stat = (struct stat){
        .st_dev = vnode->mount->number,
        .st_ino = vnode->number,
        .st_nlink = disk->links_count,
        .st_mode = disk->mode,
        .st_uid = disk->uid | (uid_t)disk->uid_high << 16,
        .st_gid = disk->gid | (gid_t)disk->gid_high << 16,
        .st_size = ext2_inode_size(inode),
        .st_blksize = ext2_fs_of(vnode)->block_size,
        .st_blocks = disk->sectors,
        .st_atim = time_get(disk->atime, disk->atime_extra & mask),
        .st_mtim = time_get(disk->mtime, disk->mtime_extra & mask),
        .st_ctim = time_get(disk->ctime, disk->ctime_extra & mask),
    };
    if (vnode->type == VNODE_CHAR || vnode->type == VNODE_BLOCK)
        stat->st_rdev = device_get(disk);
    return 0;
}

static int setattr_in_change(struct ext2_inode *inode, const struct vnode_attributes *attributes)
{
    struct ext2_disk_inode *disk = &inode->disk;
    int error;

    if ((attributes->valid & ATTR_SIZE) != 0) {
        error = ext2_resize(inode, attributes->size);
        if (error != 0)
            return error;
    }
    if ((attributes->valid & ATTR_MODE) != 0)
        disk->mode = (uint16_t)((disk->mode & S_IFMT) | (attributes->mode & 07777));
    if ((attributes->valid & ATTR_UID) != 0) {
        disk->uid = (uint16_t)attributes->uid;
        disk->uid_high = (uint16_t)(attributes->uid >> 16);
    }
    if ((attributes->valid & ATTR_GID) != 0) {
        disk->gid = (uint16_t)attributes->gid;
        disk->gid_high = (uint16_t)(attributes->gid >> 16);
    }
    if ((attributes->valid & ATTR_ATIME) != 0)
        time_set(&disk->atime, &disk->atime_extra, &attributes->atime);
    if ((attributes->valid & ATTR_MTIME) != 0)
        time_set(&disk->mtime, &disk->mtime_extra, &attributes->mtime);
    ext2_inode_touch(inode, EXT2_CTIME);
    return ext2_inode_store(inode);
}

int ext2_setattr(struct vnode *vnode, const struct vnode_attributes *attributes)
{
    struct ext2_fs *fs = ext2_fs_of(vnode);
    int error = ext2_begin(fs);

    if (error != 0)
        return error;
    error = setattr_in_change(ext2_inode_of(vnode), attributes);
    ext2_end(fs);
    return error;
}
