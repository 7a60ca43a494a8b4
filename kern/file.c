/*
 * Open files and descriptor tables.
 *
 * A descriptor is an index into the process's file table; a slot of the table refers to an open
 * file (struct file: access mode, offset, operations); an open file refers to a vnode, a pipe or
 * a device. dup(2) and fork(2) make several descriptors refer to one open file, which therefore
 * counts its references:
 *
 *      descriptor 1 --> table slot 1 --\
 *      descriptor 2 --> table slot 2 ---+--> struct file --> struct vnode
 *      a child's 1  --> its slot 1   --/      offset, flags
 *
 * A system call holds a reference of its own while it works (file_get()), so that a close by
 * another thread, or process, that shares the table does not pull the file away. The last reference
 * calls ops->release(), which may sleep: references are never dropped with a spinlock held.
 *
 * Invariants: all slots below table->first_free are in use; a slot at or above table->capacity is
 * free. The table starts small and doubles up to FILE_DESCRIPTORS_MAX.
 *
 * Locks: table->lock (LOCK_FILE_TABLE) protects the slots; only the heap's are taken inside.
 */
#include "kern/file.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/fs/path.h"
#include "kern/fs/vnode.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "vm/heap.h"

#define TABLE_INITIAL_CAPACITY 16

struct file_slot {
    struct file *file; /* NULL: free */
    bool close_on_exec;
};

/* (a) atomic, (l) this->lock */
struct file_table {
    uint32_t references; /* (a) */
    struct spinlock lock;
    int capacity;            /* (l) length of `slots` */
    int first_free;          /* (l) all lower descriptors are in use */
    struct file_slot *slots; /* (l) */
};

/* --- Open files ----------------------------------------------------------------------------- */

/* What open(2) acts on once and the open file does not keep. */
#define FLAGS_NOT_KEPT (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)

int file_create(const struct file_ops *ops, uint32_t flags, struct vnode *vnode, void *data,
                struct file **file)
{
    struct file *new = kzalloc(sizeof(*new));

    if (new == NULL)
        return -ENOMEM;
    new->references = 1;
    new->flags = flags & ~(uint32_t)FLAGS_NOT_KEPT;
    if (vnode != NULL)
        new->flags |= O_LARGEFILE;
    new->ops = ops;
    new->vnode = vnode;
    new->data = data;
    mutex_init(&new->offset_lock, "file offset", LOCK_FILE);
    *file = new;
    return 0;
}

void file_reference(struct file *file)
{
    __atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);
}

void file_release(struct file *file)
{
    uint32_t before = __atomic_fetch_sub(&file->references, 1, __ATOMIC_ACQ_REL);

    assert(before > 0);
    if (before > 1)
        return;
    if (file->ops->release != NULL)
        file->ops->release(file);
    if (file->vnode != NULL)
        vnode_release(file->vnode);
    kfree(file);
}

bool file_is_readable(const struct file *file)
{
    uint32_t mode = file->flags & O_ACCMODE;

    return (mode == O_RDONLY || mode == O_RDWR) && (file->flags & O_PATH) == 0;
}

bool file_is_writable(const struct file *file)
{
    uint32_t mode = file->flags & O_ACCMODE;

    return (mode == O_WRONLY || mode == O_RDWR) && (file->flags & O_PATH) == 0;
}

/* --- Slots: table->lock is held -------------------------------------------------------------- */

