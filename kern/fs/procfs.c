/*
 * procfs, mounted on /proc: what the kernel knows, as texts in Linux's formats, so that ps(1) and
 * its kind run here and on Linux alike.
 *
 *      /proc/uptime, meminfo, ...      proc_files[]
 *      /proc/self                      a symbolic link to the reader's own PID
 *      /proc/PID/stat, status, ...     proc_process_files[]
 *
 * Nothing is stored. A vnode's number says what it shows: the process in its upper part (0: none)
 * and the file in its lower. Every read makes the text anew and returns the part of it that was
 * asked for; a file's size is 0, as on Linux. Reading bypasses the vnode's operations, because
 * some texts need locks that come before the vnode's (an address map's).
 */
#include "kern/fs/procfs.h"

#include "kern/abi/errno.h"
#include "kern/clock.h"
#include "kern/file.h"
#include "kern/fs/mount.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "vm/heap.h"

/* Vnode numbers: pid * NUMBERS_PER_PROCESS + one of these; files from NUMBER_FILES on. */
#define NUMBERS_PER_PROCESS 64
#define NUMBER_DIRECTORY    1
#define NUMBER_SELF         2
#define NUMBER_FILES        3

/* Offsets in the root directory from which on processes are listed: this plus the pid. */
#define OFFSET_PROCESSES 256

static pid_t pid_of(const struct vnode *vnode)
{
    return (pid_t)(vnode->number / NUMBERS_PER_PROCESS);
}

static ino_t number_of(pid_t pid, unsigned which)
{
    return (ino_t)pid * NUMBERS_PER_PROCESS + which;
}

static void fill_stat(struct vnode *vnode, struct stat *stat, mode_t mode)
{
    nsec_t now = clock_realtime();
    struct timespec time = {now / NSEC_PER_SEC, now % NSEC_PER_SEC};
    struct process *process;

    *stat = (struct stat){
        .st_dev = vnode->mount->number,
        .st_ino = vnode->number,
        .st_nlink = S_ISDIR(mode) ? 2 : 1,
        .st_mode = mode,
        .st_blksize = 1024,
        .st_atim = time,
        .st_mtim = time,
        .st_ctim = time,
    };
    spin_lock(&process_tree_lock);
    process = process_find(pid_of(vnode));
    if (process != NULL) {
        stat->st_uid = process->euid;
        stat->st_gid = process->egid;
    }
    spin_unlock(&process_tree_lock);
}

/* --- Files ----------------------------------------------------------------------------------- */

static const struct proc_file *file_of(const struct vnode *vnode)
{
    const struct proc_file *files = pid_of(vnode) != 0 ? proc_process_files : proc_files;

    return &files[vnode->number % NUMBERS_PER_PROCESS - NUMBER_FILES];
}

/* Make the text of a vnode: to be freed by the caller. Returns its length or an errno. */
static ssize_t make_text(const struct vnode *vnode, char **buffer)
{
    struct proc_text text = {.size = 1024};
    int error;

    for (;;) {
        text.length = 0;
        text.buffer = kmalloc(text.size);
        if (text.buffer == NULL)
            return -ENOMEM;
        error = file_of(vnode)->print(&text, pid_of(vnode));
        if (error == 0 && text.length <= text.size) {
            *buffer = text.buffer;
            return (ssize_t)text.length;
        }
        kfree(text.buffer);
        if (error != 0)
            return error;
        text.size = text.length * 2; /* it may have grown when it is made again */
    }
}

static ssize_t proc_read(struct file *file, void *buffer, size_t size, off_t *position)
{
    char *text = NULL;
    ssize_t length = make_text(file->vnode, &text);

    if (length < 0)
        return length;
    size = *position < length ? min(size, (size_t)(length - *position)) : 0;
    if (size > 0)
        memcpy(buffer, text + *position, size);
    *position += (off_t)size;
    kfree(text);
    return (ssize_t)size;
}

static const struct file_ops proc_file_ops = {.read = proc_read, .is_seekable = true};

static int file_open(struct vnode *vnode, struct file *file)
{
    (void)vnode;
    if (file_is_writable(file))
        return -EACCES;
    file->ops = &proc_file_ops;
    return 0;
}

static int file_getattr(struct vnode *vnode, struct stat *stat)
{
    fill_stat(vnode, stat, S_IFREG | 0444);
    return 0;
}

static const struct vnode_ops file_vnode_ops = {.open = file_open, .getattr = file_getattr};

/* Find the file called `name` of process `pid`, or of none (0). */
static int lookup_file(struct vnode *dir, pid_t pid, const char *name, size_t length,
                       struct vnode **found)
{
    const struct proc_file *files = pid != 0 ? proc_process_files : proc_files;

    for (unsigned i = 0; files[i].name != NULL; i++)
        if (strlen(files[i].name) == length && memcmp(files[i].name, name, length) == 0)
            return vnode_get_pseudo(dir->mount, number_of(pid, NUMBER_FILES + i), VNODE_FILE,
                                    &file_vnode_ops, NULL, found);
    return -ENOENT;
}

