/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * Walks against invalidations: when MADV_INVAL has returned, nobody uses the old translation,
 * whatever walks, faults and resumes were going on.
 *
 * Guests of several address spaces, each on a CPU (a host thread) of its own, read and write one
 * page as fast as they can. Another CPU takes the page from all of them, in one of three ways, and
 * right after the invalidations uses it for something else: it writes a canary where the guests
 * read, which none of them may ever see, and a value where they write, which must stay. Yet
 * another CPU reads the page with vmspace_pread() all the time.
 */
#include "arch/vkernel/vmspace/test/harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

GUEST(hunt)

#define AT     GUEST_DATA
#define CANARY 0xdeadcafe0badf00dUL
#define QUIET  0x600d600d600d600dUL
#define RW     (PROT_READ | PROT_WRITE)

enum { SPACES = 3, ROUNDS = 1500, PAGES = 4 };

static struct space spaces[SPACES];
static pte_t *entries[SPACES]; /* (a) of AT in each */
static uint64_t pages[PAGES];  /* the guests' page in turn */

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

/* A CPU that runs a guest; the page fault handler waits until the page is there again. */
static void *run_guest(void *argument)
{
    size_t number = (size_t)argument;
    struct trapframe frame = {0};

    frame_start(&frame, ENTRY(hunt));
    frame.rdi = AT;
    frame.rsi = CANARY;
    while (!ended()) {
        uint64_t reason = space_run(&spaces[number], &frame);

        CHECK(reason == VMSPACE_PAGEFAULT || reason == VMSPACE_INTERRUPT); /* not the canary */
        if (reason != VMSPACE_PAGEFAULT)
            continue;
        CHECK(spaces[number].vframe.vx_address >= AT && spaces[number].vframe.vx_address < AT + 16);
        __atomic_fetch_add(&fault_count, 1, __ATOMIC_RELAXED);
        while (!(__atomic_load_n(entries[number], __ATOMIC_ACQUIRE) & PTE_WRITE) && !ended())
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
        sched_yield();
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
        space_invalidate(&spaces[i], AT);
}

/* Let the guests run: until they have written to the page, or some of them wait in a fault. */
static void wait_for_guests(unsigned page)
{
    unsigned long faults = __atomic_load_n(&fault_count, __ATOMIC_RELAXED);

    while (words_of(page)->written != AT &&
           __atomic_load_n(&fault_count, __ATOMIC_RELAXED) == faults)
        sched_yield();
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
    pthread_t threads[SPACES + 1];

    alarm(200);
    harness_start(false);
    for (int i = 0; i < PAGES; i++)
        pages[i] = page_new();
    for (size_t i = 0; i < SPACES; i++) {
        space_create(&spaces[i]);
        entries[i] = space_entry(&spaces[i], AT);
    }
    set_entries(pte_make_user(pages[0], RW));
    for (size_t i = 0; i < SPACES; i++)
        CHECK(pthread_create(&threads[i], NULL, run_guest, (void *)i) == 0);
    CHECK(pthread_create(&threads[SPACES], NULL, read_from_outside, NULL) == 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        CHECK(round < PAGES || words_of(round + 1)->written == QUIET); /* to this day */
        *words_of(round + 1) = (struct words){0, 0};
        wait_for_guests(round);
        if (round % 3 == 0)
            replace(round);
        else if (round % 3 == 1)
            take(round);
        else
            protect(round);
    }
    __atomic_store_n(&is_done, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < SPACES; i++)
        vmspace_kick(&spaces[i].vframe);
    for (size_t i = 0; i <= SPACES; i++)
        pthread_join(threads[i], NULL);
    CHECK(fault_count > 0 && read_count > 0);
    harness_end();
}