/* Make the table long enough for `descriptor`. */
static int table_grow(struct file_table *table, int descriptor)
{
    int capacity = table->capacity;
    struct file_slot *slots;

    if (descriptor < capacity)
        return 0;
    while (capacity <= descriptor)
        capacity *= 2;
    slots = kzalloc((size_t)capacity * sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    memcpy(slots, table->slots, (size_t)table->capacity * sizeof(*slots));
    kfree(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return 0;
}

static int table_find_free(const struct file_table *table, int lowest)
{
    int descriptor = max(lowest, table->first_free);

    while (descriptor < table->capacity && table->slots[descriptor].file != NULL)
        descriptor++;
    return descriptor;
}

/* Fill or empty a slot; returns the file that was in it. */
static struct file *table_set(struct file_table *table, int descriptor, struct file *file,
                              bool close_on_exec)
{
    struct file_slot *slot = &table->slots[descriptor];
    struct file *before = slot->file;

    slot->file = file;
    slot->close_on_exec = close_on_exec;
    if (file == NULL && descriptor < table->first_free)
        table->first_free = descriptor;
    else if (file != NULL && descriptor == table->first_free)
        table->first_free = descriptor + 1;
    return before;
}

static struct file_slot *table_slot(struct file_table *table, int descriptor)
{
    if ((unsigned)descriptor >= (unsigned)table->capacity)
        return NULL;
    if (table->slots[descriptor].file == NULL)
        return NULL;
    return &table->slots[descriptor];
}

static int table_install(struct file_table *table, struct file *file, int lowest,
                         bool close_on_exec)
{
    int descriptor = table_find_free(table, lowest);
    int error;

    if (descriptor >= FILE_DESCRIPTORS_MAX)
        return -EMFILE;
    error = table_grow(table, descriptor);
    if (error != 0)
        return error;
    table_set(table, descriptor, file, close_on_exec);
    return descriptor;
}

/* --- Descriptors of the current process ------------------------------------------------------ */

int file_install(struct file *file, int lowest, bool close_on_exec)
{
    struct file_table *table = process_self()->files;
    int descriptor;

    spin_lock(&table->lock);
    descriptor = table_install(table, file, lowest, close_on_exec);
    spin_unlock(&table->lock);
    return descriptor;
}

int file_install_at(struct file *file, int descriptor, bool close_on_exec)
{
    struct file_table *table = process_self()->files;
    struct file *before = NULL;
    int error;

    spin_lock(&table->lock);
    error = table_grow(table, descriptor);
    if (error == 0)
        before = table_set(table, descriptor, file, close_on_exec);
    spin_unlock(&table->lock);
    if (before != NULL)
        file_release(before);
    return error != 0 ? error : descriptor;
}

struct file *file_get(int descriptor)
{
    struct file_table *table = process_self()->files;
    struct file_slot *slot;
    struct file *file = NULL;

    spin_lock(&table->lock);
    slot = table_slot(table, descriptor);
    if (slot != NULL) {
        file = slot->file;
        file_reference(file);
    }
    spin_unlock(&table->lock);
    return file;
}

struct file *file_remove(int descriptor)
{
    struct file_table *table = process_self()->files;
    struct file *file = NULL;

    spin_lock(&table->lock);
    if (table_slot(table, descriptor) != NULL)
        file = table_set(table, descriptor, NULL, false);
    spin_unlock(&table->lock);
    return file;
}

int file_get_close_on_exec(int descriptor)
{
    struct file_table *table = process_self()->files;
    struct file_slot *slot;
    int result = -EBADF;

    spin_lock(&table->lock);
    slot = table_slot(table, descriptor);
    if (slot != NULL)
        result = slot->close_on_exec;
    spin_unlock(&table->lock);
    return result;
}

int file_set_close_on_exec(int descriptor, bool close_on_exec)
{
    struct file_table *table = process_self()->files;
    struct file_slot *slot;
    int result = -EBADF;

    spin_lock(&table->lock);
    slot = table_slot(table, descriptor);
    if (slot != NULL) {
        slot->close_on_exec = close_on_exec;
        result = 0;
    }
    spin_unlock(&table->lock);
    return result;
}

/* --- Tables ---------------------------------------------------------------------------------- */

static struct file_table *table_create(int capacity)
{
    struct file_table *table = kzalloc(sizeof(*table));

    if (table == NULL)
        return NULL;
    table->slots = kzalloc((size_t)capacity * sizeof(*table->slots));
    if (table->slots == NULL) {
        kfree(table);
        return NULL;
    }
    table->references = 1;
    table->capacity = capacity;
    spin_init(&table->lock, "file table", LOCK_FILE_TABLE);
    return table;
}

struct file_table *file_table_create(void)
{
    return table_create(TABLE_INITIAL_CAPACITY);
}

void file_table_reference(struct file_table *table)
{
    __atomic_fetch_add(&table->references, 1, __ATOMIC_RELAXED);
}

int file_table_copy(struct file_table *table, struct file_table **copy)
{
    struct file_table *new;
    int capacity;

    /* Another user of a shared table may make it grow before the lock is taken again. */
    for (;;) {
        capacity = __atomic_load_n(&table->capacity, __ATOMIC_RELAXED);
        new = table_create(capacity);
        if (new == NULL)
            return -ENOMEM;
        spin_lock(&table->lock);
        if (table->capacity == capacity)
            break;
        spin_unlock(&table->lock);
        kfree(new->slots);
        kfree(new);
    }
    for (int i = 0; i < capacity; i++) {
        new->slots[i] = table->slots[i];
        if (new->slots[i].file != NULL)
            file_reference(new->slots[i].file);
    }
    new->first_free = table->first_free;
    spin_unlock(&table->lock);
    *copy = new;
    return 0;
}

void file_table_release(struct file_table *table)
{
    if (__atomic_fetch_sub(&table->references, 1, __ATOMIC_ACQ_REL) > 1)
        return;
    for (int i = 0; i < table->capacity; i++)
        if (table->slots[i].file != NULL)
            file_release(table->slots[i].file);
    kfree(table->slots);
    kfree(table);
}

/* The table of the current process, with no other users: a copy when it was shared. */
static struct file_table *table_unshare(struct file_table *table)
{
    struct process *process = process_self();
    struct file_table *copy;

    if (__atomic_load_n(&table->references, __ATOMIC_ACQUIRE) == 1)
        return table;
    if (file_table_copy(table, &copy) != 0) {
        spin_lock(&process_tree_lock);
        signal_send(process, SIGKILL);
        spin_unlock(&process_tree_lock);
        return NULL;
    }
    process->files = copy;
    file_table_release(table);
    return copy;
}

void file_table_close_on_exec(struct file_table *table)
{
    struct file *file;

    table = table_unshare(table);
    if (table == NULL)
        return;
    for (int i = 0; i < table->capacity; i++) {
        file = NULL;
        spin_lock(&table->lock);
        if (table->slots[i].close_on_exec)
            file = table_set(table, i, NULL, false);
        spin_unlock(&table->lock);
        if (file != NULL)
            file_release(file);
    }
}

int file_table_open_standard(struct file_table *table, const char *path)
{
    struct file *file;
    int error = path_open(AT_FDCWD, path, O_RDWR, 0, &file);

    if (error != 0)
        return error;
    spin_lock(&table->lock);
    for (int i = 0; i <= 2; i++) {
        file_reference(file);
        table_set(table, i, file, false);
    }
    spin_unlock(&table->lock);
    file_release(file);
    return 0;
}
