/*
 * ext2: directories.
 *
 * A directory's blocks are full of entries, one after the other, each with its length; the last
 * one reaches to the end of its block. An entry never crosses a block. Removing one adds its
 * space to the entry before it, or makes it free (inode 0) if it is a block's first.
 *
 *      | 12 '.' | 12 '..' | 20 'hello.c'        | 980 'b'  ... unused ...          |
 *
 * Some directories have a hash index in blocks that look free; it is ignored, and the flag that
 * announces it is cleared when the directory changes.
 *
 * All functions but ext2_readdir() belong inside a change (ext2_begin()) if they change anything.
 */
#include "kern/abi/errno.h"
#include "kern/fs/ext2.h"
#include "kern/print.h"
#include "kern/string.h"

/* --- Blocks and entries ----------------------------------------------------------------------- */

static uint64_t dir_blocks(const struct vnode *dir)
{
    return (uint64_t)ext2_inode_size(ext2_inode_of(dir)) / ext2_fs_of(dir)->block_size;
}

static int dir_block_get(struct vnode *dir, uint64_t index, struct buffer **buffer)
{
    struct ext2_fs *fs = ext2_fs_of(dir);
    block_t block;
    int result = ext2_map(ext2_inode_of(dir), index, 1, &block);

    if (result < 0)
        return result;
    if (block == 0)
        return ext2_corrupt(fs, "hole in directory", dir->number);
    return buffer_get(fs->device, block, fs->block_size, BUFFER_READ, buffer);
}

/* The entry at an offset of a block; NULL, after telling the log, if it makes no sense. */
static struct ext2_entry *entry_at(struct vnode *dir, const struct buffer *buffer, unsigned offset)
{
    struct ext2_entry *entry = (void *)((char *)buffer->data + offset);

    if (offset <= buffer->size - EXT2_ENTRY_HEADER && is_aligned(entry->record_length, 4) &&
        entry->record_length >= ext2_entry_size(entry->name_length) &&
        entry->record_length <= buffer->size - offset &&
        entry->inode <= ext2_fs_of(dir)->super.inodes_count)
        return entry;
    (void)ext2_corrupt(ext2_fs_of(dir), "entry of directory", dir->number);
    return NULL;
}

/* What an entry's type byte says, if the file system has such. */
static unsigned entry_type(const struct vnode *dir, const struct ext2_entry *entry)
{
    static const uint8_t types[] = {DT_UNKNOWN, DT_REG,  DT_DIR,  DT_CHR,
                                    DT_BLK,     DT_FIFO, DT_SOCK, DT_LNK};

    if ((ext2_fs_of(dir)->super.feature_incompat & EXT2_INCOMPAT_FILETYPE) == 0 ||
        entry->type >= array_length(types))
        return DT_UNKNOWN;
    return types[entry->type];
}

static void entry_set(const struct vnode *dir, struct ext2_entry *entry, ino_t number,
                      enum vnode_type type)
{
    static const uint8_t types[] = {
        [VNODE_FILE] = 1,  [VNODE_DIRECTORY] = 2, [VNODE_SYMLINK] = 7, [VNODE_CHAR] = 3,
        [VNODE_BLOCK] = 4, [VNODE_FIFO] = 5,      [VNODE_SOCKET] = 6,
    };

    entry->inode = (uint32_t)number;
    entry->type = 0;
    if ((ext2_fs_of(dir)->super.feature_incompat & EXT2_INCOMPAT_FILETYPE) != 0)
        entry->type = types[type];
}

/* The directory was changed. */
static int dir_changed(struct vnode *dir)
{
    struct ext2_inode *inode = ext2_inode_of(dir);

    inode->disk.flags &= ~(uint32_t)EXT2_INDEX_FLAG;
    ext2_inode_touch(inode, EXT2_MTIME | EXT2_CTIME);
    return ext2_inode_store(inode);
}

/* --- Searching -------------------------------------------------------------------------------- */

static bool is_dot(const struct ext2_entry *entry)
{
    return (entry->name_length == 1 && entry->name[0] == '.') ||
           (entry->name_length == 2 && entry->name[0] == '.' && entry->name[1] == '.');
}

