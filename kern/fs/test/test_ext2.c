/* unit: kern/fs/ext2_super.c kern/fs/ext2_alloc.c kern/fs/ext2_inode.c kern/fs/ext2_map.c kern/fs/ext2_file.c kern/fs/ext2_dir.c kern/fs/ext2_names.c kern/fs/buffer.c kern/fs/vnode.c kern/fs/mount.c kern/fs/namei.c kern/fs/context.c kern/fs/path.c kern/fs/path_rename.c kern/fs/vnode_file.c kern/fs/test/fake_fs.c kern/fs/test/host.c kern/format.c kern/test/check.c */
/*
 * ext2 on images made by mke2fs: random operations give the same results and the same tree as on
 * the host; e2fsck finds the image clean after every unmount; a full disk, a lack of memory,
 * failing transfers and corrupt metadata are survived.
 */
#include "kern/test/check.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/file.h"
#include "kern/fs/buffer.h"
#include "kern/fs/context.h"
#include "kern/fs/mount.h"
#include "kern/fs/namei.h"
#include "kern/fs/path.h"
#include "kern/fs/test/fake_fs.h"
#include "vm/heap.h"
#include <unistd.h>

#define CHUNK 20000

static char image[] = "/tmp/duet-ext2-XXXXXX";
static unsigned char data[CHUNK], seen[CHUNK], expected[CHUNK];

/* --- Images ----------------------------------------------------------------------------------- */

static int run(const char *command)
{
    char line[400];

    snprintf(line, sizeof line, "PATH=$PATH:/sbin:/usr/sbin; %s", command);
    return system(line);
}

static void make_image(const char *options, unsigned kib)
{
    char command[256];

    snprintf(command, sizeof command,
             "rm -f %s; mke2fs -q -q -F -t ext2 -m 0 %s %s %uk > %s.log 2>&1", image, options,
             image, kib, image);
    CHECK(run(command) == 0);
}

static void check_image(void)
{
    char command[256];

    snprintf(command, sizeof command, "e2fsck -fn %s > %s.log 2>&1 || { cat %s.log; false; }",
             image, image, image);
    CHECK(run(command) == 0);
}

static int mount_image(bool read_only)
{
    int error;

    fake_disk_open(image);
    error = mount_create(&ext2_type, &fake_disk, read_only, NULL, "/");
    if (error != 0) {
        fake_disk_close();
        return error;
    }
    fake_process.fs->root = mount_root();
    fake_process.fs->directory = mount_root();
    return 0;
}

/* Unmount as power-off does, then really, to see that nothing is left. */
static void unmount_image(void)
{
    struct vnode *root = fake_process.fs->root;
    struct mount *mount = root->mount;

    mount_shutdown_all();
    vnode_release(root);
    vnode_release(root);
    fake_process.fs->root = NULL;
    CHECK(vnode_evict_all(mount) == 0);
    list_remove(&mount->link);
    root->keep = false;
    vnode_release(root);
    mount->ops->release(mount);
    kfree(mount->path);
    kfree(mount);
    fake_disk_close();
}

/* --- The kernel's operations by path ---------------------------------------------------------- */

static int duet_truncate(const char *path, off_t size)
{
    struct vnode_attributes attributes = {.valid = ATTR_SIZE, .size = size};
    struct file *file;
    int error = path_open(AT_FDCWD, path, O_WRONLY, 0, &file);

    if (error != 0)
        return error;
    error = vnode_setattr(file->vnode, &attributes);
    file_release(file);
    return error;
}

static int duet_chmod(const char *path, mode_t mode)
{
    struct vnode_attributes attributes = {.valid = ATTR_MODE, .mode = mode};
    struct vnode *vnode;
    int error = vnode_lookup(path, true, &vnode);

    if (error != 0)
        return error;
    error = vnode_setattr(vnode, &attributes);
    vnode_release(vnode);
    return error;
}

static ssize_t duet_readlink(const char *path, char *buffer, size_t size)
{
    struct vnode *vnode;
    ssize_t length = vnode_lookup(path, false, &vnode);

    if (length != 0)
        return length;
    length = vnode_readlink(vnode, buffer, size);
    vnode_release(vnode);
    return length;
}

static int duet_stat(const char *path, bool follow, struct stat *stat)
{
    struct vnode *vnode;
    int error = vnode_lookup(path, follow, &vnode);

    if (error != 0)
        return error;
    error = vnode_stat(vnode, stat);
    vnode_release(vnode);
    return error;
}

