/*
 * ext2: where a file's blocks are.
 *
 * The inode has 15 block pointers: 12 point at data blocks, and one each at a tree of pointer
 * blocks with one, two and three levels. With 1 KiB blocks, thus 256 pointers in each:
 *
 *      block[0..11]   the file's blocks 0..11
 *      block[12]      --> [256 pointers] --> data            12..267
 *      block[13]      --> [256] --> [256] --> data           268..65803
 *      block[14]      --> [256] --> [256] --> [256] --> data
 *
 * A pointer of 0 is a hole, of data or of a whole subtree; it reads as zeros. Only one pointer
 * block is held at a time, and none while blocks are allocated or freed (the lock order).
 * Allocating fills the new pointer block with zeros before anything points at it; freeing clears
 * the pointer before the block is free. An inconsistent pointer ends the operation with -EIO.
 */
#include "kern/abi/errno.h"
#include "kern/fs/ext2.h"
#include "kern/print.h"
#include "kern/string.h"

#define LEVELS_MAX 3

/* The way to a block: the pointer in the inode, then in each pointer block. */
struct block_path {
    unsigned levels; /* pointer blocks on the way: 0..3 */
    uint32_t slots[LEVELS_MAX + 1];
};

static uint32_t pointers_per_block(const struct ext2_fs *fs)
{
    return fs->block_size / sizeof(uint32_t);
}

/* How many data blocks a tree of `levels` levels has. */
static uint64_t tree_blocks(uint64_t per_block, unsigned levels)
{
    uint64_t count = 1;

    while (levels-- > 0)
        count *= per_block;
    return count;
}

off_t ext2_map_size_max(uint32_t block_size)
{
    uint64_t per_block = block_size / sizeof(uint32_t), blocks = EXT2_DIRECT_BLOCKS;
    uint64_t pointer_blocks = 3 + 2 * per_block + per_block * per_block;

    for (unsigned levels = 1; levels <= LEVELS_MAX; levels++)
        blocks += tree_blocks(per_block, levels);
    /* The inode counts the sectors of all these blocks in 32 bits. */
    return (off_t)(min(blocks, UINT32_MAX / (block_size / 512ul) - pointer_blocks) * block_size);
}

static int find_path(const struct ext2_fs *fs, uint64_t index, struct block_path *path)
{
    uint64_t per_block = pointers_per_block(fs), span;

    path->levels = 0;
    path->slots[0] = (uint32_t)index;
    if (index < EXT2_DIRECT_BLOCKS)
        return 0;
    index -= EXT2_DIRECT_BLOCKS;
    for (unsigned levels = 1; levels <= LEVELS_MAX; levels++) {
        span = tree_blocks(per_block, levels);
        if (index < span) {
            path->levels = levels;
            path->slots[0] = EXT2_DIRECT_BLOCKS + levels - 1;
            for (unsigned i = 1; i <= levels; i++) {
                span /= per_block;
                path->slots[i] = (uint32_t)(index / span % per_block);
            }
            return 0;
        }
        index -= span;
    }
    return -EFBIG;
}

/* --- Looking up ------------------------------------------------------------------------------- */

static int check_pointers(struct ext2_inode *inode, const block_t *blocks, size_t count)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);

    for (size_t i = 0; i < count; i++)
        if (blocks[i] != 0 && !ext2_is_data_block(fs, blocks[i])) {
            (void)ext2_corrupt(fs, "block pointer", blocks[i]);
            return ext2_corrupt(fs, "of inode", inode->vnode->number);
        }
    return 0;
}

/* Read `count` pointers from a pointer block. */
static int read_pointers(struct ext2_inode *inode, block_t block, uint32_t slot, size_t count,
                         block_t *blocks)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    struct buffer *buffer;
    int error = buffer_get(fs->device, block, fs->block_size, BUFFER_READ, &buffer);

    if (error != 0)
        return error;
    memcpy(blocks, (uint32_t *)buffer->data + slot, count * sizeof *blocks);
    buffer_release(buffer);
    return check_pointers(inode, blocks, count);
}

int ext2_map(struct ext2_inode *inode, uint64_t index, size_t count, block_t *blocks)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    struct block_path path;
    block_t block;
    uint32_t last;
    int error = find_path(fs, index, &path);

    if (error != 0)
        return error;
    last = path.levels == 0 ? EXT2_DIRECT_BLOCKS : pointers_per_block(fs);
    count = min(count, (size_t)(last - path.slots[path.levels]));
    if (path.levels == 0) {
        memcpy(blocks, &inode->disk.block[path.slots[0]], count * sizeof *blocks);
        error = check_pointers(inode, blocks, count);
        return error != 0 ? error : (int)count;
    }
    block = inode->disk.block[path.slots[0]];
    error = check_pointers(inode, &block, 1);
    for (unsigned i = 1; i < path.levels && block != 0 && error == 0; i++)
        error = read_pointers(inode, block, path.slots[i], 1, &block);
    if (error == 0 && block == 0)
        memset(blocks, 0, count * sizeof *blocks);
    else if (error == 0)
        error = read_pointers(inode, block, path.slots[path.levels], count, blocks);
    return error != 0 ? error : (int)count;
}

/* --- Allocating ------------------------------------------------------------------------------- */

static int zero_block(struct ext2_fs *fs, block_t block)
{
    struct buffer *buffer;
    int error = buffer_get(fs->device, block, fs->block_size, BUFFER_ZERO, &buffer);

    if (error != 0)
        return error;
    buffer_mark_dirty(buffer);
    buffer_release(buffer);
    return 0;
}

