/* unit: kern/fs/ext2_*.c kern/fs/buffer.c kern/fs/vnode*.c kern/fs/mount.c kern/fs/namei.c
 * kern/fs/context.c kern/fs/path*.c kern/format.c kern/fs/test/ext2_image.c
 * kern/fs/test/fake_fs.c kern/fs/test/host.c kern/test/check.c */
/*
 * ext2 on images made by mke2fs: random operations give the same results and the same tree as on
 * the host, and e2fsck finds the image clean after every unmount.
 */
#include "kern/fs/test/ext2_image.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/file.h"
#include "kern/fs/buffer.h"
#include "kern/fs/context.h"
#include "kern/fs/mount.h"
#include "kern/fs/namei.h"
#include "kern/fs/path.h"
#include "kern/fs/test/fake_fs.h"

static unsigned char seen[CHUNK], expected[CHUNK];

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

int main(int argc, char **argv)
{
    size_t allocated;

    fake_verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    images_begin();
    allocated = fake_allocated;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        test_random("-b 1024 -I 128 -N 300", 6000, seed);
        test_random("-b 1024 -I 256 -g 1024", 9000, seed + 10);
        test_random("-b 4096 -I 256", 12000, seed + 20);
    }
    test_random("-b 2048 -r 0", 8000, 40);
    CHECK(fake_allocated == allocated);
    images_end();
    return check_report();
}
