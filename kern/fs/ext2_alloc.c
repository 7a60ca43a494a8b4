/*
 * ext2: allocation of blocks and inodes.
 *
 * Blocks are taken near a goal, which the caller chooses (after the file's previous block, or in
 * its inode's group), so that what is read together lies together. A file's inode goes into its
 * directory's group; directories are spread over the groups that have more free inodes than the
 * average, and of these the one with most free blocks.
 *
 * A bit in a bitmap is the truth; the counts in group descriptors and superblock follow. A
 * bitmap that would give out one of the file system's own blocks, or an inode in use, is
 * corrupt: the bit is set and the search goes on. Freeing what is free already changes nothing.
 */
#include "kern/abi/errno.h"
#include "kern/fs/ext2.h"
#include "kern/process.h"
#include "kern/string.h"

/* --- Bitmaps ---------------------------------------------------------------------------------- */

static bool bit_is_set(const uint8_t *map, uint32_t bit)
{
    return (map[bit / 8] >> (bit % 8) & 1) != 0;
}

/* The first clear bit in [start, end), or `end`. */
static uint32_t find_clear_bit(const uint8_t *map, uint32_t start, uint32_t end)
{
    uint32_t bit = start;
    uint64_t word;

    while (bit < end) {
        if (bit % 64 == 0 && end - bit >= 64) {
            memcpy(&word, map + bit / 8, sizeof word);
            if (word == UINT64_MAX) {
                bit += 64;
                continue;
            }
        }
        if (!bit_is_set(map, bit))
            return bit;
        bit++;
    }
    return end;
}

/* Find a clear bit in [0, count), from `start` on and then from the beginning, and set it. */
static int bitmap_take(struct ext2_fs *fs, block_t bitmap, uint32_t start, uint32_t count,
                       uint32_t *taken)
{
    struct buffer *buffer;
    uint8_t *map;
    uint32_t bit;
    int error = buffer_get(fs->device, bitmap, fs->block_size, BUFFER_READ, &buffer);

    if (error != 0)
        return error;
    map = buffer->data;
    bit = find_clear_bit(map, start, count);
    if (bit == count) {
        bit = find_clear_bit(map, 0, start);
        if (bit == start)
            bit = count;
    }
    if (bit < count) {
        map[bit / 8] |= (uint8_t)(1u << bit % 8);
        buffer_mark_dirty(buffer);
        *taken = bit;
    } else {
        error = -ENOSPC;
    }
    buffer_release(buffer);
    return error;
}

/* Clear a bit; false if it is clear already, or cannot be had. */
static bool bitmap_give(struct ext2_fs *fs, block_t bitmap, uint32_t bit)
{
    struct buffer *buffer;
    uint8_t *map;
    bool was_set;

    if (buffer_get(fs->device, bitmap, fs->block_size, BUFFER_READ, &buffer) != 0)
        return false;
    map = buffer->data;
    was_set = bit_is_set(map, bit);
    if (was_set) {
        map[bit / 8] &= (uint8_t) ~(1u << bit % 8);
        buffer_mark_dirty(buffer);
    }
    buffer_release(buffer);
    return was_set;
}

/* Write the descriptor of a group to its buffer. fs->lock is held. */
static void store_group(struct ext2_fs *fs, uint32_t group)
{
    size_t per_block = fs->block_size / sizeof(struct ext2_group);
    struct ext2_group *slot;
    struct buffer *buffer;

    if (buffer_get(fs->device, fs->super.first_data_block + 1 + (block_t)(group / per_block),
                   fs->block_size, BUFFER_READ, &buffer) != 0)
        return;
    slot = buffer->data;
    slot[group % per_block] = fs->groups[group];
    buffer_mark_dirty(buffer);
    buffer_release(buffer);
}

/* --- Blocks ----------------------------------------------------------------------------------- */

/* How many blocks a group has: the last one may be shorter. */
static uint32_t group_blocks(const struct ext2_fs *fs, uint32_t group)
{
    uint32_t before = fs->super.first_data_block + group * fs->super.blocks_per_group;

    return min(fs->super.blocks_per_group, fs->super.blocks_count - before);
}

/* Take a block of one group. fs->lock is held. */
static int take_block(struct ext2_fs *fs, uint32_t group, uint32_t start, block_t *block)
{
    struct ext2_group *descriptor = &fs->groups[group];
    uint32_t bit;
    int error;

    for (;;) {
        if (descriptor->free_blocks_count == 0)
            return -ENOSPC;
        error = bitmap_take(fs, descriptor->block_bitmap, start, group_blocks(fs, group), &bit);
        if (error != 0)
            return error;
        *block = fs->super.first_data_block + group * fs->super.blocks_per_group + bit;
        if (ext2_is_data_block(fs, *block))
            break;
        (void)ext2_corrupt(fs, "bitmap: not a free block:", *block);
    }
    descriptor->free_blocks_count--;
    fs->super.free_blocks_count -= fs->super.free_blocks_count > 0;
    store_group(fs, group);
    return 0;
}