/* Store a pointer: in the inode if `parent` is 0, else in that pointer block. */
static int set_pointer(struct ext2_inode *inode, block_t parent, uint32_t slot, block_t block)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    struct buffer *buffer;
    int error;

    if (parent == 0) {
        inode->disk.block[slot] = block;
        return 0;
    }
    error = buffer_get(fs->device, parent, fs->block_size, BUFFER_READ, &buffer);
    if (error != 0)
        return error;
    ((uint32_t *)buffer->data)[slot] = block;
    buffer_mark_dirty(buffer);
    buffer_release(buffer);
    return 0;
}

static block_t choose_goal(const struct ext2_inode *inode)
{
    const struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    ino_t group = (inode->vnode->number - 1) / fs->super.inodes_per_group;

    if (inode->goal != 0)
        return inode->goal;
    return (block_t)(fs->super.first_data_block + group * fs->super.blocks_per_group);
}

/* Fill the hole at `slot` of `parent`, with a pointer block if `is_pointers`. */
static int fill_hole(struct ext2_inode *inode, block_t parent, uint32_t slot, bool is_pointers,
                     block_t *block)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    int error = ext2_allocate_block(fs, choose_goal(inode), block);

    if (error != 0)
        return error;
    if (is_pointers)
        error = zero_block(fs, *block);
    if (error == 0)
        error = set_pointer(inode, parent, slot, *block);
    if (error != 0) {
        ext2_free_block(fs, *block);
        return error;
    }
    inode->disk.sectors += fs->block_size / 512;
    inode->goal = *block + 1;
    return 0;
}

int ext2_map_allocate(struct ext2_inode *inode, uint64_t index, block_t *block, bool *is_new)
{
    struct block_path path;
    block_t parent = 0, current;
    int error = find_path(ext2_fs_of(inode->vnode), index, &path);

    if (error != 0)
        return error;
    *is_new = false;
    for (unsigned i = 0;; i++) {
        if (parent == 0) {
            current = inode->disk.block[path.slots[i]];
            error = check_pointers(inode, &current, 1);
        } else {
            error = read_pointers(inode, parent, path.slots[i], 1, &current);
        }
        if (error == 0 && current == 0) {
            error = fill_hole(inode, parent, path.slots[i], i < path.levels, &current);
            *is_new = i == path.levels;
        }
        if (error != 0)
            return error;
        if (i == path.levels)
            break;
        parent = current;
    }
    *block = current;
    return 0;
}

/* --- Freeing ---------------------------------------------------------------------------------- */

static void free_one(struct ext2_inode *inode, block_t block)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);

    ext2_free_block(fs, block);
    inode->disk.sectors -= min(inode->disk.sectors, fs->block_size / 512);
}

/*
 * Take some pointers that are not 0 from a pointer block, from slot *slot on: they are 0 there
 * then. Returns how many, 0 at the end; *slot is where to go on.
 */
static size_t take_pointers(struct ext2_fs *fs, block_t block, uint32_t *slot, block_t *taken,
                            size_t count)
{
    uint32_t *pointers;
    struct buffer *buffer;
    size_t n = 0;

    if (buffer_get(fs->device, block, fs->block_size, BUFFER_READ, &buffer) != 0)
        return 0;
    pointers = buffer->data;
    for (; *slot < pointers_per_block(fs) && n < count; ++*slot)
        if (pointers[*slot] != 0) {
            taken[n++] = pointers[*slot];
            pointers[*slot] = 0;
        }
    if (n > 0)
        buffer_mark_dirty(buffer);
    buffer_release(buffer);
    return n;
}

/*
 * Free the part from the data block `first` (counted within this tree) on of a tree of `levels`
 * levels whose top is `block`; all of it, `block` included, if `first` is 0. Recursion goes no
 * deeper than LEVELS_MAX.
 */
static void free_tree(struct ext2_inode *inode, block_t block, unsigned levels, uint64_t first)
{
    struct ext2_fs *fs = ext2_fs_of(inode->vnode);
    uint64_t span;
    block_t batch[16], partial;
    uint32_t slot;
    size_t count;

    if (levels > 0 && ext2_is_data_block(fs, block)) {
        span = tree_blocks(pointers_per_block(fs), levels - 1);
        slot = (uint32_t)(first / span);
        if (first % span != 0) {
            if (read_pointers(inode, block, slot, 1, &partial) == 0 && partial != 0)
                free_tree(inode, partial, levels - 1, first % span);
            slot++;
        }
        while ((count = take_pointers(fs, block, &slot, batch, array_length(batch))) > 0)
            for (size_t i = 0; i < count; i++)
                free_tree(inode, batch[i], levels - 1, 0);
    }
    if (first == 0)
        free_one(inode, block);
}

void ext2_map_truncate(struct ext2_inode *inode, uint64_t index)
{
    uint64_t start = EXT2_DIRECT_BLOCKS, span;
    uint32_t *pointers = inode->disk.block;
    block_t block;

    for (uint64_t i = index; i < EXT2_DIRECT_BLOCKS; i++)
        if ((block = pointers[i]) != 0) {
            pointers[i] = 0;
            free_one(inode, block);
        }
    for (unsigned levels = 1; levels <= LEVELS_MAX; levels++) {
        span = tree_blocks(pointers_per_block(ext2_fs_of(inode->vnode)), levels);
        block = pointers[EXT2_DIRECT_BLOCKS + levels - 1];
        if (block != 0 && index < start + span) {
            if (index <= start)
                pointers[EXT2_DIRECT_BLOCKS + levels - 1] = 0;
            free_tree(inode, block, levels, index > start ? index - start : 0);
        }
        start += span;
    }
    inode->goal = 0;
}
