/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * Walks against invalidations: when MADV_INVAL has returned, nobody uses the old translation,
 * whatever walks, faults and resumes were going on.
 *
 * Guests in two address spaces, one of which has two CPUs, read and write one page as fast as they
 * can. Another CPU takes the page from all of them, in one of three ways, and right after the
 * invalidations uses it for something else: it writes a canary where the guests read, which none
 * of them may ever see, and a value where they write, which must stay. Yet another one reads the
 * page with vmspace_pread().
 *
 * The moment of the change varies, and often it is that of a write fault of a guest that has just
 * read. A fault maps 15 other pages first, so that it takes its time.
 */
#include "arch/vkernel/vmspace/test/harness.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

GUEST(overwrite)

#define WINDOW GUEST_DATA /* of pages that a fault maps together; the one at AT is the last */
#define AROUND 16
#define AT     (WINDOW + (AROUND - 1) * PAGE_SIZE)
#define CANARY 0xdeadcafe0badf00dUL
#define QUIET  0x600d600d600d600dUL
#define RW     (PROT_READ | PROT_WRITE)

enum { SPACES = 2, CPUS = 3, ROUNDS = 5000, PAGES = 4 };

static struct space spaces[SPACES];
static pte_t *entries[SPACES]; /* (a) of AT in each */
static uint64_t pages[PAGES];  /* the guests' page in turn */

/* A host thread that runs a guest. */
static struct cpu {
    struct space *space;
    pte_t **entry;
    struct vextframe vframe;
    pthread_t thread;
} cpus[CPUS] = {
    {.space = &spaces[0], .entry = &entries[0]},
    {.space = &spaces[1], .entry = &entries[1]},
    {.space = &spaces[1], .entry = &entries[1]},
};

static bool is_done;                          /* (a) */
static unsigned long fault_count, read_count; /* (a) */

/* What the canary's reader and the late writer would touch. */
struct words {
    uint64_t read, written;
};

static volatile struct words *words_of(unsigned page)
{
    return (volatile struct words *)(memory + pages[page % PAGES]);
}

static bool ended(void)
{
    return __atomic_load_n(&is_done, __ATOMIC_ACQUIRE);
}

/* The page fault handler waits until the page is there again. */
static void *run_guest(void *argument)
{
    struct cpu *cpu = argument;
    struct trapframe frame = {0};

    frame_start(&frame, ENTRY(overwrite));
    frame.rdi = AT;
    frame.rsi = CANARY;
    while (!ended()) {
        CHECK(vmspace_ctl(cpu->space, VMSPACE_CTL_RUN, &frame, &cpu->vframe) == 0);
        if (frame.trap_number == VMSPACE_SYSCALL)
            CHECK(frame_syscall_number(&frame) == 0); /* has not seen the canary */
        if (frame.trap_number == VMSPACE_SYSCALL || frame.trap_number == VMSPACE_INTERRUPT) {
            sched_yield();
            continue;
        }
        CHECK(frame.trap_number == VMSPACE_PAGEFAULT);
        CHECK(cpu->vframe.vx_address >= AT && cpu->vframe.vx_address < AT + 16);
        __atomic_fetch_add(&fault_count, 1, __ATOMIC_RELAXED);
        while (!(__atomic_load_n(*cpu->entry, __ATOMIC_ACQUIRE) & PTE_WRITE) && !ended())
            sched_yield();
    }
    return NULL;
}

/* Another one that looks into the address spaces from outside. */
static void *read_from_outside(void *unused)
{
    for (size_t i = 0; !ended(); i = (i + 1) % SPACES) {
        uint64_t word;

        if (vmspace_pread(&spaces[i], &word, sizeof(word), 0, (off_t)AT) == sizeof(word)) {
            CHECK(word != CANARY);
            __atomic_fetch_add(&read_count, 1, __ATOMIC_RELAXED);
        }
        usleep(100);
    }
    return unused;
}