struct list_state {
    char *names[1024];
    size_t count, stop_after;
};

static bool list_entry(void *argument, const char *name, size_t length, ino_t number, unsigned type,
                       off_t next_offset)
{
    struct list_state *state = argument;

    CHECK(number != 0 && type <= DT_SOCK && next_offset > 0);
    if (state->stop_after == 0 || state->count == array_length(state->names))
        return false;
    state->stop_after--;
    state->names[state->count++] = strndup(name, length);
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* List a directory in portions, as getdents64(2) does. */
static int duet_list(const char *path, char *buffer, size_t size)
{
    struct list_state state = {0};
    struct vnode *vnode;
    size_t used = 0, before;
    off_t offset = 0;
    int error = vnode_lookup(path, true, &vnode);

    if (error != 0)
        return error;
    if (vnode->type != VNODE_DIRECTORY) {
        vnode_release(vnode);
        return -ENOTDIR;
    }
    do {
        before = state.count;
        state.stop_after = 3;
        mutex_lock(&vnode->lock);
        error = vnode->ops->readdir(vnode, &offset, list_entry, &state);
        mutex_unlock(&vnode->lock);
    } while (error == 0 && state.count > before);
    vnode_release(vnode);
    qsort(state.names, state.count, sizeof state.names[0], compare);
    buffer[0] = '\0';
    for (size_t i = 0; i < state.count; i++) {
        used +=
            (size_t)snprintf(buffer + used, used < size ? size - used : 0, "%s\n", state.names[i]);
        free(state.names[i]);
    }
    return error;
}

/* --- The same on both ------------------------------------------------------------------------- */

#define SAME(duet, host)                                                                           \
    do {                                                                                           \
        int duet_ = (int)(duet), host_ = (int)(host);                                              \
        if (duet_ != host_)                                                                        \
            printf("%s: %d, the host: %d\n", #duet, duet_, host_);                                 \
        CHECK(duet_ == host_);                                                                     \
    } while (0)

/* Files that are open on both, some of them unlinked meanwhile. */
#define OPEN_MAX 6
static struct {
    struct file *file; /* NULL: not open */
    int descriptor;
    uint32_t flags;
} opened[OPEN_MAX];

static void both_close(unsigned i)
{
    if (opened[i].file == NULL)
        return;
    file_release(opened[i].file);
    host_close(opened[i].descriptor);
    opened[i].file = NULL;
}

static void both_open(const char *path, uint32_t flags)
{
    unsigned i = fake_random(OPEN_MAX);
    int duet, host;

    both_close(i);
    duet = path_open(AT_FDCWD, path, flags, 0644, &opened[i].file);
    host = host_open(path, flags, 0644);
    if (duet != min(host, 0))
        printf("open %s %o\n", path, flags);
    SAME(duet, min(host, 0));
    if (duet != 0)
        opened[i].file = NULL;
    opened[i].descriptor = host;
    opened[i].flags = flags;
    if (duet == 0 && host < 0)
        both_close(i);
}

static void both_write(unsigned i)
{
    size_t size = fake_random(4) == 0 ? fake_random(CHUNK) : fake_random(3000);
    off_t offset = fake_random(20) == 0 ? fake_random(400000) : fake_random(20000);

    if (opened[i].file == NULL || (opened[i].flags & O_ACCMODE) == O_RDONLY)
        return;
    for (size_t n = 0; n < size; n++)
        data[n] = (unsigned char)fake_random(256);
    SAME(vnode_file_ops.write(opened[i].file, data, size, &offset),
         host_write(opened[i].descriptor, data, size,
                    (opened[i].flags & O_APPEND) != 0 ? 0 : offset - (off_t)size));
}

static void both_read(unsigned i)
{
    size_t size = fake_random(CHUNK);
    off_t offset = fake_random(60000), position = offset;

    if (opened[i].file == NULL || (opened[i].flags & O_ACCMODE) == O_WRONLY)
        return;
    memset(seen, 0, sizeof seen);
    memset(expected, 0, sizeof expected);
    SAME(vnode_file_ops.read(opened[i].file, seen, size, &position),
         host_read(opened[i].descriptor, expected, size, offset));
    CHECK(memcmp(seen, expected, sizeof seen) == 0);
}

/* Random paths of up to three components, now and then odd ones. */
static void random_path(char *path)
{
    unsigned depth = 1 + fake_random(3);

    path[0] = '\0';
    for (unsigned i = 0; i < depth; i++) {
        if (i > 0)
            strcat(path, fake_random(20) == 0 ? "//" : "/");
        if (fake_random(25) == 0)
            strcat(path, fake_random(2) == 0 ? "." : "..");
        else
            sprintf(path + strlen(path), "%c", 'a' + (int)fake_random(6));
        if (fake_random(10) == 0)
            strcat(path, "-a-rather-long-name-that-fills-the-directory-blocks-sooner");
    }
    /* Above the host's directory lie others than above our root. */
    if (host_leaves(path))
        strcpy(path, "c");
    if (fake_random(15) == 0)
        strcat(path, "/");
}

static void compare_stat(const char *path)
{
    bool follow = fake_random(2) == 0;
    uint64_t links = 0;
    struct stat stat;
    mode_t mode = 0;
    off_t size = 0;
    int host = host_stat(path, follow, &mode, &links, &size), duet = duet_stat(path, follow, &stat);

    SAME(duet, host);
    if (duet != 0 || host != 0)
        return;
    CHECK(stat.st_mode == mode);
    if (stat.st_mode != mode)
        printf("%s: mode %o, the host: %o\n", path, stat.st_mode, mode);
    if (!S_ISDIR(mode))
        CHECK(stat.st_nlink == links && stat.st_size == size);
}

static void compare_links(const char *path)
{
    char a[300] = {0}, b[300] = {0};

    SAME(duet_readlink(path, a, sizeof a - 1), host_readlink(path, b, sizeof b - 1));
    CHECK(strcmp(a, b) == 0);
}

static void compare_lists(const char *path)
{
    static char a[65536], b[65536];
    int duet = duet_list(path, a, sizeof a), host = host_list(path, b, sizeof b);

    SAME(duet, host);
    if (duet == 0 && host == 0)
        CHECK(strcmp(a, b) == 0);
}

static void random_operation(void)
{
    static const uint32_t flags[] = {O_RDONLY,
                                     O_RDWR,
                                     O_WRONLY | O_APPEND,
                                     O_RDWR | O_TRUNC,
                                     O_RDONLY | O_NOFOLLOW,
                                     O_RDONLY | O_DIRECTORY};
    char a[512], b[512];
    uint32_t open_flags;
    off_t size;
    mode_t mode;

    random_path(a);
    random_path(b);
    switch (fake_random(17)) {
    case 0:
    case 1:
    case 2:
        open_flags = flags[fake_random(array_length(flags))];
        if ((open_flags & O_DIRECTORY) == 0 && fake_random(4) != 0)
            open_flags |= O_CREAT | (fake_random(4) == 0 ? O_EXCL : 0);
        both_open(a, open_flags);
        break;
    case 3:
    case 4:
        both_write(fake_random(OPEN_MAX));
        break;
    case 5:
        both_read(fake_random(OPEN_MAX));
        break;
    case 6:
        size = fake_random(5) == 0 ? fake_random(400000) : fake_random(30000);
        SAME(duet_truncate(a, size), host_truncate(a, size));
        break;
    case 7:
    case 8:
        SAME(path_create(AT_FDCWD, a, S_IFDIR | 0755, 0), host_mkdir(a, 0755));
        break;
    case 9:
        SAME(path_remove(AT_FDCWD, a, true), host_rmdir(a));
        break;
    case 10:
        SAME(path_remove(AT_FDCWD, a, false), host_unlink(a));
        break;
    case 11:
        SAME(path_link(AT_FDCWD, a, AT_FDCWD, b, false), host_link(a, b));
        break;
    case 12:
        if (fake_random(3) == 0)
            while (strlen(b) < 200)
                strcat(b, "/././.");
        if (strstr(b, "..") != NULL)
            strcpy(b, ".");
        SAME(path_symlink(b, AT_FDCWD, a), host_symlink(b, a));
        break;
    case 13:
    case 14:
        SAME(path_rename(AT_FDCWD, a, AT_FDCWD, b), host_rename(a, b));
        break;
    case 15:
        mode = fake_random(512) | 0600;
        SAME(duet_chmod(a, mode | 0100), host_chmod(a, mode | 0100));
        break;
    default:
        compare_stat(a);
        compare_links(b);
        compare_lists(a);
    }
}

/* Compare everything below `path`. */
static void compare_trees(const char *path)
{
    static char names[65536];
    struct stat stat;
    struct file *file;
    char child[2048], *list, *name, *rest;
    off_t offset = 0;
    int descriptor;

    compare_lists(path);
    CHECK(host_list(path, names, sizeof names) == 0);
    rest = list = strdup(names);
    while ((name = strsep(&rest, "\n")) != NULL && name[0] != '\0') {
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        snprintf(child, sizeof child, "%s/%s", path, name);
        compare_stat(child);
        CHECK(duet_stat(child, false, &stat) == 0);
        if (S_ISDIR(stat.st_mode)) {
            compare_trees(child);
        } else if (S_ISLNK(stat.st_mode)) {
            compare_links(child);
        } else if (S_ISREG(stat.st_mode)) {
            CHECK(path_open(AT_FDCWD, child, O_RDONLY, 0, &file) == 0);
            descriptor = host_open(child, O_RDONLY, 0);
            for (offset = 0; offset < stat.st_size;) {
                memset(seen, 0, sizeof seen);
                CHECK(host_read(descriptor, expected, CHUNK, offset) ==
                      vnode_file_ops.read(file, seen, CHUNK, &offset));
                CHECK(memcmp(seen, expected,
                             (size_t)(stat.st_size % CHUNK ? stat.st_size % CHUNK : CHUNK)) == 0 ||
                      offset < stat.st_size);
            }
            host_close(descriptor);
            file_release(file);
        }
    }
    free(list);
}

static void test_random(const char *options, unsigned kib, uint64_t seed)
{
    unsigned messages = fake_messages;

    fake_seed = seed;
    make_image(options, kib);
    host_begin();
    CHECK(mount_image(false) == 0);
    CHECK(path_remove(AT_FDCWD, "lost+found", true) == 0);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 1500 && check_failures == 0; i++)
            random_operation();
        compare_trees(".");
        if (round == 3)
            mount_shutdown_all(); /* with files open and unlinked */
        for (unsigned i = 0; i < OPEN_MAX; i++)
            both_close(i);
        unmount_image();
        check_image();
        CHECK(mount_image(round == 3) == 0);
        compare_trees(".");
    }
    unmount_image();
    host_end();
    CHECK(fake_messages == messages);
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* Every block of the file system can be used and comes back. */
static void test_full(const char *options, unsigned kib)
{
    static const char first[] = "d/file-with-a-name-of-some-length-1";
    char path[64], long_target[100] = {0};
    struct statfs before = {0}, after = {0};
    struct file *file;
    ssize_t count;
    off_t offset;
    int error = 0, made;

    memset(long_target, 'x', sizeof long_target - 1);
    make_image(options, kib);
    CHECK(mount_image(false) == 0);
    CHECK(mount_root()->mount->ops->statfs(fake_process.fs->root->mount, &before) == 0);
    vnode_release(fake_process.fs->root);
    CHECK(path_create(AT_FDCWD, "d", S_IFDIR | 0755, 0) == 0);
    for (made = 0; error == 0; made++) {
        sprintf(path, "d/file-with-a-name-of-some-length-%d", made);
        error = path_open(AT_FDCWD, path, O_CREAT | O_WRONLY, 0644, &file);
        if (error != 0)
            break;
        for (offset = 0, count = 1; count > 0 && offset < made * 5000;)
            count = vnode_file_ops.write(file, data, 3000, &offset);
        file_release(file);
        CHECK(count > 0 || count == -ENOSPC);
    }
    CHECK(error == -ENOSPC);
    for (int i = 0; i < 2000; i++) {
        sprintf(path, "d/another-file-with-a-name-of-some-length-%d", i);
        if (i % 3 == 0) {
            CHECK(path_create(AT_FDCWD, path, S_IFDIR | 0755, 0) == -ENOSPC);
        } else if (i % 3 == 1) {
            CHECK(path_symlink(long_target, AT_FDCWD, path) == -ENOSPC);
        } else if (path_rename(AT_FDCWD, first, AT_FDCWD, path) == 0) {
            CHECK(path_rename(AT_FDCWD, path, AT_FDCWD, first) == 0);
        }
    }
    unmount_image();
    check_image();
    CHECK(mount_image(false) == 0);
    for (int i = 0; i < made; i++) {
        sprintf(path, "d/file-with-a-name-of-some-length-%d", i);
        CHECK(path_remove(AT_FDCWD, path, false) == 0);
    }
    CHECK(path_remove(AT_FDCWD, "d", true) == 0);
    CHECK(fake_process.fs->root->mount->ops->statfs(fake_process.fs->root->mount, &after) == 0);
    CHECK(before.f_bfree == after.f_bfree && before.f_ffree == after.f_ffree);
    unmount_image();
    check_image();
}

/* A file that reaches into the triple indirect blocks, and over 4 GiB. */
static void test_large(const char *options)
{
    static const off_t offsets[] = {
        0, 12 << 10, 300 << 10, 70000 << 10, (off_t)3 << 30, ((off_t)4 << 30) + 5, (off_t)12 << 30};
    struct file *file;
    struct stat stat;
    unsigned char byte;
    off_t offset;

    make_image(options, 4096);
    CHECK(mount_image(false) == 0);
    CHECK(path_open(AT_FDCWD, "large", O_CREAT | O_RDWR, 0600, &file) == 0);
    for (size_t i = 0; i < array_length(offsets); i++) {
        offset = offsets[i];
        data[0] = (unsigned char)('A' + i);
        CHECK(vnode_file_ops.write(file, data, 1, &offset) == 1);
    }
    for (size_t i = 0; i < array_length(offsets); i++) {
        offset = offsets[i];
        CHECK(vnode_file_ops.read(file, &byte, 1, &offset) == 1 && byte == 'A' + i);
        offset = offsets[i] + 5000;
        CHECK(vnode_file_ops.read(file, &byte, 1, &offset) == (i + 1 < array_length(offsets)) &&
              (byte == 0 || i + 1 == array_length(offsets)));
    }
    offset = INT64_MAX;
    CHECK(vnode_file_ops.write(file, data, 1, &offset) == -EFBIG);
    CHECK(duet_truncate("large", ((off_t)4 << 30) + 6) == 0);
    CHECK(duet_stat("large", true, &stat) == 0 && stat.st_size == ((off_t)4 << 30) + 6);
    file_release(file);
    unmount_image();
    check_image();
    CHECK(mount_image(false) == 0);
    CHECK(duet_truncate("large", 300 << 10) == 0);
    unmount_image();
    check_image();
    CHECK(mount_image(false) == 0);
    CHECK(path_remove(AT_FDCWD, "large", false) == 0);
    unmount_image();
    check_image();
}

/* --- Bad surroundings ------------------------------------------------------------------------- */

static void attempt(int result)
{
    (void)result;
}

/* Try everything on all files below `path`; results do not matter. */
static void exercise(const char *path, unsigned depth)
{
    static char names[65536];
    char child[2048], other[2048], *list, *name, *rest;
    struct file *file;
    off_t offset = 0;
    unsigned count = 0;

    if (depth > 4 || duet_list(path, names, sizeof names) != 0)
        return;
    rest = list = strdup(names);
    while ((name = strsep(&rest, "\n")) != NULL && name[0] != '\0' && count++ < 40) {
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(path) > 1000)
            continue;
        snprintf(child, sizeof child, "%s/%s", path, name);
        snprintf(other, sizeof other, "%s/%c", path, 'a' + (int)fake_random(6));
        exercise(child, depth + 1);
        attempt((int)duet_readlink(child, (char *)seen, sizeof seen));
        if (path_open(AT_FDCWD, child, O_RDWR, 0, &file) == 0) {
            offset = fake_random(100000);
            (void)vnode_file_ops.read(file, seen, sizeof seen, &offset);
            (void)vnode_file_ops.write(file, seen, fake_random(CHUNK), &offset);
            file_release(file);
        }
        switch (fake_random(6)) {
        case 0:
            attempt(path_remove(AT_FDCWD, child, false));
            break;
        case 1:
            attempt(path_remove(AT_FDCWD, child, true));
            break;
        case 2:
            attempt(path_rename(AT_FDCWD, child, AT_FDCWD, other));
            break;
        case 3:
            attempt(path_link(AT_FDCWD, child, AT_FDCWD, other, false));
            break;
        case 4:
            attempt(duet_truncate(child, fake_random(50000)));
            break;
        default:
            attempt(path_create(AT_FDCWD, other, S_IFDIR | 0755, 0));
        }
    }
    free(list);
}

