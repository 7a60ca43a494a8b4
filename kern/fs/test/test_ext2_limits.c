/* unit: kern/fs/ext2_*.c kern/fs/buffer.c kern/fs/vnode*.c kern/fs/mount.c kern/fs/namei.c
 * kern/fs/context.c kern/fs/path*.c kern/format.c kern/fs/test/ext2_image.c
 * kern/fs/test/fake_fs.c kern/fs/test/host.c kern/test/check.c */
/*
 * ext2 in bad surroundings: a full disk, very large files, corrupt metadata, a lack of memory,
 * failing transfers, and images that must be refused.
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
#include <unistd.h>

static unsigned char seen[CHUNK];

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
    images_begin();
    allocated = fake_allocated;
    test_refusal();
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
    images_end();
    return check_report();
}
