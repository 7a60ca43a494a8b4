/*
 * See ext2_image.h.
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
#include "vm/heap.h"
#include <unistd.h>

char image[] = "/tmp/duet-ext2-XXXXXX";
unsigned char data[CHUNK];

void images_begin(void)
{
    close(mkstemp(image));
    vnode_init();
    mount_init();
    buffer_init();
    for (size_t i = 0; i < CHUNK; i++)
        data[i] = (unsigned char)fake_random(256);
}

void images_end(void)
{
    char log[sizeof image + 4];

    sprintf(log, "%s.log", image);
    remove(image);
    remove(log);
}

/* --- Images ----------------------------------------------------------------------------------- */

static int run(const char *command)
{
    char line[400];

    snprintf(line, sizeof line, "PATH=$PATH:/sbin:/usr/sbin; %s", command);
    return system(line);
}

void make_image(const char *options, unsigned kib)
{
    char command[256];

    snprintf(command, sizeof command,
             "rm -f %s; mke2fs -q -q -F -t ext2 -m 0 %s %s %uk > %s.log 2>&1", image, options,
             image, kib, image);
    CHECK(run(command) == 0);
}

void check_image(void)
{
    char command[256];

    snprintf(command, sizeof command, "e2fsck -fn %s > %s.log 2>&1 || { cat %s.log; false; }",
             image, image, image);
    CHECK(run(command) == 0);
}

int mount_image(bool read_only)
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

void unmount_image(void)
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

int duet_truncate(const char *path, off_t size)
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

int duet_chmod(const char *path, mode_t mode)
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

ssize_t duet_readlink(const char *path, char *buffer, size_t size)
{
    struct vnode *vnode;
    ssize_t length = vnode_lookup(path, false, &vnode);

    if (length != 0)
        return length;
    length = vnode_readlink(vnode, buffer, size);
    vnode_release(vnode);
    return length;
}

int duet_stat(const char *path, bool follow, struct stat *stat)
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
int duet_list(const char *path, char *buffer, size_t size)
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

void random_path(char *path)
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