/* Fill the mounted file system with something. */
static void populate(void)
{
    char path[512];
    struct file *file;
    off_t offset;

    for (int i = 0; i < 60; i++) {
        random_path(path);
        attempt(path_create(AT_FDCWD, path, S_IFDIR | 0755, 0));
        random_path(path);
        attempt(path_symlink(path, AT_FDCWD, "a/link"));
        random_path(path);
        if (path_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644, &file) != 0)
            continue;
        offset = fake_random(10) == 0 ? 400000 : 0;
        (void)vnode_file_ops.write(file, data, fake_random(CHUNK), &offset);
        file_release(file);
    }
}

static void test_corrupt(const char *options, uint64_t seed)
{
    static char pristine[2048 * 1024];
    unsigned mounted = 0;
    unsigned char *disk;

    fake_seed = seed;
    make_image(options, 2048);
    CHECK(mount_image(false) == 0);
    populate();
    unmount_image();
    check_image();
    fake_disk_open(image);
    memcpy(pristine, fake_disk_data(), sizeof pristine);
    fake_disk_close();
    for (int round = 0; round < 250; round++) {
        fake_disk_open(image);
        disk = memcpy(fake_disk_data(), pristine, sizeof pristine);
        for (uint32_t i = 0; i < 1 + fake_random(200); i++)
            disk[2048 + fake_random(round % 2 ? sizeof pristine - 2048 : 120 << 10)] ^=
                (unsigned char)(1 << fake_random(8));
        if (round % 5 == 0)
            disk[1024 + fake_random(200)] ^= (unsigned char)(1 + fake_random(255));
        fake_disk_close();
        if (mount_image(false) != 0)
            continue;
        mounted++;
        exercise(".", 0);
        unmount_image();
    }
    CHECK(mounted > 100);
}

