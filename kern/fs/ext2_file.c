/*
 * ext2: contents of files and targets of symbolic links.
 *
 * A read asks for the disk blocks of the whole request, and of some more when the file is read
 * from beginning to end, before it waits for the first. The bytes after the end of a file in its
 * last block are always zero on disk, so that a file that grows shows zeros there.
 */
#include "kern/abi/errno.h"
#include "kern/clock.h"
#include "kern/fs/ext2.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"

#define MAP_BATCH 32 /* blocks that are looked up, and read ahead, at once */

/* --- Reading ---------------------------------------------------------------------------------- */

/* Copy from one block; 0 is a hole. */
static int read_block(struct ext2_fs *fs, block_t block, uint32_t within, size_t size, void *to)
{
    struct buffer *buffer;
    int error;

    if (block == 0) {
        memset(to, 0, size);
        return 0;
    }
    error = buffer_get(fs->device, block, fs->block_size, BUFFER_READ, &buffer);
    if (error != 0)
        return error;
    memcpy(to, (char *)buffer->data + within, size);
    buffer_release(buffer);
    return 0;
}

/* Read some bytes, at least one, of what lies inside the file. */
static ssize_t read_some(struct ext2_inode *inode, char *to, size_t size, off_t offset)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    uint32_t within = (uint32_t)offset % fs->block_size;
    uint64_t index = (uint64_t)offset / fs->block_size;
    uint64_t end = ((uint64_t)ext2_inode_size(inode) + fs->block_size - 1) / fs->block_size;
    size_t wanted = (within + size + fs->block_size - 1) / fs->block_size, done = 0, n;
    block_t blocks[MAP_BATCH];
    int count, error;

    if (offset == 0 || offset == inode->next_offset)
        wanted = MAP_BATCH;
    wanted = min(wanted, (size_t)MAP_BATCH);
    wanted = min(wanted, (size_t)(end - index));
    count = ext2_map(inode, index, wanted, blocks);
    if (count < 0)
        return count;
    if (count > 1)
        buffer_prefetch(fs->device, blocks, (size_t)count, fs->block_size);
    for (int i = 0; i < count && done < size; i++) {
        n = min((size_t)(fs->block_size - within), size - done);
        error = read_block(fs, blocks[i], within, n, to + done);
        if (error != 0)
            return done > 0 ? (ssize_t)done : error;
        done += n;
        within = 0;
    }
    inode->next_offset = offset + (off_t)done;
    return (ssize_t)done;
}

/* As Linux's relatime: when it was not read since the last change, or for a day. */
static void touch_after_read(struct ext2_inode *inode)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    struct stat stat;
    bool is_due;

    if (fs->mount->read_only || ext2_getattr(inode->vnode, &stat) != 0)
        return;
    is_due = stat.st_atim.tv_sec < stat.st_mtim.tv_sec ||
             (stat.st_atim.tv_sec == stat.st_mtim.tv_sec &&
              stat.st_atim.tv_nsec <= stat.st_mtim.tv_nsec) ||
             stat.st_atim.tv_sec + 86400 < clock_realtime() / NSEC_PER_SEC;
    if (!is_due || ext2_begin(fs) != 0)
        return;
    ext2_inode_touch(inode, EXT2_ATIME);
    ext2_inode_store(inode);
    ext2_end(fs);
}

ssize_t ext2_read(struct vnode *vnode, void *buffer, size_t size, off_t offset)
{
    struct ext2_inode *inode = ext2_inode_of(vnode);
    off_t end = ext2_inode_size(inode);
    size_t done = 0;
    ssize_t n;

    if (vnode->type != VNODE_FILE)
        return vnode->type == VNODE_DIRECTORY ? -EISDIR : -EINVAL;
    if (offset >= end || size == 0)
        return 0;
    size = min(size, (size_t)(end - offset));
    while (done < size) {
        n = read_some(inode, (char *)buffer + done, size - done, offset + (off_t)done);
        if (n < 0)
            return done > 0 ? (ssize_t)done : n;
        done += (size_t)n;
    }
    touch_after_read(inode);
    return (ssize_t)done;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Copy into one block, which is allocated if need be. */
static int write_block(struct ext2_inode *inode, uint64_t index, uint32_t within, size_t size,
                       const void *from)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    struct buffer *buffer;
    enum buffer_use use = BUFFER_READ;
    block_t block;
    bool is_new;
    int error = ext2_map_allocate(inode, index, &block, &is_new);

    if (error != 0)
        return error;
    if (size == fs->block_size)
        use = BUFFER_OVERWRITE;
    else if (is_new)
        use = BUFFER_ZERO;
    error = buffer_get(fs->device, block, fs->block_size, use, &buffer);
    if (error != 0)
        return error;
    memcpy((char *)buffer->data + within, from, size);
    buffer_mark_dirty(buffer);
    buffer_release(buffer);
    return 0;
}

/* A program that an ordinary user writes to no longer runs with its owner's rights. */
static void drop_set_id(struct ext2_inode *inode)
{
    const struct process *process = process_self();

    if (process == NULL || process->euid == 0)
        return;
    inode->disk.mode &= (uint16_t)~S_ISUID;
    if ((inode->disk.mode & 0010) != 0)
        inode->disk.mode &= (uint16_t)~S_ISGID;
}