static void set_entries(pte_t pte)
{
    for (size_t i = 0; i < SPACES; i++)
        __atomic_store_n(entries[i], pte, __ATOMIC_RELEASE);
}

static void invalidate_all(void)
{
    for (size_t i = 0; i < SPACES; i++)
        CHECK(vmspace_mcontrol(&spaces[i], (void *)WINDOW, AROUND * PAGE_SIZE, MADV_INVAL, 0) == 0);
}

/* Let the guests run until one of a space has read or written the page, or for another while; in
 * each round another moment. */
static void wait_for_guests(unsigned round)
{
    pte_t bits = round % 7 < 5 ? PTE_ACCESSED : PTE_DIRTY;
    pte_t *entry = entries[round / 7 % SPACES];

    for (unsigned i = 0; i < 2000 && !(__atomic_load_n(entry, __ATOMIC_ACQUIRE) & bits); i++) {
        if (i % 100 == 99)
            sched_yield();
        __asm__ volatile("pause");
    }
    for (unsigned i = round * 7919 % 300; i > 0; i--)
        __asm__ volatile("pause");
}

/* Use the page for something else while the guests go on, and see that they leave it alone. */
static void reuse(unsigned page)
{
    words_of(page)->read = CANARY;
    words_of(page)->written = QUIET;
    for (int i = 0; i < 3; i++) {
        sched_yield();
        CHECK(words_of(page)->read == CANARY && words_of(page)->written == QUIET);
    }
}

/* Give the guests another page instead. */
static void replace(unsigned round)
{
    set_entries(pte_make_user(pages[(round + 1) % PAGES], RW));
    invalidate_all();
    reuse(round);
}

/* Take the page away; the guests fault. */
static void take(unsigned round)
{
    set_entries(0);
    invalidate_all();
    reuse(round);
    set_entries(pte_make_user(pages[(round + 1) % PAGES], RW));
}

/* Take the permission to write, as fork does. */
static void protect(unsigned round)
{
    for (size_t i = 0; i < SPACES; i++)
        __atomic_fetch_and(entries[i], ~(PTE_WRITE | PTE_DIRTY), __ATOMIC_SEQ_CST);
    invalidate_all();
    words_of(round)->written = QUIET;
    for (int i = 0; i < 3; i++) {
        sched_yield();
        CHECK(words_of(round)->written == QUIET);
    }
    replace(round);
}

int main(void)
{
    uint64_t other;
    pthread_t reader;

    alarm(200);
    harness_start(false);
    for (int i = 0; i < PAGES; i++)
        pages[i] = page_new();
    other = page_new();
    for (size_t i = 0; i < SPACES; i++) {
        space_create(&spaces[i]);
        entries[i] = space_entry(&spaces[i], AT);
        for (int neighbour = 1; neighbour < AROUND; neighbour++)
            entries[i][-neighbour] = pte_make_user(other, PROT_READ) | PTE_ACCESSED;
    }
    set_entries(pte_make_user(pages[0], RW));
    for (size_t i = 0; i < CPUS; i++)
        CHECK(pthread_create(&cpus[i].thread, NULL, run_guest, &cpus[i]) == 0);
    CHECK(pthread_create(&reader, NULL, read_from_outside, NULL) == 0);
    for (unsigned round = 0; round < ROUNDS || fault_count < ROUNDS; round++) {
        CHECK(round < PAGES || words_of(round + 1)->written == QUIET); /* to this day */
        *words_of(round + 1) = (struct words){0, 0};
        wait_for_guests(round);
        if (round % 11 == 0)
            replace(round);
        else if (round % 11 == 1)
            protect(round);
        else
            take(round);
    }
    __atomic_store_n(&is_done, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < CPUS; i++) {
        vmspace_kick(&cpus[i].vframe);
        pthread_join(cpus[i].thread, NULL);
    }
    pthread_join(reader, NULL);
    CHECK(fault_count > 0 && read_count > 0);
    harness_end();
}
