/*
 * A kernel of one page: runs a static program in a vmspace. Build and explanation: vmspace(7).
 *
 *      cc -I include tiny.c lib/libvmspace.a -pthread -o tiny && ./tiny hello
 *
 * It has memory (a memfd), a page table, and two system calls. Nothing of the program is there
 * when it starts: each page is provided when the program faults on it.
 */
#include <machine/pte.h>
#include <vmspace.h>

#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM_SIZE    (16UL << 20)
#define STACK_TOP   0x6fff00000000UL
#define STACK_SIZE  0x10000UL
#define WINDOW      ((void *)USER_MIN)
#define WINDOW_SIZE (USER_MAX - USER_MIN)

static uint8_t *ram;                    /* all of guest memory */
static uint64_t used = PAGE_SIZE;       /* of it; pages are never given back */
static uint64_t root;                   /* the page table, an offset in ram */
static const uint8_t *file;             /* the program */
static unsigned faults, writes, others; /* what happened */
static char space;                      /* its address names the vmspace */

/* A zeroed page: its offset in ram. */
static uint64_t page_new(void)
{
    if (used == RAM_SIZE)
        errx(1, "out of memory");
    used += PAGE_SIZE;
    return used - PAGE_SIZE;
}

/* The entry for `address`; makes the tables above it. */
static pte_t *entry_of(uint64_t address)
{
    uint64_t table = root;

    for (int level = PTE_LEVELS; level > 1; level--) {
        pte_t *entry = (pte_t *)(ram + table) + pte_index(address, level);

        if (!pte_is_present(*entry))
            *entry = pte_make_table(page_new());
        table = pte_address(*entry);
    }
    return (pte_t *)(ram + table) + pte_index(address, 1);
}

/* Copy what the file has of the page at `address` to `page`; returns its protection, 0: none. */
static prot_t load_page(uint64_t address, uint8_t *page)
{
    const Elf64_Ehdr *elf = (const void *)file;
    const Elf64_Phdr *segment = (const void *)(file + elf->e_phoff);
    prot_t protection = 0;

    if (address >= STACK_TOP - STACK_SIZE && address < STACK_TOP)
        return PROT_READ | PROT_WRITE;
    for (int i = 0; i < elf->e_phnum; i++, segment++) {
        uint64_t start = max(segment->p_vaddr, address);
        uint64_t end = min(segment->p_vaddr + segment->p_filesz, address + PAGE_SIZE);

        if (segment->p_type != PT_LOAD || address + PAGE_SIZE <= segment->p_vaddr ||
            address >= segment->p_vaddr + segment->p_memsz)
            continue;
        if (start < end)
            memcpy(page + (start - address), file + segment->p_offset + (start - segment->p_vaddr),
                   end - start);
        protection |= PROT_READ | ((segment->p_flags & PF_W) ? PROT_WRITE : 0) |
                      ((segment->p_flags & PF_X) ? PROT_EXEC : 0);
    }
    return protection;
}

/* Provide the page that was missing. Returns whether there is one. */
static bool resolve_fault(uint64_t address, uint64_t error)
{
    uint64_t page;
    prot_t protection;

    faults++;
    if (error & PAGEFAULT_PRESENT) /* it is there, and forbids this access */
        return false;
    page = page_new();
    protection = load_page(align_down(address, PAGE_SIZE), ram + page);
    *entry_of(address) = pte_make_user(page, protection);
    return protection != 0;
}

/* write(2): a short count of vmspace_pread() says which byte is to be faulted in. */
static int64_t call_write(int fd, uint64_t buffer, uint64_t length)
{
    uint8_t bytes[256];

    writes++;
    length = min(length, sizeof(bytes));
    for (uint64_t done = 0; done < length;) {
        done +=
            (uint64_t)vmspace_pread(&space, bytes + done, length - done, 0, (off_t)(buffer + done));
        if (done < length && !resolve_fault(buffer + done, 0))
            return -EFAULT;
    }
    return fd == 1 || fd == 2 ? write(fd, bytes, length) : -EBADF;
}