/* List the files from *offset on, of which the first has the offset `base`. False: stop. */
static bool list_files(const struct proc_file *files, pid_t pid, off_t base, off_t *offset,
                       vnode_entry_fn *entry, void *argument)
{
    for (; files[*offset - base].name != NULL; ++*offset) {
        const char *name = files[*offset - base].name;
        unsigned which = NUMBER_FILES + (unsigned)(*offset - base);

        if (!entry(argument, name, strlen(name), number_of(pid, which), DT_REG, *offset + 1))
            return false;
    }
    return true;
}

/* --- The directory of a process -------------------------------------------------------------- */

static int process_lookup(struct vnode *dir, const char *name, size_t length, struct vnode **found)
{
    return lookup_file(dir, pid_of(dir), name, length, found);
}

static int process_readdir(struct vnode *dir, off_t *offset, vnode_entry_fn *entry, void *argument)
{
    if (vnode_list_dots(dir, NUMBER_DIRECTORY, offset, entry, argument))
        list_files(proc_process_files, pid_of(dir), 2, offset, entry, argument);
    return 0;
}

static int directory_getattr(struct vnode *vnode, struct stat *stat)
{
    fill_stat(vnode, stat, S_IFDIR | 0555);
    return 0;
}

static const struct vnode_ops process_ops = {
    .lookup = process_lookup,
    .readdir = process_readdir,
    .getattr = directory_getattr,
};

/* --- /proc/self ------------------------------------------------------------------------------ */

static ssize_t self_readlink(struct vnode *link, char *buffer, size_t size)
{
    char text[16];
    size_t length;

    (void)link;
    if (process_self() == NULL)
        return -ENOENT;
    length = (size_t)format(text, sizeof(text), "%d", process_self()->pid);
    length = min(length, size);
    memcpy(buffer, text, length);
    return (ssize_t)length;
}

static int self_getattr(struct vnode *vnode, struct stat *stat)
{
    fill_stat(vnode, stat, S_IFLNK | 0777);
    return 0;
}

static const struct vnode_ops self_ops = {.readlink = self_readlink, .getattr = self_getattr};

/* --- The root -------------------------------------------------------------------------------- */

/* The pid that a name is, or 0. */
static pid_t parse_pid(const char *name, size_t length)
{
    pid_t pid = 0;

    if (length == 0 || length > 8 || name[0] == '0')
        return 0;
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        pid = pid * 10 + (name[i] - '0');
    }
    return pid;
}

static int root_lookup(struct vnode *dir, const char *name, size_t length, struct vnode **found)
{
    pid_t pid = parse_pid(name, length);
    struct process_info info;

    if (pid != 0) {
        if (process_get_info(pid, &info) != 0)
            return -ENOENT;
        return vnode_get_pseudo(dir->mount, number_of(pid, NUMBER_DIRECTORY), VNODE_DIRECTORY,
                                &process_ops, NULL, found);
    }
    if (length == 4 && memcmp(name, "self", 4) == 0)
        return vnode_get_pseudo(dir->mount, NUMBER_SELF, VNODE_SYMLINK, &self_ops, NULL, found);
    return lookup_file(dir, 0, name, length, found);
}

static int root_readdir(struct vnode *dir, off_t *offset, vnode_entry_fn *entry, void *argument)
{
    char name[16];
    int length;
    pid_t pid;

    if (!vnode_list_dots(dir, NUMBER_DIRECTORY, offset, entry, argument))
        return 0;
    if (*offset == 2) {
        if (!entry(argument, "self", 4, NUMBER_SELF, DT_LNK, 3))
            return 0;
        *offset = 3;
    }
    if (*offset < OFFSET_PROCESSES) {
        if (!list_files(proc_files, 0, 3, offset, entry, argument))
            return 0;
        *offset = OFFSET_PROCESSES;
    }
    while ((pid = process_next((pid_t)(*offset - OFFSET_PROCESSES))) != 0) {
        length = format(name, sizeof(name), "%d", pid);
        if (!entry(argument, name, (size_t)length, number_of(pid, NUMBER_DIRECTORY), DT_DIR,
                   OFFSET_PROCESSES + pid))
            break;
        *offset = OFFSET_PROCESSES + pid;
    }
    return 0;
}

static const struct vnode_ops root_ops = {
    .lookup = root_lookup,
    .readdir = root_readdir,
    .getattr = directory_getattr,
};

/* --- The file system ------------------------------------------------------------------------- */

static int procfs_statfs(struct mount *mount, struct statfs *statfs)
{
    (void)mount;
    statfs->f_type = 0x9fa0; /* PROC_SUPER_MAGIC */
    return 0;
}

static const struct mount_ops procfs_mount_ops = {.statfs = procfs_statfs};

static int procfs_mount(struct mount *mount)
{
    mount->ops = &procfs_mount_ops;
    return vnode_get_pseudo(mount, NUMBER_DIRECTORY, VNODE_DIRECTORY, &root_ops, NULL,
                            &mount->root);
}

const struct fs_type procfs_type = {.name = "proc", .mount = procfs_mount};
