/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * The vmspace calls, from outside: what RUN reports, translation with A and D, invalidation,
 * kicks, floating-point state, errors, and the death of a host process.
 */
#include "arch/vkernel/vmspace/test/harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <unistd.h>

GUEST(syscalls)
GUEST(load)
GUEST(store)
GUEST(call)
GUEST(spin)
GUEST(load_spin)
GUEST(divide)
GUEST(undefined)
GUEST(breakpoint)
GUEST(privileged)
GUEST(int80)
GUEST(sysenter)
GUEST(vsyscall)
GUEST(xmm)
GUEST(read_xmm)
GUEST(fs)
GUEST(wrfsbase)
GUEST(long_mode_off)

static struct space space;
static struct trapframe frame, other;

static void test_syscalls(void)
{
    uint64_t arguments[6];

    frame_start(&frame, ENTRY(syscalls));
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(frame_syscall_number(&frame) == 100);
    frame_syscall_arguments(&frame, arguments);
    for (uint64_t i = 0; i < 6; i++)
        CHECK(arguments[i] == i + 1);
    frame_set_result(&frame, 41);
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(frame_syscall_number(&frame) == 42);
    frame_restart_syscall(&frame, 7);
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(frame_syscall_number(&frame) == 7);
    frame_restart_syscall(&frame, 335); /* uretprobe, which passes Linux's seccomp filters */
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(frame_syscall_number(&frame) == 335);
}

static void test_page_faults(void)
{
    uint64_t page = page_new();

    *(uint64_t *)(memory + page + 8) = 77;
    frame_start(&frame, ENTRY(load));
    frame.rdi = GUEST_DATA + 8;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    CHECK(space.vframe.vx_address == GUEST_DATA + 8);
    CHECK(frame.error_code == PAGEFAULT_USER);
    space_map(&space, GUEST_DATA, page, PROT_READ);
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(frame.rax == 77);
    CHECK((*space_entry(&space, GUEST_DATA) & (PTE_ACCESSED | PTE_DIRTY)) == PTE_ACCESSED);

    frame_start(&frame, ENTRY(store));
    frame.rdi = GUEST_DATA + 16;
    frame.rsi = 99;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    CHECK(frame.error_code == (PAGEFAULT_USER | PAGEFAULT_WRITE | PAGEFAULT_PRESENT));
    CHECK(!(*space_entry(&space, GUEST_DATA) & PTE_DIRTY));
    *space_entry(&space, GUEST_DATA) |= PTE_WRITE;
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(*(uint64_t *)(memory + page + 16) == 99);
    CHECK(*space_entry(&space, GUEST_DATA) & PTE_DIRTY);

    frame_start(&frame, ENTRY(call));
    frame.rdi = GUEST_DATA;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    CHECK(frame.error_code == (PAGEFAULT_USER | PAGEFAULT_FETCH | PAGEFAULT_PRESENT));
    CHECK(space.vframe.vx_address == GUEST_DATA);

    frame_start(&frame, ENTRY(load));
    frame.rdi = USER_MAX + 0x100000;
    frame.rdi = 0x7fff00000000;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    CHECK(space.vframe.vx_address == 0x7fff00000000);
    frame_start(&frame, ENTRY(load));
    frame.rdi = 0;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    frame_start(&frame, ENTRY(load));
    frame.rdi = 0x8000000000000000; /* not canonical: no page fault on x86-64 */
    CHECK(space_run(&space, &frame) == VMSPACE_TRAP);
    CHECK(space.vframe.vx_signal == SIGSEGV);
}

/* A supervisor page, an upper level that is read-only, and an entry that points nowhere. */
static void test_permissions(void)
{
    uint64_t at = GUEST_DATA + (1UL << 30);
    pte_t *upper;

    space_map(&space, at, page_new(), PROT_READ | PROT_WRITE);
    *space_entry(&space, at) &= ~PTE_USER;
    frame_start(&frame, ENTRY(load));
    frame.rdi = at;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    CHECK(frame.error_code == (PAGEFAULT_USER | PAGEFAULT_PRESENT));
    *space_entry(&space, at) |= PTE_USER;
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);

    upper = (pte_t *)(memory + space.root) + pte_index(at, 4);
    upper = (pte_t *)(memory + pte_address(*upper)) + pte_index(at, 3);
    CHECK(*upper & PTE_ACCESSED);
    *upper &= ~PTE_WRITE;
    space_invalidate(&space, at);
    frame_start(&frame, ENTRY(store));
    frame.rdi = at;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    CHECK(frame.error_code == (PAGEFAULT_USER | PAGEFAULT_PRESENT | PAGEFAULT_WRITE));
    *upper |= PTE_WRITE;
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);

    *space_entry(&space, at) = pte_make_user(MEMORY_SIZE, PROT_READ | PROT_WRITE);
    space_invalidate(&space, at);
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    CHECK(frame.error_code & PAGEFAULT_RESERVED);
    *space_entry(&space, at) = 0;
}

