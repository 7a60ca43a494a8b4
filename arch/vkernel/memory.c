/*
 * Physical memory: a memfd, or the file of --ram-file, mapped once at DIRECT_MAP_BASE; the
 * vmspaces map it page by page. The kernel's own code and data are the process's, so all of it is
 * free but page 0. Kernel stacks are the host's memory, with as much that is not mapped below, so
 * that an overflow is a fault, even of a function with a large frame.
 */
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/linux.h"
#include "kern/machine.h"
#include "kern/sanitizer.h"
#include <machine/param.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define START_ROOM (8UL << 20) /* for the stacks of the first threads of the kernel */

int memory_fd;

void memory_init(void)
{
    if (options.ram_file != NULL)
        memory_fd = open(options.ram_file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    else
        memory_fd = memfd_create("duet-memory", MFD_CLOEXEC);
    if (memory_fd < 0 || ftruncate(memory_fd, (off_t)options.memory) != 0)
        die(1, errno, "cannot make %zu MiB of memory", options.memory >> 20);
    if (mmap((void *)DIRECT_MAP_BASE, options.memory, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED_NOREPLACE, memory_fd, 0) != (void *)DIRECT_MAP_BASE)
        die(1, errno, "cannot map %zu MiB of memory at %#lx", options.memory >> 20,
            DIRECT_MAP_BASE);
}

/* The kernel panics when its first threads cannot have stacks; a limit of the host shall be told as
 * such. */
void memory_check_room(void)
{
    size_t stacks = 2 * (STACK_GUARD_SIZE + KERNEL_STACK_SIZE) + HOST_STACK_SIZE;
    size_t room = START_ROOM + options.cpus * stacks;
    void *place = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (place == MAP_FAILED)
        die(1, errno, "there is no room for the kernel's stacks");
    munmap(place, room);
}

size_t machine_memory(struct memory_range *ranges, size_t max)
{
    if (max == 0)
        return 0;
    ranges[0] = (struct memory_range){PAGE_SIZE, options.memory};
    return 1;
}

void *machine_stack_create(void)
{
    size_t size = STACK_GUARD_SIZE + KERNEL_STACK_SIZE;
    long base = host_call(SYS_mmap, 0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base < 0)
        return NULL;
    if (host_call(SYS_mprotect, base + STACK_GUARD_SIZE, KERNEL_STACK_SIZE,
                  PROT_READ | PROT_WRITE) != 0) {
        host_call(SYS_munmap, base, size);
        return NULL;
    }
    return (char *)base + STACK_GUARD_SIZE;
}

void machine_stack_destroy(void *stack)
{
    sanitizer_stack_goes(stack);
    sanitizer_unpoison(stack, KERNEL_STACK_SIZE); /* for whatever the host puts there next */
    host_call(SYS_munmap, (char *)stack - STACK_GUARD_SIZE, STACK_GUARD_SIZE + KERNEL_STACK_SIZE);
}