/* The last blocks are root's. fs->lock is held. */
static bool has_space(const struct ext2_fs *fs)
{
    const struct process *process = process_self();
    uint32_t free = fs->super.free_blocks_count;

    return free > fs->super.reserved_blocks_count ||
           (free > 0 && (process == NULL || process->euid == 0));
}

static int allocate_block_locked(struct ext2_fs *fs, block_t goal, block_t *block)
{
    uint32_t group, offset;
    int error;

    if (!has_space(fs))
        return -ENOSPC;
    if (!ext2_is_data_block(fs, goal))
        goal = fs->super.first_data_block;
    group = (goal - fs->super.first_data_block) / fs->super.blocks_per_group;
    offset = (goal - fs->super.first_data_block) % fs->super.blocks_per_group;
    for (uint32_t i = 0; i < fs->group_count; i++) {
        error = take_block(fs, group, offset, block);
        if (error != -ENOSPC)
            return error;
        group = (group + 1) % fs->group_count;
        offset = 0;
    }
    return -ENOSPC;
}

int ext2_allocate_block(struct ext2_fs *fs, block_t goal, block_t *block)
{
    int error;

    mutex_lock(&fs->lock);
    error = allocate_block_locked(fs, goal, block);
    mutex_unlock(&fs->lock);
    return error;
}

void ext2_free_block(struct ext2_fs *fs, block_t block)
{
    uint32_t group, bit;

    if (!ext2_is_data_block(fs, block)) {
        (void)ext2_corrupt(fs, "freeing what is not a data block:", block);
        return;
    }
    group = (block - fs->super.first_data_block) / fs->super.blocks_per_group;
    bit = (block - fs->super.first_data_block) % fs->super.blocks_per_group;
    mutex_lock(&fs->lock);
    if (bitmap_give(fs, fs->groups[group].block_bitmap, bit)) {
        fs->groups[group].free_blocks_count++;
        fs->super.free_blocks_count++;
        store_group(fs, group);
    } else {
        (void)ext2_corrupt(fs, "freeing a free block:", block);
    }
    mutex_unlock(&fs->lock);
}

/* --- Inodes ----------------------------------------------------------------------------------- */

/* The group for a new directory. fs->lock is held. */
static uint32_t choose_directory_group(const struct ext2_fs *fs, uint32_t parent)
{
    uint32_t average = fs->super.free_inodes_count / fs->group_count;
    uint32_t best = parent;
    int best_blocks = -1;

    for (uint32_t i = 0; i < fs->group_count; i++) {
        const struct ext2_group *group = &fs->groups[i];

        if (group->free_inodes_count > 0 && group->free_inodes_count >= average &&
            group->free_blocks_count > best_blocks) {
            best = i;
            best_blocks = group->free_blocks_count;
        }
    }
    return best;
}

/* Take an inode of one group. fs->lock is held. */
static int take_inode(struct ext2_fs *fs, uint32_t group, bool is_directory, ino_t *number)
{
    struct ext2_group *descriptor = &fs->groups[group];
    uint32_t bit;
    int error;

    for (;;) {
        if (descriptor->free_inodes_count == 0)
            return -ENOSPC;
        error = bitmap_take(fs, descriptor->inode_bitmap, 0, fs->super.inodes_per_group, &bit);
        if (error != 0)
            return error;
        *number = (ino_t)group * fs->super.inodes_per_group + bit + 1;
        if (*number >= fs->super.first_inode && !vnode_is_cached(fs->mount, *number))
            break;
        (void)ext2_corrupt(fs, "bitmap: not a free inode:", *number);
    }
    descriptor->free_inodes_count--;
    descriptor->used_directories_count += is_directory;
    fs->super.free_inodes_count -= fs->super.free_inodes_count > 0;
    store_group(fs, group);
    return 0;
}

int ext2_allocate_inode(struct ext2_fs *fs, ino_t parent, bool is_directory, ino_t *number)
{
    uint32_t group = (uint32_t)((parent - 1) / fs->super.inodes_per_group);
    int error = -ENOSPC;

    mutex_lock(&fs->lock);
    if (is_directory)
        group = choose_directory_group(fs, group);
    for (uint32_t i = 0; i < fs->group_count && error == -ENOSPC; i++)
        error = take_inode(fs, (group + i) % fs->group_count, is_directory, number);
    mutex_unlock(&fs->lock);
    return error;
}

void ext2_free_inode(struct ext2_fs *fs, ino_t number, bool is_directory)
{
    uint32_t group = (uint32_t)((number - 1) / fs->super.inodes_per_group);
    uint32_t bit = (uint32_t)((number - 1) % fs->super.inodes_per_group);
    struct ext2_group *descriptor = &fs->groups[group];

    mutex_lock(&fs->lock);
    if (bitmap_give(fs, descriptor->inode_bitmap, bit)) {
        descriptor->free_inodes_count++;
        if (is_directory && descriptor->used_directories_count > 0)
            descriptor->used_directories_count--;
        fs->super.free_inodes_count++;
        store_group(fs, group);
    } else {
        (void)ext2_corrupt(fs, "freeing a free inode:", number);
    }
    mutex_unlock(&fs->lock);
}
