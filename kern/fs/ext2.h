/*
 * The ext2 file system: the layout on disk, and what is in memory while it is mounted. Private
 * to kern/fs/ext2*.c. Theory in kern/fs/ext2_super.c; the format is described in Dave Poirier,
 * "The Second Extended File System".
 *
 * All numbers on disk are little-endian, as are our machines.
 */
#pragma once

#include "kern/fs/buffer.h"
#include "kern/fs/mount.h"
#include "kern/fs/vnode.h"
#include "kern/list.h"
#include "kern/mutex.h"
#include "kern/types.h"

/* --- On disk ---------------------------------------------------------------------------------- */

#define EXT2_MAGIC             0xef53
#define EXT2_SUPERBLOCK_OFFSET 1024
#define EXT2_ROOT_INODE        2
#define EXT2_STATE_VALID       1 /* unmounted cleanly */
#define EXT2_STATE_ERROR       2 /* inconsistencies were seen */

#define EXT2_INCOMPAT_FILETYPE      0x2 /* directory entries tell the type */
#define EXT2_INCOMPAT_SUPPORTED     EXT2_INCOMPAT_FILETYPE
#define EXT2_RO_COMPAT_SPARSE_SUPER 0x1
#define EXT2_RO_COMPAT_LARGE_FILE   0x2 /* some file is over 2 GiB */
#define EXT2_RO_COMPAT_SUPPORTED    (EXT2_RO_COMPAT_SPARSE_SUPER | EXT2_RO_COMPAT_LARGE_FILE)

struct ext2_superblock {
    uint32_t inodes_count, blocks_count, reserved_blocks_count, free_blocks_count;
    uint32_t free_inodes_count, first_data_block, log_block_size, log_fragment_size;
    uint32_t blocks_per_group, fragments_per_group, inodes_per_group, mount_time;
    uint32_t write_time;
    uint16_t mount_count, max_mount_count, magic, state;
    uint16_t errors, minor_revision;
    uint32_t last_check, check_interval, creator, revision;
    uint16_t reserved_uid, reserved_gid;
    uint32_t first_inode; /* from here on for revision 1 */
    uint16_t inode_size, block_group;
    uint32_t feature_compat, feature_incompat, feature_ro_compat;
    uint8_t uuid[16];
    char volume_name[16], last_mounted[64];
    uint8_t rest[824];
};
_Static_assert(sizeof(struct ext2_superblock) == 1024, "ext2 superblock");

struct ext2_group {
    uint32_t block_bitmap, inode_bitmap, inode_table;
    uint16_t free_blocks_count, free_inodes_count, used_directories_count, flags;
    uint32_t reserved[3];
};
_Static_assert(sizeof(struct ext2_group) == 32, "ext2 group descriptor");

#define EXT2_DIRECT_BLOCKS   12
#define EXT2_POINTERS        15
#define EXT2_FAST_LINK_MAX   60 /* a target up to this long is in the inode itself */
#define EXT2_LINKS_MAX       32000
#define EXT2_INDEX_FLAG      0x1000 /* the directory has a hash index */
#define EXT2_BASE_INODE_SIZE 128

struct ext2_disk_inode {
    uint16_t mode, uid;
    uint32_t size, atime, ctime, mtime, dtime;
    uint16_t gid, links_count;
    uint32_t sectors; /* 512 bytes each, of data and indirect blocks */
    uint32_t flags, version;
    uint32_t block[EXT2_POINTERS];
    uint32_t generation, file_acl, size_high, fragment;
    uint16_t blocks_high, file_acl_high, uid_high, gid_high;
    uint32_t reserved;
    /* From here on only in inodes of 256 bytes and more. */
    uint16_t extra_size, checksum;
    uint32_t ctime_extra, mtime_extra, atime_extra, creation_time, creation_time_extra;
};
_Static_assert(sizeof(struct ext2_disk_inode) == 152, "ext2 inode");
#define EXT2_EXTRA_SIZE (sizeof(struct ext2_disk_inode) - EXT2_BASE_INODE_SIZE)

struct ext2_entry {
    uint32_t inode; /* 0: the entry is free */
    uint16_t record_length;
    uint8_t name_length, type;
    char name[];
};
#define EXT2_ENTRY_HEADER 8

/* The space that an entry needs. */
static inline unsigned ext2_entry_size(size_t name_length)
{
    return (unsigned)align_up(EXT2_ENTRY_HEADER + name_length, (size_t)4);
}

/* --- In memory -------------------------------------------------------------------------------- */

/* (i) immutable, (l) this->lock, (g) gate_lock, (a) atomic */
struct ext2_fs {
    struct mount *mount;         /* (i) */
    struct block_device *device; /* (i) */
    uint32_t block_size;         /* (i) */
    uint32_t inode_size;         /* (i) */
    uint32_t group_count;        /* (i) */
    bool was_valid;              /* (i) unmounted cleanly the last time */
    off_t size_max;              /* (i) of a file */
    struct mutex lock;
    struct ext2_superblock super; /* (l) the counts; the layout is (i) */
    struct ext2_group *groups;    /* (l) the counts; the layout is (i) */
    uint32_t next_generation;     /* (a) */
    struct list orphans;          /* (l) unlinked and still in use, by orphan_link */
    unsigned errors_reported;     /* (a) */
    struct spinlock gate_lock;
    struct wait_queue gate;
    unsigned changes_in_progress; /* (g) */
    bool is_frozen;               /* (g) nothing may change */
};

