/* unit: kern/fs/ext2_*.c kern/fs/buffer.c kern/fs/vnode*.c kern/fs/mount.c kern/fs/namei.c
 * kern/fs/context.c kern/fs/path*.c kern/format.c kern/fs/test/ext2_image.c
 * kern/fs/test/fake_fs.c kern/fs/test/host.c kern/test/check.c */
/*
 * Path lookup: links, mount points, dots and slashes, limits, permissions; the way back from a
 * directory to its path; and what keeps vnodes alive.
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
#include "vm/object.h"
#include <unistd.h>

static char image[] = "/tmp/duet-namei-XXXXXX";

/* --- A pseudo file system: /, /sub, /sub/leaf ------------------------------------------------- */

enum { PSEUDO_ROOT = 1, PSEUDO_SUB, PSEUDO_LEAF };

static unsigned inactive_count;
static const struct vnode_ops pseudo_ops;

static int pseudo_get(struct mount *mount, ino_t number, struct vnode **found)
{
    return vnode_get_pseudo(mount, number, number == PSEUDO_LEAF ? VNODE_FILE : VNODE_DIRECTORY,
                            &pseudo_ops, NULL, found);
}

static int pseudo_lookup(struct vnode *dir, const char *name, size_t length, struct vnode **found)
{
    if (dir->number == PSEUDO_ROOT && length == 3 && memcmp(name, "sub", 3) == 0)
        return pseudo_get(dir->mount, PSEUDO_SUB, found);
    if (dir->number == PSEUDO_SUB && length == 4 && memcmp(name, "leaf", 4) == 0)
        return pseudo_get(dir->mount, PSEUDO_LEAF, found);
    return -ENOENT;
}

static int pseudo_readdir(struct vnode *dir, off_t *offset, vnode_entry_fn *entry, void *argument)
{
    bool is_root = dir->number == PSEUDO_ROOT;

    if (!vnode_list_dots(dir, PSEUDO_ROOT, offset, entry, argument) || *offset > 2)
        return 0;
    if (entry(argument, is_root ? "sub" : "leaf", is_root ? 3 : 4,
              is_root ? PSEUDO_SUB : PSEUDO_LEAF, is_root ? DT_DIR : DT_REG, 3))
        *offset = 3;
    return 0;
}

static int pseudo_getattr(struct vnode *vnode, struct stat *stat)
{
    *stat = (struct stat){
        .st_ino = vnode->number,
        .st_mode = vnode_type_mode(vnode->type) | 0755,
    };
    return 0;
}

static void pseudo_inactive(struct vnode *vnode)
{
    (void)vnode;
    inactive_count++;
}

static const struct vnode_ops pseudo_ops = {
    .lookup = pseudo_lookup,
    .readdir = pseudo_readdir,
    .getattr = pseudo_getattr,
    .inactive = pseudo_inactive,
};

static const struct mount_ops pseudo_mount_ops = {0};

static int pseudo_mount(struct mount *mount)
{
    mount->ops = &pseudo_mount_ops;
    return pseudo_get(mount, PSEUDO_ROOT, &mount->root);
}

static const struct fs_type pseudo_type = {.name = "pseudo", .mount = pseudo_mount};

/* --- Helpers ---------------------------------------------------------------------------------- */

static void make_directory(const char *path)
{
    CHECK(path_create(AT_FDCWD, path, S_IFDIR | 0777, 0) == 0);
}

static void make_file(const char *path)
{
    CHECK(path_create(AT_FDCWD, path, S_IFREG | 0666, 0) == 0);
}

static void make_link(const char *path, const char *target)
{
    CHECK(path_symlink(target, AT_FDCWD, path) == 0);
}

static int lookup(const char *path)
{
    struct vnode *vnode;
    int error = vnode_lookup(path, true, &vnode);

    if (error == 0)
        vnode_release(vnode);
    return error;
}

/* Whether two paths lead to the same file. */
static bool is_same(const char *a, const char *b)
{
    struct vnode *first, *second;
    bool same;

    if (vnode_lookup(a, true, &first) != 0)
        return false;
    same = vnode_lookup(b, true, &second) == 0;
    vnode_release(first);
    if (same)
        vnode_release(second);
    return same && first == second;
}

static void change_directory(const char *path)
{
    struct vnode *vnode;

    CHECK(vnode_lookup(path, true, &vnode) == 0);
    if (vnode != NULL)
        fs_context_set_directory(vnode);
}