static void test_large_page(void)
{
    uint64_t at = 0x80000000, frame_address = 32UL << 20;
    pte_t *entry;

    (void)space_entry(&space, at);
    entry = (pte_t *)(memory + space.root) + pte_index(at, 4);
    entry = (pte_t *)(memory + pte_address(*entry)) + pte_index(at, 3);
    entry = (pte_t *)(memory + pte_address(*entry)) + pte_index(at, 2);
    *entry = pte_make_user(frame_address, PROT_READ | PROT_WRITE) | PTE_LARGE;
    *(uint64_t *)(memory + frame_address + 0x123450) = 5150;
    frame_start(&frame, ENTRY(load));
    frame.rdi = at + 0x123450;
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(frame.rax == 5150);
    CHECK((*entry & (PTE_ACCESSED | PTE_DIRTY)) == PTE_ACCESSED);
    frame_start(&frame, ENTRY(store));
    frame.rdi = at + 0x1ff000;
    frame.rsi = 1;
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(*entry & PTE_DIRTY);
    CHECK(memory[frame_address + 0x1ff000] == 1);
}

/* Translations stay until they are invalidated, and not longer. */
static void test_invalidation(void)
{
    uint64_t at = GUEST_DATA + 0x10000, first = page_new(), second = page_new();

    *(uint64_t *)(memory + first) = 1;
    *(uint64_t *)(memory + second) = 2;
    space_map(&space, at, first, PROT_READ);
    frame_start(&frame, ENTRY(load));
    frame.rdi = at;
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == 1);
    space_map(&space, at, second, PROT_READ);
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == 1);
    space_invalidate(&space, at);
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == 2);
    *space_entry(&space, at) = 0;
    CHECK(vmspace_mcontrol(&space, (void *)USER_MIN, USER_MAX - USER_MIN, MADV_INVAL, 0) == 0);
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
}

/* Many pages and ranges, more than the queue of operations holds. */
static void test_many_pages(void)
{
    uint64_t base = 0x20000000;
    enum { PAGES = 600 };
    static uint64_t pages[PAGES];

    for (uint64_t i = 0; i < PAGES; i++) {
        pages[i] = page_new();
        *(uint64_t *)(memory + pages[i]) = i + 1000;
        space_map(&space, base + i * 2 * PAGE_SIZE, pages[i], PROT_READ);
    }
    frame_start(&frame, ENTRY(load));
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < PAGES; i++) {
            frame.rdi = base + i * 2 * PAGE_SIZE;
            CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == i + 1000);
        }
        for (uint64_t i = 0; i < PAGES; i += 1 + (uint64_t)round)
            space_invalidate(&space, base + i * 2 * PAGE_SIZE);
    }
}

static void *kick_later(void *unused)
{
    usleep(20000);
    vmspace_kick(&space.vframe);
    return unused;
}

static void on_alarm(int signal)
{
    (void)signal;
    vmspace_kick(&space.vframe);
}

static void test_kick(void)
{
    struct itimerval timer = {.it_value.tv_usec = 20000};
    pthread_t thread;

    frame_start(&frame, ENTRY(spin));
    CHECK(pthread_create(&thread, NULL, kick_later, NULL) == 0);
    CHECK(space_run(&space, &frame) == VMSPACE_INTERRUPT);
    CHECK(frame.rax > 1000);
    pthread_join(thread, NULL);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &timer, NULL);
    CHECK(space_run(&space, &frame) == VMSPACE_INTERRUPT);
    vmspace_kick(&space.vframe); /* before RUN */
    CHECK(space_run(&space, &frame) == VMSPACE_INTERRUPT);
}

static void test_timeout(void)
{
    frame_start(&frame, ENTRY(spin));
    space.vframe.vx_timeout = 5000000;
    while (frame.rax < 1000)
        CHECK(space_run(&space, &frame) == VMSPACE_TIMEOUT);
    vmspace_kick(&space.vframe);
    CHECK(space_run(&space, &frame) == VMSPACE_INTERRUPT);
    frame_start(&frame, ENTRY(syscalls));
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    space.vframe.vx_timeout = 0;
}

static void *invalidate_later(void *argument)
{
    uint64_t at = (uint64_t)argument;

    usleep(20000);
    *space_entry(&space, at) = 0;
    space_invalidate(&space, at);
    return NULL;
}