/* In one block: 0 (found, in *slot), -ENOENT or -EIO. */
static int find_in_block(struct vnode *dir, const struct buffer *buffer, const char *name,
                         size_t length, struct ext2_slot *slot)
{
    const struct ext2_entry *entry;

    for (unsigned offset = 0; offset < buffer->size; offset += entry->record_length) {
        entry = entry_at(dir, buffer, offset);
        if (entry == NULL)
            return -EIO;
        if (entry->inode != 0 && entry->name_length == length &&
            memcmp(entry->name, name, length) == 0) {
            slot->offset = offset;
            slot->number = entry->inode;
            return 0;
        }
    }
    return -ENOENT;
}

int ext2_dir_find(struct vnode *dir, const char *name, size_t length, struct ext2_slot *slot)
{
    struct buffer *buffer;
    int error = -ENOENT;

    for (slot->index = 0; error == -ENOENT && slot->index < dir_blocks(dir); slot->index++) {
        error = dir_block_get(dir, slot->index, &buffer);
        if (error != 0)
            return error;
        error = find_in_block(dir, buffer, name, length, slot);
        buffer_release(buffer);
        if (error == 0)
            return 0;
    }
    return error;
}

static bool block_is_empty(struct vnode *dir, const struct buffer *buffer, bool *is_corrupt)
{
    const struct ext2_entry *entry;

    for (unsigned offset = 0; offset < buffer->size; offset += entry->record_length) {
        entry = entry_at(dir, buffer, offset);
        *is_corrupt = entry == NULL;
        if (entry == NULL || (entry->inode != 0 && !is_dot(entry)))
            return false;
    }
    return true;
}

int ext2_dir_check_empty(struct vnode *dir)
{
    bool is_empty = true, is_corrupt = false;
    struct buffer *buffer;
    int error;

    for (uint64_t index = 0; index < dir_blocks(dir) && is_empty; index++) {
        error = dir_block_get(dir, index, &buffer);
        if (error != 0)
            return error;
        is_empty = block_is_empty(dir, buffer, &is_corrupt);
        buffer_release(buffer);
    }
    if (is_corrupt)
        return -EIO;
    return is_empty ? 0 : -ENOTEMPTY;
}

/* List the entries of a block from `offset` on. 0 (all), 1 (stop), -EIO; sets *offset. */
static int list_block(struct vnode *dir, const struct buffer *buffer, off_t *offset,
                      vnode_entry_fn *entry_fn, void *argument)
{
    off_t start = *offset - *offset % buffer->size, next;
    const struct ext2_entry *entry;

    for (unsigned at = 0; at < buffer->size; at += entry->record_length) {
        entry = entry_at(dir, buffer, at);
        if (entry == NULL)
            return -EIO;
        next = start + at + entry->record_length;
        if (start + at < *offset)
            continue;
        if (entry->inode != 0 && entry->name_length > 0 &&
            !entry_fn(argument, entry->name, entry->name_length, entry->inode,
                      entry_type(dir, entry), next))
            return 1;
        *offset = next;
    }
    *offset = start + buffer->size;
    return 0;
}

int ext2_readdir(struct vnode *dir, off_t *offset, vnode_entry_fn *entry, void *argument)
{
    struct ext2_fs *fs = ext2_fs_of(dir);
    struct buffer *buffer;
    int result = 0;

    if (ext2_inode_of(dir)->disk.links_count == 0)
        return -ENOENT;
    while (result == 0 && *offset >= 0 && (uint64_t)*offset / fs->block_size < dir_blocks(dir)) {
        result = dir_block_get(dir, (uint64_t)*offset / fs->block_size, &buffer);
        if (result != 0)
            return result;
        result = list_block(dir, buffer, offset, entry, argument);
        buffer_release(buffer);
    }
    return min(result, 0);
}

/* --- Changing --------------------------------------------------------------------------------- */