/* All protected by the vnode's lock, but orphan_link by fs->lock. */
struct ext2_inode {
    struct vnode *vnode;
    struct ext2_disk_inode disk;
    struct list_node orphan_link;
    uint32_t parent_generation; /* of a removed directory's parent */
    block_t goal;               /* where to allocate next; 0: no idea */
    off_t next_offset;          /* where a sequential reader goes on */
};

static inline struct ext2_fs *ext2_fs_of(const struct vnode *vnode)
{
    return vnode->mount->data;
}

static inline struct ext2_inode *ext2_inode_of(const struct vnode *vnode)
{
    return vnode->data;
}

/* ext2_super.c */

/* Around everything that changes the file system: -EROFS when it must not. May sleep. */
int ext2_begin(struct ext2_fs *fs) must_check;
void ext2_begin_always(struct ext2_fs *fs); /* for freeing orphans, also while shutting down */
void ext2_end(struct ext2_fs *fs);

/* Tell the log that the file system is inconsistent, and remember it. Returns -EIO. */
int ext2_corrupt(struct ext2_fs *fs, const char *what, uint64_t number);

/* Whether a block may hold file contents: inside, and not one of the group's own. */
bool ext2_is_data_block(const struct ext2_fs *fs, block_t block);

/* ext2_alloc.c */

/* Allocate near `goal` (0: anywhere). Returns 0, -ENOSPC, -EIO, -ENOMEM. Takes fs->lock. */
int ext2_allocate_block(struct ext2_fs *fs, block_t goal, block_t *block) must_check;
void ext2_free_block(struct ext2_fs *fs, block_t block);
int ext2_allocate_inode(struct ext2_fs *fs, ino_t parent, bool is_directory,
                        ino_t *number) must_check;
void ext2_free_inode(struct ext2_fs *fs, ino_t number, bool is_directory);

/* ext2_inode.c */
int ext2_get(struct ext2_fs *fs, ino_t number, struct vnode **found) must_check;
int ext2_inode_store(struct ext2_inode *inode);
off_t ext2_inode_size(const struct ext2_inode *inode);
void ext2_inode_set_size(struct ext2_inode *inode, off_t size);

#define EXT2_ATIME 1u
#define EXT2_MTIME 2u
#define EXT2_CTIME 4u
void ext2_inode_touch(struct ext2_inode *inode, unsigned which);
bool ext2_inode_has_blocks(const struct ext2_inode *inode);

/* Make a new inode with one link (two for a directory) in `dir`; no name refers to it yet. */
int ext2_inode_create(struct vnode *dir, mode_t mode, dev_t device,
                      struct vnode **created) must_check;

/* The last name is gone, the inode stays until the last user goes. Both locked. */
void ext2_inode_orphan(struct ext2_inode *inode);

/* If the inode is an orphan: no more, and it is freed on disk. */
void ext2_inode_free_orphan(struct ext2_inode *inode);

void ext2_inactive(struct vnode *vnode);
int ext2_getattr(struct vnode *vnode, struct stat *stat);
int ext2_setattr(struct vnode *vnode, const struct vnode_attributes *attributes);

/* ext2_map.c */

/*
 * Where the file's blocks from `index` on are: fills at most `count` of `blocks`, 0 for holes.
 * Returns how many, at least 1, or an errno.
 */
int ext2_map(struct ext2_inode *inode, uint64_t index, size_t count, block_t *blocks) must_check;

/* The same for one block, which is allocated if it is a hole (*is_new then). */
int ext2_map_allocate(struct ext2_inode *inode, uint64_t index, block_t *block,
                      bool *is_new) must_check;

/* Free the blocks from `index` on. */
void ext2_map_truncate(struct ext2_inode *inode, uint64_t index);
off_t ext2_map_size_max(uint32_t block_size);

/* ext2_file.c */
ssize_t ext2_read(struct vnode *vnode, void *buffer, size_t size, off_t offset);
ssize_t ext2_write(struct vnode *vnode, const void *buffer, size_t size, off_t offset);
ssize_t ext2_readlink(struct vnode *link, char *buffer, size_t size);
int ext2_set_link_target(struct vnode *link, const char *target, size_t length) must_check;
int ext2_resize(struct ext2_inode *inode, off_t size) must_check;
int ext2_fsync(struct vnode *vnode);

/* ext2_dir.c */

/* Where an entry is. */
struct ext2_slot {
    uint64_t index;  /* block of the directory */
    unsigned offset; /* in it */
    ino_t number;
};

int ext2_dir_find(struct vnode *dir, const char *name, size_t length,
                  struct ext2_slot *slot) must_check;
int ext2_dir_add(struct vnode *dir, const char *name, size_t length, ino_t number,
                 enum vnode_type type) must_check;
int ext2_dir_remove(struct vnode *dir, const struct ext2_slot *slot) must_check;
int ext2_dir_replace(struct vnode *dir, const struct ext2_slot *slot, ino_t number,
                     enum vnode_type type) must_check;

/* Write "." and ".." of a new directory. */
int ext2_dir_init(struct vnode *dir, ino_t parent) must_check;

/* 0, -ENOTEMPTY or -EIO. */
int ext2_dir_check_empty(struct vnode *dir) must_check;
int ext2_readdir(struct vnode *dir, off_t *offset, vnode_entry_fn *entry, void *argument);

/* ext2_names.c */
extern const struct vnode_ops ext2_vnode_ops;
