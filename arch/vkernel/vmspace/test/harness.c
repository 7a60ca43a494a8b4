/* The vmspace tests' common part; see harness.h. */
#include "arch/vkernel/vmspace/test/harness.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

uint8_t *memory = (uint8_t *)DIRECT_MAP_BASE;
int memory_fd;
unsigned check_count;

static uint64_t next_page = PAGE_SIZE;

void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, condition);
    vmspace_stop();
    _exit(1);
}

static void *reap(void *unused)
{
    siginfo_t info;

    for (;;) {
        if (waitid(P_ALL, 0, &info, WEXITED) == 0)
            vmspace_child_died(info.si_pid);
        else
            usleep(1000);
    }
    return unused;
}

/* By the variable VMSPACE. */
static enum vmspace_means wanted_means(void)
{
    const char *wanted = getenv("VMSPACE");

    if (wanted == NULL || *wanted == '\0')
        return VMSPACE_MEANS_BEST;
    CHECK(strcmp(wanted, "seccomp") == 0 || strcmp(wanted, "ptrace") == 0);
    return *wanted == 's' ? VMSPACE_MEANS_SECCOMP : VMSPACE_MEANS_PTRACE;
}

void harness_start(unsigned processors)
{
    struct vmspace_config config = {
        .memory = memory,
        .memory_size = MEMORY_SIZE,
        .processors = processors,
        .means = wanted_means(),
    };
    pthread_t thread;
    int error;

    config.memory_fd = memory_fd = (int)syscall(SYS_memfd_create, "memory", 0);
    CHECK(ftruncate(memory_fd, MEMORY_SIZE) == 0);
    CHECK((void *)syscall(SYS_mmap, memory, MEMORY_SIZE, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_FIXED, memory_fd, 0) == memory);
    error = vmspace_start(&config);
    if (error != 0)
        fprintf(stderr, "vmspace_start: %s\n", strerror(-error));
    CHECK(error == 0);
    CHECK(pthread_create(&thread, NULL, reap, NULL) == 0);
}

void harness_end(void)
{
    vmspace_stop();
    printf("ok %u checks\n", check_count);
    fflush(stdout);
    _exit(0);
}

void limit_processes(const char *name, int resource, uint64_t value)
{
    DIR *processes = opendir("/proc");
    unsigned limited = 0;

    CHECK(processes != NULL);
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        char path[300], found[32] = "";
        int parent = 0, pid = atoi(entry->d_name);
        struct rlimit limit;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        file = pid > 0 ? fopen(path, "r") : NULL;
        if (file == NULL)
            continue;
        if (fscanf(file, "%*d (%30[^)]) %*c %d", found, &parent) == 2 && parent == getpid() &&
            strcmp(found, name) == 0 && prlimit(pid, resource, NULL, &limit) == 0) {
            limit.rlim_cur = min(value, limit.rlim_max);
            CHECK(prlimit(pid, resource, &limit, NULL) == 0);
            limited++;
        }
        fclose(file);
    }
    closedir(processes);
    CHECK(limited > 0);
}

uint64_t page_new(void)
{
    uint64_t page = next_page;

    next_page += PAGE_SIZE;
    CHECK(next_page <= MEMORY_SIZE);
    memset(memory + page, 0, PAGE_SIZE);
    return page;
}

pte_t *space_entry(struct space *space, uint64_t address)
{
    uint64_t table = space->root;

    for (int level = PTE_LEVELS; level > 1; level--) {
        pte_t *entry = (pte_t *)(memory + table) + pte_index(address, level);

        if (!pte_is_present(*entry))
            *entry = pte_make_table(page_new());
        table = pte_address(*entry);
    }
    return (pte_t *)(memory + table) + pte_index(address, 1);
}

void space_map(struct space *space, uint64_t address, uint64_t page, prot_t prot)
{
    *space_entry(space, address) = pte_make_user(page, prot);
}

void space_invalidate(struct space *space, uint64_t address)
{
    CHECK(vmspace_mcontrol(space, (void *)address, PAGE_SIZE, MADV_INVAL, 0) == 0);
}

void space_create(struct space *space)
{
    uint64_t code = page_new();
    void *window = (void *)USER_MIN;
    size_t size = USER_MAX - USER_MIN;

    memset(space, 0, sizeof(*space));
    space->root = page_new();
    memcpy(memory + code, guest_code, (size_t)(guest_code_end - guest_code));
    space_map(space, GUEST_CODE, code, PROT_READ | PROT_EXEC);
    space_map(space, GUEST_STACK - PAGE_SIZE, page_new(), PROT_READ | PROT_WRITE);
    CHECK(vmspace_create(space, 0, NULL) == 0);
    CHECK(vmspace_mmap(space, window, size, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE, memory_fd, 0) == window);
    CHECK(vmspace_mcontrol(space, window, size, MADV_SETMAP, (off_t)space->root) == 0);
}

void space_destroy(struct space *space)
{
    CHECK(vmspace_destroy(space) == 0);
}

void frame_start(struct trapframe *frame, uint64_t entry)
{
    vmspace_frame_forget(frame);
    memset(frame, 0, sizeof(*frame));
    frame->rip = entry;
    frame->rsp = GUEST_STACK - 256;
    frame->rflags = 0x202;
}

uint64_t space_run(struct space *space, struct trapframe *frame)
{
    CHECK(vmspace_ctl(space, VMSPACE_CTL_RUN, frame, &space->vframe) == 0);
    return frame->trap_number;
}
