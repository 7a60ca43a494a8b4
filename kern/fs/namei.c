/*
 * Path lookup: from a path to a vnode, one component after the other.
 *
 * The walk holds one directory (referenced, unlocked) and the rest of the path. It stops before
 * the last component, because its users differ in what they do with it: create it, remove it,
 * open it. Only one vnode is locked at a time, and only while it is searched, so a lookup
 * cannot deadlock with a rename; what it finds may be renamed meanwhile, as POSIX allows.
 *
 * A symbolic link replaces its component: its target and the rest of the path together become
 * the new rest, in a buffer that the walk owns. So links within links need no recursion. After
 * LINKS_MAX of them, or when they let the rest outgrow the buffer, it is -ELOOP.
 *
 * A path that ends in a slash names a directory: the last component is followed if it is a link,
 * and whatever it is, only a directory will do.
 */
#include "kern/fs/namei.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/file.h"
#include "kern/fs/context.h"
#include "kern/fs/mount.h"
#include "kern/string.h"
#include "vm/heap.h"

#define LINKS_MAX   40
#define BUFFER_SIZE ((size_t)2 * PATH_MAX)

/* --- One component ---------------------------------------------------------------------------- */

static enum name_kind kind_of(const char *name, size_t length)
{
    if (length == 0)
        return NAME_ROOT;
    if (length == 1 && name[0] == '.')
        return NAME_DOT;
    if (length == 2 && name[0] == '.' && name[1] == '.')
        return NAME_DOT_DOT;
    return NAME_NORMAL;
}

/* "..": the process's root is its own parent; the root of a mount has its covered one's. */
static int lookup_parent(struct vnode *directory, struct vnode **found)
{
    struct vnode *root = fs_context_root();
    bool is_root = directory == root;
    int error = 0;

    vnode_release(root);
    vnode_reference(directory);
    if (is_root) {
        *found = directory;
        return 0;
    }
    mount_cross_up(&directory);
    error = vnode_parent(directory, found);
    vnode_release(directory);
    return error;
}

/* Find namei->name in namei->directory, and what is mounted there. */
static int lookup_component(struct namei *namei, struct vnode **found)
{
    struct vnode *directory = namei->directory;
    int error = vnode_access(directory, X_OK);

    if (error != 0)
        return error;
    if (namei->kind == NAME_DOT || namei->kind == NAME_ROOT) {
        vnode_reference(directory);
        *found = directory;
        return 0;
    }
    if (namei->kind == NAME_DOT_DOT) {
        error = lookup_parent(directory, found);
    } else {
        mutex_lock(&directory->lock);
        error = directory->ops->lookup(directory, namei->name, namei->length, found);
        mutex_unlock(&directory->lock);
    }
    if (error == 0)
        mount_cross_down(found);
    return error;
}

/* --- The walk --------------------------------------------------------------------------------- */

static void set_directory(struct namei *namei, struct vnode *directory)
{
    vnode_release(namei->directory);
    namei->directory = directory;
}

/* Replace the current component, which is `link`, by the link's target. Sets *rest. */
static int follow_link(struct namei *namei, struct vnode *link, const char **rest)
{
    const char *after = namei->name + namei->length;
    size_t after_size = strlen(after) + 1;
    char *saved;
    ssize_t length;

    if (++namei->links > LINKS_MAX)
        return -ELOOP;
    if (namei->buffer == NULL)
        namei->buffer = kmalloc(BUFFER_SIZE);
    if (namei->buffer == NULL)
        return -ENOMEM;
    saved = namei->buffer + BUFFER_SIZE - after_size;
    memmove(saved, after, after_size);
    length = vnode_readlink(link, namei->buffer, BUFFER_SIZE - after_size);
    if (length < 0)
        return (int)length;
    if (length == 0)
        return -ENOENT;
    if ((size_t)length == BUFFER_SIZE - after_size)
        return -ELOOP;
    memmove(namei->buffer + length, saved, after_size);
    if (namei->buffer[0] == '/')
        set_directory(namei, fs_context_root());
    *rest = namei->buffer;
    return 0;
}

/* Take the next component off `*rest`, which has no slash in front. */
static int next_component(struct namei *namei, const char **rest)
{
    const char *end = *rest;

    while (*end != '/' && *end != '\0')
        end++;
    namei->name = *rest;
    namei->length = (size_t)(end - *rest);
    namei->kind = kind_of(namei->name, namei->length);
    namei->trailing_slash = *end == '/';
    while (*end == '/')
        end++;
    *rest = end;
    return namei->length > NAME_MAX ? -ENAMETOOLONG : 0;
}

/* Go along `rest` until only the last component is left. */
static int walk(struct namei *namei, const char *rest)
{
    struct vnode *found;
    int error;

    while (*rest == '/')
        rest++;
    for (;;) {
        error = next_component(namei, &rest);
        if (error != 0 || *rest == '\0')
            return error;
        error = lookup_component(namei, &found);
        if (error != 0)
            return error;
        if (found->type == VNODE_SYMLINK) {
            error = follow_link(namei, found, &rest);
            vnode_release(found);
            if (error != 0)
                return error;
            while (*rest == '/')
                rest++;
            continue;
        }
        if (found->type != VNODE_DIRECTORY) {
            vnode_release(found);
            return -ENOTDIR;
        }
        set_directory(namei, found);
    }
}