/* Out of memory or with a failing disk an operation fails, but nothing crashes or leaks. */
static void test_failures(int *failing)
{
    fake_seed = 5;
    make_image("-b 1024", 2048);
    CHECK(mount_image(false) == 0);
    populate();
    unmount_image();
    for (int round = 0; round < 300; round++) {
        *failing = round;
        if (mount_image(false) == 0) {
            exercise(".", 0);
            if (round % 2 == 0)
                buffer_reclaim(1000);
            exercise(".", 0);
            *failing = -1;
            unmount_image();
        }
        *failing = -1;
    }
}

static void test_refusal(void)
{
    unsigned char *disk;
    struct vnode *vnode;

    make_image("-b 1024", 1024);
    fake_disk_open(image);
    disk = fake_disk_data();
    CHECK((disk[1024 + 58] & 1) != 0);
    disk[1024 + 96] |= 0x40; /* extents */
    fake_disk_close();
    CHECK(mount_image(false) == -EINVAL);
    fake_disk_open(image);
    disk = fake_disk_data();
    disk[1024 + 96] &= 0xbf;
    disk[1024 + 100] |= 0x80;
    fake_disk_close();
    CHECK(mount_image(false) == -EINVAL);
    CHECK(mount_image(true) == 0);
    CHECK(path_create(AT_FDCWD, "x", S_IFREG | 0644, 0) == -EROFS);
    unmount_image();
    make_image("-b 1024", 1024);
    CHECK(truncate(image, 512 << 10) == 0);
    CHECK(mount_image(false) == -EINVAL);
    CHECK(truncate(image, 0) == 0 && truncate(image, 1024 << 10) == 0);
    CHECK(mount_image(false) == -EINVAL);
    make_image("-b 1024", 1024);
    CHECK(mount_image(false) == 0);
    CHECK((((unsigned char *)fake_disk_data())[1024 + 58] & 1) == 0); /* not clean while mounted */
    CHECK(vnode_lookup("/", true, &vnode) == 0);
    vnode_release(vnode);
    unmount_image();
    fake_disk_open(image);
    CHECK((((unsigned char *)fake_disk_data())[1024 + 58] & 1) != 0);
    fake_disk_close();
}

int main(int argc, char **argv)
{
    size_t allocated;

    fake_verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    close(mkstemp(image));
    vnode_init();
    mount_init();
    buffer_init();
    allocated = fake_allocated;
    test_refusal();
    for (uint64_t seed = 1; seed <= 3; seed++) {
        test_random("-b 1024 -I 128 -N 300", 6000, seed);
        test_random("-b 1024 -I 256 -g 1024", 9000, seed + 10);
        test_random("-b 4096 -I 256", 12000, seed + 20);
    }
    test_random("-b 2048 -r 0", 8000, 40);
    test_full("-b 1024 -I 128", 500);
    test_full("-b 1024 -N 2000 -g 512", 3000);
    test_full("-b 4096", 2000);
    test_large("-b 1024");
    test_large("-b 4096");
    test_corrupt("-b 1024", 1);
    test_corrupt("-b 4096", 2);
    test_failures(&fake_failing_allocations);
    test_failures(&fake_failing_transfers);
    CHECK(fake_allocated == allocated);
    remove(image);
    strcat(strcpy((char *)data, image), ".log");
    remove((char *)data);
    return check_report();
}