/* Invalidation by another CPU, of a program that does nothing but use the page. */
static void test_remote_invalidation(void)
{
    uint64_t at = GUEST_DATA + 0x20000;
    pthread_t thread;

    space_map(&space, at, page_new(), PROT_READ);
    frame_start(&frame, ENTRY(load_spin));
    frame.rdi = at;
    CHECK(pthread_create(&thread, NULL, invalidate_later, (void *)at) == 0);
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    CHECK(space.vframe.vx_address == at);
    pthread_join(thread, NULL);
}

static void check_trap(uint64_t entry, int expected)
{
    frame_start(&frame, entry);
    CHECK(space_run(&space, &frame) == VMSPACE_TRAP);
    CHECK(space.vframe.vx_signal == expected);
}

static void test_exceptions(void)
{
    check_trap(ENTRY(divide), SIGFPE);
    CHECK(space.vframe.vx_code == FPE_INTDIV);
    check_trap(ENTRY(undefined), SIGILL);
    check_trap(ENTRY(breakpoint), SIGTRAP);
    check_trap(ENTRY(privileged), SIGSEGV);
    check_trap(ENTRY(int80), SIGSEGV);
    check_trap(ENTRY(vsyscall), SIGSEGV);
    check_trap(ENTRY(long_mode_off), SIGSEGV);
    frame_start(&frame, ENTRY(sysenter));
    CHECK(space_run(&space, &frame) == VMSPACE_TRAP);
    CHECK(space.vframe.vx_signal == SIGSEGV || space.vframe.vx_signal == SIGILL);
    frame_start(&frame, ENTRY(syscalls));
    frame.rflags |= 0x100; /* single step */
    CHECK(space_run(&space, &frame) == VMSPACE_TRAP);
    CHECK(space.vframe.vx_signal == SIGTRAP && frame.rip > ENTRY(syscalls));
}

/* Two programs in one vmspace, each with its own vector registers; and a copy of one. */
static void test_vector_state(void)
{
    static struct trapframe copy;

    frame_start(&frame, ENTRY(xmm));
    frame_start(&other, ENTRY(xmm));
    frame.rdi = 0x1111;
    other.rdi = 0x2222;
    for (int i = 0; i < 3; i++) {
        CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
        CHECK(i == 0 || frame.rax == 0x1111);
        CHECK(space_run(&space, &other) == VMSPACE_SYSCALL);
        CHECK(i == 0 || other.rax == 0x2222);
    }
    vmspace_frame_copy(&copy, &other);
    CHECK(space_run(&space, &copy) == VMSPACE_SYSCALL && copy.rax == 0x2222);
    vmspace_frame_copy(&copy, &frame);
    CHECK(space_run(&space, &copy) == VMSPACE_SYSCALL && copy.rax == 0x1111);
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == 0x1111);
    frame_start(&frame, ENTRY(read_xmm)); /* a new program starts with a clean state */
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(frame.rax == 0 && (uint32_t)frame.rdx == 0x1f80);
    vmspace_frame_forget(&copy);
}

static void test_fs_base(void)
{
    uint64_t at = GUEST_DATA + 0x30000, page = page_new();

    space_map(&space, at, page, PROT_READ | PROT_WRITE);
    *(uint64_t *)(memory + page + 0x10) = 1234;
    *(uint64_t *)(memory + page + 0x20) = 5678;
    frame_start(&frame, ENTRY(fs));
    frame_start(&other, ENTRY(fs));
    frame_set_tls(&frame, at + 0x10);
    frame_set_tls(&other, at + 0x20);
    for (int i = 0; i < 3; i++) {
        CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == 1234);
        CHECK(space_run(&space, &other) == VMSPACE_SYSCALL && other.rax == 5678);
    }
    if (getauxval(AT_HWCAP2) & 2) {
        frame_start(&frame, ENTRY(wrfsbase));
        frame.rdi = 0x123456;
        CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.fs_base == 0x123456);
        CHECK(space_run(&space, &other) == VMSPACE_SYSCALL && other.rax == 5678);
        CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == 0x123456);
    }
}

static void test_read_write(void)
{
    uint64_t at = GUEST_DATA + 0x40000;
    uint64_t pages[2] = {page_new(), page_new()};
    char buffer[64];

    space_map(&space, at, pages[0], PROT_READ | PROT_WRITE);
    CHECK(vmspace_pwrite(&space, "hello", 5, 0, (off_t)(at + PAGE_SIZE - 2)) == 2);
    space_map(&space, at + PAGE_SIZE, pages[1], PROT_READ | PROT_WRITE);
    CHECK(vmspace_pwrite(&space, "hello", 5, 0, (off_t)(at + PAGE_SIZE - 2)) == 5);
    CHECK(memcmp(memory + pages[0] + PAGE_SIZE - 2, "he", 2) == 0);
    CHECK(memcmp(memory + pages[1], "llo", 3) == 0);
    CHECK(*space_entry(&space, at) & PTE_DIRTY);
    CHECK(vmspace_pread(&space, buffer, 5, 0, (off_t)(at + PAGE_SIZE - 2)) == 5);
    CHECK(memcmp(buffer, "hello", 5) == 0);
    CHECK(vmspace_pread(&space, buffer, 5, 1, (off_t)at) == -EINVAL);
    space_map(&space, at, pages[0], PROT_READ);
    CHECK(vmspace_pwrite(&space, "x", 1, 0, (off_t)at) == 0);
}