/* Put an entry into a block that has room for it: 0, -ENOSPC or -EIO. */
static int add_in_block(struct vnode *dir, struct buffer *buffer, const char *name, size_t length,
                        ino_t number, enum vnode_type type)
{
    unsigned needed = ext2_entry_size(length), used;
    struct ext2_entry *entry, *new;

    for (unsigned offset = 0; offset < buffer->size; offset += entry->record_length) {
        entry = entry_at(dir, buffer, offset);
        if (entry == NULL)
            return -EIO;
        used = entry->inode != 0 ? ext2_entry_size(entry->name_length) : 0;
        if (entry->record_length - used < needed)
            continue;
        new = (void *)((char *)entry + used);
        if (used > 0) {
            new->record_length = (uint16_t)(entry->record_length - used);
            entry->record_length = (uint16_t)used;
        }
        new->name_length = (uint8_t)length;
        memcpy(new->name, name, length);
        entry_set(dir, new, number, type);
        buffer_mark_dirty(buffer);
        return 0;
    }
    return -ENOSPC;
}

/* Add an empty block to a directory. */
static int dir_grow(struct vnode *dir)
{
    struct ext2_fs *fs = ext2_fs_of(dir);
    struct ext2_inode *inode = ext2_inode_of(dir);
    struct ext2_entry *entry;
    struct buffer *buffer;
    block_t block;
    bool is_new;
    int error;

    if (ext2_inode_size(inode) + fs->block_size > INT32_MAX)
        return -ENOSPC;
    error = ext2_map_allocate(inode, dir_blocks(dir), &block, &is_new);
    if (error == 0)
        error = buffer_get(fs->device, block, fs->block_size, BUFFER_ZERO, &buffer);
    if (error != 0) {
        ext2_map_truncate(inode, dir_blocks(dir));
        ext2_inode_store(inode);
        return error;
    }
    entry = buffer->data;
    entry->record_length = (uint16_t)fs->block_size;
    buffer_mark_dirty(buffer);
    buffer_release(buffer);
    ext2_inode_set_size(inode, ext2_inode_size(inode) + fs->block_size);
    return ext2_inode_store(inode);
}

int ext2_dir_add(struct vnode *dir, const char *name, size_t length, ino_t number,
                 enum vnode_type type)
{
    struct buffer *buffer;
    int error = -ENOSPC;

    for (uint64_t index = 0; error == -ENOSPC; index++) {
        if (index == dir_blocks(dir)) {
            error = dir_grow(dir);
            if (error != 0)
                return error;
        }
        error = dir_block_get(dir, index, &buffer);
        if (error != 0)
            return error;
        error = add_in_block(dir, buffer, name, length, number, type);
        buffer_release(buffer);
    }
    return error != 0 ? error : dir_changed(dir);
}

/* Free the entry at `slot_offset` of a block, whose entries were checked when it was found. */
static int remove_in_block(struct vnode *dir, struct buffer *buffer, unsigned slot_offset)
{
    struct ext2_entry *entry, *before = NULL;

    for (unsigned offset = 0; offset <= slot_offset; offset += entry->record_length) {
        entry = entry_at(dir, buffer, offset);
        if (entry == NULL)
            return -EIO;
        if (offset == slot_offset) {
            if (before != NULL)
                before->record_length += entry->record_length;
            entry->inode = 0;
            buffer_mark_dirty(buffer);
            return 0;
        }
        before = entry;
    }
    return -EIO;
}

int ext2_dir_remove(struct vnode *dir, const struct ext2_slot *slot)
{
    struct buffer *buffer;
    int error = dir_block_get(dir, slot->index, &buffer);

    if (error != 0)
        return error;
    error = remove_in_block(dir, buffer, slot->offset);
    buffer_release(buffer);
    return error != 0 ? error : dir_changed(dir);
}

int ext2_dir_replace(struct vnode *dir, const struct ext2_slot *slot, ino_t number,
                     enum vnode_type type)
{
    struct ext2_entry *entry;
    struct buffer *buffer;
    int error = dir_block_get(dir, slot->index, &buffer);

    if (error != 0)
        return error;
    entry = entry_at(dir, buffer, slot->offset);
    if (entry != NULL) {
        entry_set(dir, entry, number, type);
        buffer_mark_dirty(buffer);
    }
    buffer_release(buffer);
    return entry == NULL ? -EIO : dir_changed(dir);
}

int ext2_dir_init(struct vnode *dir, ino_t parent)
{
    int error = ext2_dir_add(dir, ".", 1, dir->number, VNODE_DIRECTORY);

    return error != 0 ? error : ext2_dir_add(dir, "..", 2, parent, VNODE_DIRECTORY);
}