static bool path_is(const char *expected)
{
    char buffer[PATH_MAX];
    struct vnode *directory = fs_context_directory();
    ssize_t size = namei_path_of(directory, buffer, sizeof buffer);

    vnode_release(directory);
    return size == (ssize_t)strlen(expected) + 1 && strcmp(buffer, expected) == 0;
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void test_plain(void)
{
    char longer[5000];

    make_directory("/a");
    make_directory("/a/b/");
    make_file("/a/b/f");
    CHECK(is_same("/a/b/f", "a//b/./f"));
    CHECK(is_same("/a/b", "/a/b/../b/"));
    CHECK(is_same("/", "/..") && is_same("/", "//") && is_same(".", "/a/.."));
    CHECK(lookup("") == -ENOENT && lookup("/x") == -ENOENT && lookup("/x/y") == -ENOENT);
    CHECK(lookup("/a/b/f/") == -ENOTDIR && lookup("/a/b/f/g") == -ENOTDIR);
    CHECK(lookup("/a/b/f/..") == -ENOTDIR && lookup("/a/b/f/.") == -ENOTDIR);
    memset(longer, 'n', sizeof longer);
    longer[256] = '\0';
    CHECK(lookup(longer) == -ENAMETOOLONG);
    longer[255] = '\0';
    CHECK(lookup(longer) == -ENOENT);
    memset(longer, '/', sizeof longer);
    longer[4095] = '\0';
    CHECK(lookup(longer) == 0);
    longer[4095] = '/';
    longer[4096] = '\0';
    CHECK(lookup(longer) == -ENAMETOOLONG);
}

static void test_links(void)
{
    char name[32], target[32];
    struct vnode *link;

    make_link("/to-b", "a/b");
    make_link("/a/up", "..");
    make_link("/a/absolute", "/a/b/f");
    make_link("/loop", "loop");
    make_link("/dangling", "a/new");
    make_link("/slash", "a/b/");
    make_link("/file-slash", "a/b/f/");
    CHECK(is_same("/to-b/f", "/a/b/f") && is_same("/a/up/a/absolute", "/a/b/f"));
    CHECK(is_same("/slash", "/a/b") && lookup("/file-slash") == -ENOTDIR);
    CHECK(lookup("/loop") == -ELOOP && lookup("/loop/x") == -ELOOP);
    CHECK(lookup("/dangling") == -ENOENT);
    CHECK(vnode_lookup("/loop", false, &link) == 0 && link->type == VNODE_SYMLINK);
    vnode_release(link);
    CHECK(vnode_lookup("/to-b/", false, &link) == 0 && link->type == VNODE_DIRECTORY);
    vnode_release(link);
    make_link("/l0", "a");
    for (int i = 1; i <= 45; i++) {
        sprintf(name, "/l%d", i);
        sprintf(target, "l%d", i - 1);
        make_link(name, target);
    }
    CHECK(lookup("/l39") == 0 && lookup("/l40") == -ELOOP && lookup("/l40/b") == -ELOOP);
    CHECK(lookup("/l19/../l19") == 0 && lookup("/l20/../l19") == -ELOOP);
}

static void test_open(void)
{
    struct file *file;

    CHECK(path_open(AT_FDCWD, "/dangling", O_CREAT | O_WRONLY | O_EXCL, 0600, &file) == -EEXIST);
    CHECK(path_open(AT_FDCWD, "/dangling", O_CREAT | O_NOFOLLOW, 0600, &file) == -ELOOP);
    CHECK(path_open(AT_FDCWD, "/dangling", O_CREAT | O_WRONLY, 0600, &file) == 0);
    CHECK(lookup("/a/new") == 0 && file->vnode->writers == 1);
    CHECK(vnode_deny_write(file->vnode) == -ETXTBSY);
    file_release(file);
    CHECK(path_open(AT_FDCWD, "/a/new", O_RDONLY, 0, &file) == 0);
    CHECK(vnode_deny_write(file->vnode) == 0);
    struct file *writer;
    CHECK(path_open(AT_FDCWD, "/a/new", O_RDWR, 0, &writer) == -ETXTBSY);
    CHECK(path_open(AT_FDCWD, "/a/new", O_RDONLY | O_TRUNC, 0, &writer) == -ETXTBSY);
    vnode_allow_write(file->vnode);
    CHECK(path_open(AT_FDCWD, "/a/new", O_RDWR, 0, &writer) == 0);
    file_release(writer);
    file_release(file);
    CHECK(path_open(AT_FDCWD, "/a", O_RDWR, 0, &file) == -EISDIR);
    CHECK(path_open(AT_FDCWD, "/a", O_CREAT, 0, &file) == -EISDIR);
    CHECK(path_open(AT_FDCWD, "/a/new", O_DIRECTORY, 0, &file) == -ENOTDIR);
    CHECK(path_open(AT_FDCWD, "/loop", O_PATH | O_NOFOLLOW, 0, &file) == 0);
    file_release(file);
    CHECK(path_open(AT_FDCWD, "/a/none/", O_CREAT, 0600, &file) == -EISDIR);
}

static void test_mounts(void)
{
    struct vnode *covered, *root, *leaf;
    struct mount_info info;

    make_directory("/mnt");
    make_directory("/mnt/below");
    CHECK(vnode_lookup("/mnt", true, &covered) == 0);
    CHECK(mount_create(&pseudo_type, NULL, false, covered, "/mnt") == 0);
    CHECK(mount_create(&pseudo_type, NULL, false, covered, "/mnt") == -EBUSY);
    CHECK(lookup("/mnt/below") == -ENOENT && lookup("/mnt/sub/leaf") == 0);
    CHECK(is_same("/mnt/..", "/") && is_same("/mnt/sub/../..", "/"));
    CHECK(is_same("/mnt/sub/..", "/mnt"));
    CHECK(path_remove(AT_FDCWD, "/mnt", true) == -EBUSY);
    CHECK(path_rename(AT_FDCWD, "/mnt", AT_FDCWD, "/other") == -EBUSY);
    CHECK(path_rename(AT_FDCWD, "/a/new", AT_FDCWD, "/mnt/x") == -EXDEV);
    CHECK(path_create(AT_FDCWD, "/mnt/x", S_IFREG, 0) == -EPERM);
    CHECK(mount_get_info(1, &info) && strcmp(info.path, "/mnt") == 0 &&
          strcmp(info.type, "pseudo") == 0 && strcmp(info.source, "pseudo") == 0);
    CHECK(!mount_get_info(2, &info));
    change_directory("/mnt/sub");
    CHECK(path_is("/mnt/sub"));
    CHECK(vnode_lookup("/mnt", true, &root) == 0 && mount_destroy(root) == -EBUSY);
    CHECK(lookup("/mnt/sub") == 0);
    change_directory("..");
    CHECK(path_is("/mnt"));
    change_directory("..");
    CHECK(path_is("/"));
    CHECK(vnode_lookup("/a", true, &root) == 0 && mount_destroy(root) == -EINVAL);
    CHECK(vnode_lookup("/", true, &root) == 0 && mount_destroy(root) == -EBUSY);
    inactive_count = 0;
    CHECK(vnode_lookup("/mnt/sub/leaf", true, &leaf) == 0);
    CHECK(vnode_lookup("/mnt", true, &root) == 0 && mount_destroy(root) == -EBUSY);
    vnode_release(leaf);
    CHECK(inactive_count > 0);
    CHECK(vnode_lookup("/mnt", true, &root) == 0 && mount_destroy(root) == 0);
    CHECK(lookup("/mnt/below") == 0);
    vnode_release(covered);
}

static void test_paths(void)
{
    struct vnode *directory;
    char small[4], buffer[64];

    make_directory("/a/b/c");
    change_directory("/a/b/c");
    CHECK(path_is("/a/b/c"));
    directory = fs_context_directory();
    CHECK(namei_path_of(directory, small, sizeof small) == -ERANGE);
    CHECK(path_rename(AT_FDCWD, "/a/b", AT_FDCWD, "/moved") == 0);
    CHECK(path_is("/moved/c"));
    CHECK(path_remove(AT_FDCWD, "/moved/c", true) == 0);
    CHECK(namei_path_of(directory, buffer, sizeof buffer) == -ENOENT);
    CHECK(lookup("..") == 0 && lookup(".") == 0 && lookup("x") == -ENOENT);
    CHECK(is_same("..", "/moved"));
    CHECK(path_create(AT_FDCWD, "x", S_IFREG, 0) == -ENOENT);
    CHECK(path_create(AT_FDCWD, "x", S_IFDIR, 0) == -ENOENT);
    vnode_release(directory);
    change_directory("/");
    CHECK(path_rename(AT_FDCWD, "/moved", AT_FDCWD, "/a/b") == 0);
}

/* As an ordinary user. */
static void test_permissions(void)
{
    struct vnode_attributes attributes = {.valid = ATTR_MODE, .mode = 0700};
    struct vnode *directory;
    struct file *file;

    make_directory("/private");
    make_file("/private/f");
    CHECK(vnode_lookup("/private", true, &directory) == 0);
    fake_process.uid = fake_process.euid = 1000;
    CHECK(lookup("/private/f") == 0);
    CHECK(path_create(AT_FDCWD, "/private/x", S_IFREG, 0) == -EACCES);
    CHECK(path_create(AT_FDCWD, "/private/f", S_IFREG, 0) == -EEXIST);
    CHECK(path_remove(AT_FDCWD, "/private/f", false) == -EACCES);
    CHECK(path_open(AT_FDCWD, "/private/f", O_RDWR, 0, &file) == -EACCES);
    CHECK(vnode_setattr(directory, &attributes) == 0);
    CHECK(lookup("/private/f") == -EACCES && lookup("/private") == 0);
    attributes.mode = 01777;
    CHECK(vnode_setattr(directory, &attributes) == 0);
    CHECK(path_remove(AT_FDCWD, "/private/f", false) == -EPERM);
    CHECK(path_rename(AT_FDCWD, "/private/f", AT_FDCWD, "/private/g") == -EPERM);
    make_file("/private/mine");
    CHECK(path_remove(AT_FDCWD, "/private/mine", false) == 0);
    fake_process.uid = fake_process.euid = 0;
    CHECK(vnode_access(directory, X_OK) == 0);
    vnode_release(directory);
    CHECK(vnode_lookup("/private/f", true, &directory) == 0);
    CHECK(vnode_access(directory, R_OK | W_OK) == 0 && vnode_access(directory, X_OK) == -EACCES);
    vnode_release(directory);
}

/* A mapped file stays while it is mapped, also without a name. */
static void test_objects(void)
{
    struct mount *mount = fake_process.fs->root->mount;
    struct object *object;
    struct vnode *vnode;
    char page[4096];
    ino_t number;

    make_file("/mapped");
    CHECK(vnode_lookup("/mapped", true, &vnode) == 0);
    number = vnode->number;
    CHECK(vnode_get_object(vnode, &object) == 0);
    CHECK(vnode_get_object(fake_process.fs->root, &object) == -ENODEV);
    vnode_release(vnode);
    vnode_reclaim(1000);
    CHECK(vnode_is_cached(mount, number));
    CHECK(path_remove(AT_FDCWD, "/mapped", false) == 0);
    CHECK(vnode_is_cached(mount, number));
    CHECK(object->pager->read(object, 0, page) == -EIO); /* the file is empty */
    object_release(object);
    make_file("/other");
    CHECK(path_remove(AT_FDCWD, "/other", false) == 0);
    CHECK(!vnode_is_cached(mount, number));
}

int main(void)
{
    char command[256];

    fake_verbose = true;
    setvbuf(stdout, NULL, _IOLBF, 0);
    fake_process.fs->umask = 022;
    close(mkstemp(image));
    snprintf(command, sizeof command,
             "PATH=$PATH:/sbin:/usr/sbin; mke2fs -q -F -t ext2 -b 1024 %s 1024k", image);
    CHECK(system(command) == 0);
    vnode_init();
    mount_init();
    buffer_init();
    fake_disk_open(image);
    CHECK(mount_create(&ext2_type, &fake_disk, false, NULL, "/") == 0);
    fake_process.fs->root = mount_root();
    fake_process.fs->directory = mount_root();
    test_plain();
    test_links();
    test_open();
    test_mounts();
    test_paths();
    test_permissions();
    test_objects();
    mount_shutdown_all();
    CHECK(path_create(AT_FDCWD, "/late", S_IFREG, 0) == -EROFS);
    fake_disk_close();
    snprintf(command, sizeof command, "PATH=$PATH:/sbin:/usr/sbin; e2fsck -fn %s > /dev/null 2>&1",
             image);
    CHECK(system(command) == 0);
    remove(image);
    return check_report();
}
