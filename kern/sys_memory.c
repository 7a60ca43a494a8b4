/*
 * System calls about memory (mmap(2), brk(2), sysinfo(2), ...).
 */
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/abi/mman.h"
#include "kern/clock.h"
#include "kern/file.h"
#include "kern/fs/vnode.h"
#include "kern/process.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"
#include "vm/map.h"
#include "vm/object.h"
#include "vm/page.h"

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

int64_t sys_brk(const uint64_t arg[])
{
    return (int64_t)map_set_break(process_self()->map, arg[0]);
}

/* The object behind a private mapping of an open file. */
static int get_file_object(int descriptor, struct object **object)
{
    struct file *file = file_get(descriptor);
    int error;

    if (file == NULL)
        return -EBADF;
    if ((file->flags & O_ACCMODE) == O_WRONLY)
        error = -EACCES;
    else if (file->vnode == NULL)
        error = -ENODEV;
    else
        error = vnode_get_object(file->vnode, object);
    file_release(file);
    return error;
}

int64_t sys_mmap(const uint64_t arg[])
{
    uaddr_t address = arg[0];
    uint64_t size = arg[1], flags = arg[3], type = flags & MAP_TYPE;
    off_t offset = (off_t)arg[5];
    struct map_request request = {
        .size = size,
        .prot = (prot_t)arg[2] & PROT_ALL,
        .fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0,
        .no_replace = (flags & MAP_FIXED_NOREPLACE) != 0,
        .is_shared = type == MAP_SHARED,
        .grows_down = (flags & MAP_GROWSDOWN) != 0,
    };
    int error = 0;

    if (size == 0 || !is_aligned((uint64_t)offset, PAGE_SIZE) || offset < 0)
        return -EINVAL;
    if (type != MAP_PRIVATE && type != MAP_SHARED)
        return -EINVAL;
    if (!(flags & MAP_ANONYMOUS)) {
        if (type == MAP_SHARED)
            return -ENODEV; /* shared mappings of files: docs/abi.md */
        error = get_file_object((int)arg[4], &request.object);
        request.offset = offset;
        request.object_end = INT64_MAX;
    }
    if (error == 0)
        error = map_insert(process_self()->map, &address, &request);
    if (request.object != NULL)
        object_release(request.object);
    return error != 0 ? error : (int64_t)address;
}

int64_t sys_munmap(const uint64_t arg[])
{
    return map_remove(process_self()->map, arg[0], arg[1]);
}

int64_t sys_mprotect(const uint64_t arg[])
{
    if (arg[2] & ~(uint64_t)PROT_ALL)
        return -EINVAL;
    return map_protect(process_self()->map, arg[0], arg[1], (prot_t)arg[2]);
}

/* Advice may be ignored, but MADV_DONTNEED promises zeros and is refused (docs/abi.md). */
int64_t sys_madvise(const uint64_t arg[])
{
    enum { MADV_WILLNEED = 3 };

    if (!is_aligned(arg[0], PAGE_SIZE))
        return -EINVAL;
    return arg[2] <= MADV_WILLNEED ? 0 : -EINVAL;
}

struct sysinfo {
    int64_t uptime;
    uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    uint16_t procs, pad;
    uint64_t totalhigh, freehigh;
    uint32_t mem_unit;
};

int64_t sys_sysinfo(const uint64_t arg[])
{
    struct sysinfo info = {
        .uptime = clock_monotonic() / NSEC_PER_SEC,
        .totalram = page_total_count() * PAGE_SIZE,
        .freeram = page_free_count() * PAGE_SIZE,
        .mem_unit = 1,
    };

    for (pid_t pid = process_next(0); pid != 0; pid = process_next(pid))
        info.procs++;
    return copyout(arg[0], &info, sizeof(info));
}