static void *try_while_running(void *unused)
{
    while (space.vframe.host_pid == 0)
        usleep(1000);
    CHECK(vmspace_destroy(&space) == -EBUSY);
    vmspace_kick(&space.vframe);
    return unused;
}

static void test_errors(void)
{
    struct vextframe vframe = {0};
    pthread_t thread;
    int name;

    CHECK(vmspace_create(&space, 0, NULL) == -EEXIST);
    CHECK(vmspace_create(NULL, 0, NULL) == -EINVAL);
    CHECK(vmspace_create(&name, 1, NULL) == -EINVAL);
    CHECK(vmspace_destroy(&name) == -ENOENT);
    CHECK(vmspace_ctl(&name, VMSPACE_CTL_RUN, &frame, &vframe) == -ENOENT);
    CHECK(vmspace_ctl(&space, 2, &frame, &vframe) == -EOPNOTSUPP);
    CHECK(vmspace_mcontrol(&name, (void *)USER_MIN, PAGE_SIZE, MADV_INVAL, 0) == -ENOENT);
    CHECK(vmspace_mcontrol(&space, (void *)USER_MIN, 1, MADV_INVAL, 0) == -EINVAL);
    CHECK(vmspace_mcontrol(&space, (void *)USER_MAX, PAGE_SIZE, MADV_INVAL, 0) == -EINVAL);
    CHECK(vmspace_mcontrol(&space, (void *)USER_MIN, PAGE_SIZE, 99, 0) == -EINVAL);
    CHECK(vmspace_munmap(&space, (void *)USER_MIN, PAGE_SIZE) == -EINVAL);
    CHECK(vmspace_create(&name, 0, NULL) == 0);
    CHECK(vmspace_ctl(&name, VMSPACE_CTL_RUN, &frame, &vframe) == -EINVAL);
    CHECK(vmspace_mmap(&name, 0, PAGE_SIZE, PROT_READ, MAP_PRIVATE, -1, 0) ==
          (void *)(intptr_t)-EOPNOTSUPP);
    CHECK(vmspace_destroy(&name) == 0);
    frame_start(&frame, ENTRY(spin));
    CHECK(pthread_create(&thread, NULL, try_while_running, NULL) == 0);
    CHECK(space_run(&space, &frame) == VMSPACE_INTERRUPT);
    pthread_join(thread, NULL);
}

static void *kill_later(void *unused)
{
    usleep(20000);
    kill(space.vframe.host_pid, SIGKILL);
    return unused;
}

/* The host process is killed from outside: the program is lost, the rest goes on. */
static void test_death(void)
{
    static struct space victim;
    pthread_t thread;

    frame_start(&frame, ENTRY(spin));
    CHECK(pthread_create(&thread, NULL, kill_later, NULL) == 0);
    CHECK(space_run(&space, &frame) == VMSPACE_LOST);
    pthread_join(thread, NULL);
    CHECK(space_run(&space, &frame) == VMSPACE_LOST);
    space_destroy(&space);
    space_create(&victim);
    frame_start(&frame, ENTRY(syscalls));
    CHECK(space_run(&victim, &frame) == VMSPACE_SYSCALL);
    space_destroy(&victim);
}

/* What a space leaves behind in a stub is not seen by the next one. */
static void test_recycling(void)
{
    static struct space spaces[40];
    uint64_t at = GUEST_DATA + 0x50000;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++) {
            space_create(&spaces[i]);
            frame_start(&frame, ENTRY(load));
            frame.rdi = at;
            CHECK(space_run(&spaces[i], &frame) == VMSPACE_PAGEFAULT);
            space_map(&spaces[i], at, page_new(), PROT_READ);
            CHECK(space_run(&spaces[i], &frame) == VMSPACE_SYSCALL);
        }
        for (int i = 0; i < 40; i++)
            space_destroy(&spaces[i]);
    }
}

int main(void)
{
    alarm(60);
    harness_start((unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    space_create(&space);
    test_syscalls();
    test_page_faults();
    test_permissions();
    test_large_page();
    test_invalidation();
    test_many_pages();
    test_kick();
    test_timeout();
    test_remote_invalidation();
    test_exceptions();
    test_vector_state();
    test_fs_base();
    test_read_write();
    test_errors();
    test_death();
    test_recycling();
    harness_end();
}