/* A system call: by Linux's numbers and registers. Returns whether the program goes on. */
static bool serve_call(struct trapframe *frame, int *status)
{
    uint64_t arguments[6];

    frame_syscall_arguments(frame, arguments);
    switch (frame_syscall_number(frame)) {
    case SYS_write:
        frame_set_result(frame, call_write((int)arguments[0], arguments[1], arguments[2]));
        return true;
    case SYS_exit:
    case SYS_exit_group:
        *status = (int)arguments[0];
        return false;
    default:
        others++;
        frame_set_result(frame, -ENOSYS);
        return true;
    }
}

/* Run until the end of the program; returns its status. */
static int run(struct trapframe *frame)
{
    static struct vextframe vframe;
    int status = 0;

    for (;;) {
        int error = vmspace_ctl(&space, VMSPACE_CTL_RUN, frame, &vframe);

        if (error != 0)
            errx(1, "vmspace_ctl: %s", strerror(-error));
        if (frame->trap_number == VMSPACE_SYSCALL) {
            if (!serve_call(frame, &status))
                return status;
        } else if (frame->trap_number == VMSPACE_PAGEFAULT) {
            if (!resolve_fault(vframe.vx_address, frame->error_code))
                return 128 + SIGSEGV;
        } else if (frame->trap_number == VMSPACE_TRAP) {
            return 128 + vframe.vx_signal;
        } else if (frame->trap_number == VMSPACE_LOST) {
            return 128 + SIGKILL;
        }
    }
}

/* The library's processes are our children: it wants to know which have died. */
static void *reap(void *unused)
{
    siginfo_t info;

    while (waitid(P_ALL, 0, &info, WEXITED) == 0)
        vmspace_child_died(info.si_pid);
    return unused;
}

static void start_library(int memory_fd)
{
    struct vmspace_config config = {.memory_fd = memory_fd, .memory = ram, .memory_size = RAM_SIZE};
    pthread_t reaper;
    int error = vmspace_start(&config);

    if (error != 0)
        errx(1, "vmspace_start: %s", strerror(-error));
    if (pthread_create(&reaper, NULL, reap, NULL) != 0)
        errx(1, "no thread");
}

static void map_program(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat stat;

    if (fd < 0 || fstat(fd, &stat) != 0)
        err(1, "%s", path);
    file = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED || memcmp(file, ELFMAG, SELFMAG) != 0)
        errx(1, "%s: not a program", path);
}

int main(int argc, char **argv)
{
    static struct trapframe frame;
    int memory_fd = memfd_create("memory", MFD_CLOEXEC), status;

    if (argc != 2)
        errx(2, "usage: tiny PROGRAM");
    map_program(argv[1]);
    if (memory_fd < 0 || ftruncate(memory_fd, RAM_SIZE) != 0)
        err(1, "memory");
    ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
    if (ram == MAP_FAILED)
        err(1, "memory");
    start_library(memory_fd);
    root = page_new();
    if (vmspace_create(&space, 0, NULL) != 0 ||
        vmspace_mmap(&space, WINDOW, WINDOW_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE, memory_fd, 0) != WINDOW ||
        vmspace_mcontrol(&space, WINDOW, WINDOW_SIZE, MADV_SETMAP, (off_t)root) != 0)
        errx(1, "no vmspace");
    frame.rip = ((const Elf64_Ehdr *)(const void *)file)->e_entry;
    frame.rsp = STACK_TOP - 64; /* zeros above: no arguments, no environment */
    frame.rflags = 0x202;
    status = run(&frame);
    vmspace_destroy(&space);
    vmspace_stop();
    printf("tiny: status %d; %u page faults, %u writes, %u other calls, %lu pages\n", status,
           faults, writes, others, used / PAGE_SIZE - 1);
    return status;
}