/* The directory where a path starts, with a reference. */
static int start_directory(int base, const char *path, struct vnode **directory)
{
    struct file *file;
    int error = 0;

    if (path[0] == '/') {
        *directory = fs_context_root();
        return 0;
    }
    if (base == AT_FDCWD) {
        *directory = fs_context_directory();
        return 0;
    }
    file = file_get(base);
    if (file == NULL)
        return -EBADF;
    if (file->vnode == NULL || file->vnode->type != VNODE_DIRECTORY) {
        error = -ENOTDIR;
    } else {
        vnode_reference(file->vnode);
        *directory = file->vnode;
    }
    file_release(file);
    return error;
}

int namei_begin(int base, const char *path, struct namei *namei)
{
    int error;

    if (path[0] == '\0')
        return -ENOENT;
    if (strnlen(path, PATH_MAX) == PATH_MAX)
        return -ENAMETOOLONG;
    *namei = (struct namei){0};
    error = start_directory(base, path, &namei->directory);
    if (error != 0)
        return error;
    error = walk(namei, path);
    if (error != 0)
        namei_end(namei);
    return error;
}

void namei_end(struct namei *namei)
{
    vnode_release(namei->directory);
    kfree(namei->buffer);
}

int namei_last(struct namei *namei, bool follow, struct vnode **found)
{
    const char *rest;
    int error = lookup_component(namei, found);

    while (error == 0 && (*found)->type == VNODE_SYMLINK && (follow || namei->trailing_slash)) {
        error = follow_link(namei, *found, &rest);
        vnode_release(*found);
        if (error == 0)
            error = walk(namei, rest);
        if (error != 0)
            namei->name = NULL;
        else if (namei->for_create && (namei->trailing_slash || namei->kind != NAME_NORMAL))
            error = -EISDIR;
        else
            error = lookup_component(namei, found);
    }
    if (error == 0 && namei->trailing_slash && (*found)->type != VNODE_DIRECTORY) {
        vnode_release(*found);
        error = -ENOTDIR;
    }
    return error;
}

int namei_lookup(int base, const char *path, bool follow, struct vnode **found)
{
    struct namei namei;
    int error = namei_begin(base, path, &namei);

    if (error != 0)
        return error;
    error = namei_last(&namei, follow, found);
    namei_end(&namei);
    return error;
}

int vnode_lookup(const char *path, bool follow, struct vnode **found)
{
    return namei_lookup(AT_FDCWD, path, follow, found);
}

/* --- And back: from a directory to its path --------------------------------------------------- */

/* Looks for the entry with a number and puts its name in front of `start`. */
struct name_search {
    ino_t number;
    char *buffer;
    size_t start; /* the path so far is from here to the end of the buffer */
    int result;   /* 0 found, -ENOENT not yet, -ERANGE no room */
};

static bool name_search_entry(void *argument, const char *name, size_t length, ino_t number,
                              unsigned type, off_t next_offset)
{
    struct name_search *search = argument;

    (void)type;
    (void)next_offset;
    if (number != search->number || kind_of(name, length) != NAME_NORMAL)
        return true;
    if (search->start < length + 1) {
        search->result = -ERANGE;
        return false;
    }
    search->start -= length;
    memcpy(search->buffer + search->start, name, length);
    search->buffer[--search->start] = '/';
    search->result = 0;
    return false;
}

/* Put the name of *directory in front of the path and go to its parent. */
static int prepend_name(struct vnode **directory, struct name_search *search)
{
    struct vnode *parent;
    off_t offset = 0;
    int error;

    mount_cross_up(directory);
    error = vnode_parent(*directory, &parent);
    if (error != 0)
        return error;
    search->number = (*directory)->number;
    search->result = -ENOENT;
    mutex_lock(&parent->lock);
    error = parent->ops->readdir(parent, &offset, name_search_entry, search);
    mutex_unlock(&parent->lock);
    vnode_release(*directory);
    *directory = parent;
    mount_cross_down(directory);
    return error != 0 ? error : search->result;
}

ssize_t namei_path_of(struct vnode *directory, char *buffer, size_t size)
{
    struct name_search search = {.buffer = buffer, .start = size - 1};
    struct vnode *root = fs_context_root();
    size_t length;
    int error = 0;

    buffer[size - 1] = '\0';
    vnode_reference(directory);
    while (error == 0 && directory != root)
        error = prepend_name(&directory, &search);
    vnode_release(directory);
    vnode_release(root);
    if (error != 0)
        return error;
    if (search.start == size - 1)
        buffer[--search.start] = '/';
    length = size - search.start;
    memmove(buffer, buffer + search.start, length);
    return (ssize_t)length;
}