static ssize_t write_in_change(struct ext2_inode *inode, const char *from, size_t size,
                               off_t offset)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    size_t done = 0, n;
    uint32_t within;
    int error = 0;

    while (done < size) {
        within = (uint32_t)((uint64_t)offset + done) % fs->block_size;
        n = min((size_t)(fs->block_size - within), size - done);
        error =
            write_block(inode, ((uint64_t)offset + done) / fs->block_size, within, n, from + done);
        if (error != 0)
            break;
        done += n;
    }
    if (offset + (off_t)done > ext2_inode_size(inode) && done > 0)
        ext2_inode_set_size(inode, offset + (off_t)done);
    if (error != 0)
        ext2_map_truncate(inode,
                          ((uint64_t)ext2_inode_size(inode) + fs->block_size - 1) / fs->block_size);
    if (done > 0) {
        ext2_inode_touch(inode, EXT2_MTIME | EXT2_CTIME);
        drop_set_id(inode);
    }
    ext2_inode_store(inode);
    return done > 0 ? (ssize_t)done : error;
}

ssize_t ext2_write(struct vnode *vnode, const void *buffer, size_t size, off_t offset)
{
    struct ext2_fs *fs = ext2_fs_of(vnode);
    ssize_t result;

    if (vnode->type != VNODE_FILE)
        return vnode->type == VNODE_DIRECTORY ? -EISDIR : -EINVAL;
    if (size == 0)
        return 0;
    if (offset >= fs->size_max)
        return -EFBIG;
    size = min(size, (size_t)(fs->size_max - offset));
    result = ext2_begin(fs);
    if (result != 0)
        return result;
    result = write_in_change(ext2_inode_of(vnode), buffer, size, offset);
    ext2_end(fs);
    return result;
}

/* Fill the last block from the end of the file on with zeros. */
static int zero_tail(struct ext2_inode *inode, off_t size)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    uint32_t within = (uint32_t)size % fs->block_size;
    struct buffer *buffer;
    block_t block;
    int result;

    if (within == 0)
        return 0;
    result = ext2_map(inode, (uint64_t)size / fs->block_size, 1, &block);
    if (result < 0 || block == 0)
        return min(result, 0);
    result = buffer_get(fs->device, block, fs->block_size, BUFFER_READ, &buffer);
    if (result != 0)
        return result;
    memset((char *)buffer->data + within, 0, fs->block_size - within);
    buffer_mark_dirty(buffer);
    buffer_release(buffer);
    return 0;
}

/* truncate(2); the caller stores the inode. */
int ext2_resize(struct ext2_inode *inode, off_t size)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    int error;

    if (inode->vnode->type != VNODE_FILE || size < 0)
        return -EINVAL;
    if (size > fs->size_max)
        return -EFBIG;
    if (size < ext2_inode_size(inode)) {
        error = zero_tail(inode, size);
        if (error != 0)
            return error;
        ext2_inode_set_size(inode, size);
        ext2_map_truncate(inode, ((uint64_t)size + fs->block_size - 1) / fs->block_size);
    } else {
        ext2_inode_set_size(inode, size);
    }
    ext2_inode_touch(inode, EXT2_MTIME | EXT2_CTIME);
    drop_set_id(inode);
    return 0;
}

int ext2_fsync(struct vnode *vnode)
{
    return buffer_sync(ext2_fs_of(vnode)->device);
}

/* --- Symbolic links --------------------------------------------------------------------------- */

ssize_t ext2_readlink(struct vnode *link, char *buffer, size_t size)
{
    struct ext2_inode *inode = ext2_inode_of(link);
    struct ext2_fs *fs = ext2_fs_of(link);
    off_t length = ext2_inode_size(inode);
    bool is_fast = !ext2_inode_has_blocks(inode);
    block_t block;
    int result;

    if (length > (is_fast ? (off_t)EXT2_FAST_LINK_MAX : (off_t)fs->block_size))
        return ext2_corrupt(fs, "length of symbolic link", link->number);
    size = min(size, (size_t)length);
    if (is_fast) {
        memcpy(buffer, inode->disk.block, size);
        return (ssize_t)size;
    }
    result = ext2_map(inode, 0, 1, &block);
    if (result >= 0)
        result = read_block(fs, block, 0, size, buffer);
    return result != 0 ? result : (ssize_t)size;
}

/* Of a new link, inside a change. */
int ext2_set_link_target(struct vnode *link, const char *target, size_t length)
{
    struct ext2_inode *inode = ext2_inode_of(link);
    int error = 0;

    if (length >= ext2_fs_of(link)->block_size)
        return -ENAMETOOLONG;
    if (length < EXT2_FAST_LINK_MAX)
        memcpy(inode->disk.block, target, length);
    else
        error = write_block(inode, 0, 0, length, target);
    if (error == 0)
        ext2_inode_set_size(inode, (off_t)length);
    ext2_inode_store(inode);
    return error;
}
