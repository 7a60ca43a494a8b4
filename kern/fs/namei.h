/*
 * Path lookup. Theory in kern/fs/namei.c.
 */
#pragma once

#include "kern/fs/vnode.h"
#include "kern/types.h"

enum name_kind {
    NAME_NORMAL,
    NAME_DOT,
    NAME_DOT_DOT,
    NAME_ROOT, /* there is no last component: the path is "/" */
};

/* A path resolved up to its last component. */
struct namei {
    struct vnode *directory; /* where `name` is to be found or made; referenced, unlocked */
    const char *name;        /* the last component, not NUL-terminated */
    size_t length;
    enum name_kind kind;
    bool trailing_slash;
    bool for_create; /* in: a link to what can only be a directory is -EISDIR */
    unsigned links;  /* symbolic links followed */
    char *buffer;    /* holds the rest of the path once a link was followed */
};

/*
 * Resolve `path` up to its last component, relative to the directory that `base` is a descriptor
 * of, or the current directory if it is AT_FDCWD. Returns 0 (end with namei_end()) or as
 * vnode_lookup(), -EBADF.
 */
int namei_begin(int base, const char *path, struct namei *namei) must_check;
void namei_end(struct namei *namei);

/*
 * Look up the last component; follows symbolic links if `follow` or if a slash comes after it,
 * which makes namei->directory and namei->name those of the link's target. With -ENOENT they say
 * where it could be created, unless namei->name is NULL: then a directory on the way to it is
 * missing.
 */
int namei_last(struct namei *namei, bool follow, struct vnode **found) must_check;

/* All at once. */
int namei_lookup(int base, const char *path, bool follow, struct vnode **found) must_check;

/* The absolute path of a directory: getcwd(2). Returns its length with the NUL, or an errno. */
ssize_t namei_path_of(struct vnode *directory, char *buffer, size_t size) must_check;
