/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * The walk follows the processor exactly (Intel SDM vol. 3A, sections 4.5 to 4.8): every
 * combination of permissions at all levels, for reading, writing and executing, against a
 * model; accessed and dirty bits; entries that are not present or reserved; large pages.
 */
#include "arch/vkernel/vmspace/test/harness.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

GUEST(load)
GUEST(store)
GUEST(call)
GUEST(syscalls)

/* A page below an entry of the top table that is its own. */
#define AT   ((5UL << 39) + (11UL << 30) + (13UL << 21) + (17UL << 12))
#define FULL (PTE_PRESENT | PTE_WRITE | PTE_USER)
#define AD   (PTE_ACCESSED | PTE_DIRTY)

static struct space space;
static struct trapframe frame;
static pte_t *entries[PTE_LEVELS + 1];  /* that translate AT, by level */
static uint64_t tables[PTE_LEVELS + 1]; /* what they point to */

static const uint64_t accesses[] = {0, PAGEFAULT_WRITE, PAGEFAULT_FETCH};

static void find_entries(void)
{
    uint64_t table = space.root;

    (void)space_entry(&space, AT);
    tables[1] = page_new();
    memcpy(memory + tables[1], "\x0f\x05", 2); /* syscall */
    for (int level = PTE_LEVELS; level >= 1; level--) {
        entries[level] = (pte_t *)(memory + table) + pte_index(AT, level);
        if (level > 1)
            table = tables[level] = pte_address(*entries[level]);
    }
}

/* All levels allow everything; nothing was accessed; nothing is cached. */
static void reset(void)
{
    for (int level = 1; level <= PTE_LEVELS; level++)
        *entries[level] = tables[level] | FULL;
}

/* Have the program access AT; returns whether it could. The fault's error code is in `frame`. */
static bool access_at(uint64_t address, uint64_t access)
{
    uint64_t reason;

    frame_start(&frame, access == 0                 ? ENTRY(load)
                        : access == PAGEFAULT_WRITE ? ENTRY(store)
                                                    : ENTRY(call));
    frame.rdi = address;
    frame.rsi = *(uint64_t *)(memory + tables[1]);
    reason = space_run(&space, &frame);
    CHECK(reason == VMSPACE_SYSCALL || reason == VMSPACE_PAGEFAULT);
    if (reason == VMSPACE_PAGEFAULT)
        CHECK(space.vframe.vx_address == address);
    return reason == VMSPACE_SYSCALL;
}

static bool try_access(uint64_t access)
{
    space_invalidate(&space, AT);
    return access_at(AT, access);
}

/* --- Permissions --------------------------------------------------------------------------- */

/* Three bits a level: U, W, NX. */
static void set_permissions(unsigned choice)
{
    for (int level = 1; level <= PTE_LEVELS; level++, choice >>= 3)
        *entries[level] = tables[level] | PTE_PRESENT | ((choice & 1) ? PTE_USER : 0) |
                          ((choice & 2) ? PTE_WRITE : 0) | ((choice & 4) ? PTE_NOEXEC : 0);
}

static bool model_allows(uint64_t access)
{
    bool allowed = true;

    for (int level = 1; level <= PTE_LEVELS; level++) {
        pte_t pte = *entries[level];

        allowed &= (pte & PTE_USER) != 0;
        allowed &= access != PAGEFAULT_WRITE || (pte & PTE_WRITE);
        allowed &= access != PAGEFAULT_FETCH || !(pte & PTE_NOEXEC);
    }
    return allowed;
}

static void check_one(uint64_t access)
{
    bool expected = model_allows(access);

    CHECK(try_access(access) == expected);
    if (!expected)
        CHECK(frame.error_code == (PAGEFAULT_PRESENT | PAGEFAULT_USER | access));
    for (int level = 2; level <= PTE_LEVELS; level++)
        CHECK((*entries[level] & AD) == PTE_ACCESSED);
    CHECK((*entries[1] & AD) == (!expected ? 0 : access == PAGEFAULT_WRITE ? AD : PTE_ACCESSED));
}

static void test_permissions(void)
{
    for (unsigned choice = 0; choice < 1U << 3 * PTE_LEVELS; choice++) {
        for (size_t i = 0; i < 3; i++) {
            set_permissions(choice);
            check_one(accesses[i]);
            /* What is cached now allows no more than the tables do. */
            for (size_t j = 0; j < 3; j++)
                CHECK(access_at(AT, accesses[j]) == model_allows(accesses[j]));
        }
    }
    reset();
}

/* A page that was read is mapped read-only until it is written. */
static void test_dirty(void)
{
    reset();
    CHECK(try_access(0) && (*entries[1] & AD) == PTE_ACCESSED);
    CHECK(access_at(AT, PAGEFAULT_FETCH) && (*entries[1] & AD) == PTE_ACCESSED);
    CHECK(access_at(AT, PAGEFAULT_WRITE) && (*entries[1] & AD) == AD);
    *entries[1] &= ~PTE_DIRTY;
    CHECK(try_access(0) && !(*entries[1] & PTE_DIRTY));
    CHECK(access_at(AT, PAGEFAULT_WRITE) && (*entries[1] & PTE_DIRTY));
}

/* --- Entries that end the walk ------------------------------------------------------------- */

/* The entry of that level ends each walk with an error; nothing is noted in it and below. */
static void expect_end(int at, pte_t bad, uint64_t error)
{
    for (size_t i = 0; i < 3; i++) {
        reset();
        *entries[at] = bad;
        CHECK(!try_access(accesses[i]));
        CHECK(frame.error_code == (error | PAGEFAULT_USER | accesses[i]));
        CHECK(*entries[at] == bad);
        for (int level = 1; level <= PTE_LEVELS; level++)
            if (level != at)
                CHECK((*entries[level] & AD) == (level > at ? PTE_ACCESSED : 0));
    }
    reset();
}

static void test_not_present(void)
{
    for (int level = 1; level <= PTE_LEVELS; level++) {
        expect_end(level, 0, 0);
        expect_end(level, ~PTE_PRESENT, 0);
        expect_end(level, (tables[level] | FULL) & ~PTE_PRESENT, 0);
    }
}

static void test_reserved(void)
{
    const uint64_t error = PAGEFAULT_PRESENT | PAGEFAULT_RESERVED, low = (6UL << 39) + PAGE_SIZE;
    pte_t *top = (pte_t *)(memory + space.root) + pte_index(low, 4);

    for (int level = 1; level <= PTE_LEVELS; level++) {
        expect_end(level, MEMORY_SIZE | FULL, error);
        expect_end(level, (PTE_ADDRESS & ~(PAGE_SIZE - 1)) | FULL, error);
        expect_end(level, MEMORY_SIZE | PTE_PRESENT, error); /* whatever it permits */
    }
    expect_end(4, tables[4] | FULL | PTE_LARGE, error);
    expect_end(4, FULL | PTE_LARGE, error);
    for (int level = 2; level <= 3; level++)
        for (uint64_t bit = 2 * PAGE_SIZE; bit < 1UL << pte_shift(level); bit <<= 1)
            expect_end(level, bit | FULL | PTE_LARGE, error);
    expect_end(2, MEMORY_SIZE | FULL | PTE_LARGE, error);
    *top = FULL | PTE_LARGE; /* would reach the start of memory */
    CHECK(!access_at(low, 0) && frame.error_code == (error | PAGEFAULT_USER));
    *top = 0;
    expect_end(3, (1UL << 30) | FULL | PTE_LARGE, error);
}

/* --- Large pages --------------------------------------------------------------------------- */

static void check_large(int level, pte_t entry, uint64_t inside)
{
    uint64_t base = pte_address(entry) & ~((1UL << pte_shift(level)) - 1);
    uint64_t address = align_down(AT, 1UL << pte_shift(level)) + inside;
    uint64_t *there = (uint64_t *)(memory + base + inside), saved = *there;

    *entries[level] = entry;
    CHECK(vmspace_mcontrol(&space, (void *)USER_MIN, USER_MAX - USER_MIN, MADV_INVAL, 0) == 0);
    *there = 0x1234567890 + inside;
    CHECK(access_at(address, 0) && frame.rax == 0x1234567890 + inside);
    CHECK((*entries[level] & AD) == PTE_ACCESSED);
    CHECK(access_at(address, PAGEFAULT_WRITE) == ((entry & PTE_WRITE) != 0));
    if (entry & PTE_WRITE) {
        CHECK((*entries[level] & AD) == AD);
        CHECK(*there == frame.rsi);
    } else {
        CHECK(frame.error_code == (PAGEFAULT_PRESENT | PAGEFAULT_USER | PAGEFAULT_WRITE));
        CHECK((*entries[level] & AD) == PTE_ACCESSED);
    }
    *there = saved;
}

static void test_large_pages(void)
{
    const uint64_t pat = 1UL << 12;

    reset();
    for (uint64_t inside = 0; inside < 2UL << 20; inside += 0x1f000) {
        check_large(2, (32UL << 20) | FULL | PTE_LARGE, inside);
        check_large(2, (34UL << 20) | PTE_PRESENT | PTE_USER | PTE_LARGE | pat, inside);
    }
    for (uint64_t inside = 32UL << 20; inside < MEMORY_SIZE; inside += 0x1ff000) {
        check_large(3, FULL | PTE_LARGE, inside);
        check_large(3, PTE_PRESENT | PTE_USER | PTE_LARGE | pat, inside);
    }
    /* A large page that reaches beyond the end of memory. */
    CHECK(!access_at(align_down(AT, 1UL << 30) + MEMORY_SIZE, 0));
    CHECK(frame.error_code == (PAGEFAULT_PRESENT | PAGEFAULT_RESERVED | PAGEFAULT_USER));
    reset();
    CHECK(vmspace_mcontrol(&space, (void *)USER_MIN, USER_MAX - USER_MIN, MADV_INVAL, 0) == 0);
}

/* --- Entries that change during the walk --------------------------------------------------- */

#define ROUNDS 100000

static volatile bool is_done;
static volatile unsigned long flips;

/* Flip a bit in the entries of all levels, as a kernel may do with its own bits at any time; nobody
 * else does, so it is always as it was left. */
static void *flip(void *unused)
{
    for (pte_t bit = 0; !is_done; bit ^= PTE_SOFT1) {
        for (int level = 1; level <= PTE_LEVELS; level++) {
            pte_t old = __atomic_fetch_xor(entries[level], PTE_SOFT1, __ATOMIC_SEQ_CST);

            CHECK((old & PTE_SOFT1) == bit);
        }
        flips++;
    }
    return unused;
}

/* The walk loses no change that somebody else makes meanwhile, and does its own. */
static void test_concurrent_changes(void)
{
    pthread_t thread;

    reset();
    is_done = false;
    CHECK(pthread_create(&thread, NULL, flip, NULL) == 0);
    for (int i = 0; i < ROUNDS || flips < 1000; i++) {
        for (int level = 1; level <= PTE_LEVELS; level++)
            __atomic_fetch_and(entries[level], ~AD, __ATOMIC_SEQ_CST);
        CHECK(vmspace_pwrite(&space, "x", 1, 0, (off_t)AT + 100) == 1);
        for (int level = 1; level <= PTE_LEVELS; level++)
            CHECK((*entries[level] & AD) == (level == 1 ? AD : PTE_ACCESSED));
    }
    is_done = true;
    pthread_join(thread, NULL);
    reset();
}

int main(void)
{
    alarm(120);
    harness_start(sysconf(_SC_NPROCESSORS_ONLN) > 1);
    space_create(&space);
    find_entries();
    test_permissions();
    test_dirty();
    test_not_present();
    test_reserved();
    test_large_pages();
    test_concurrent_changes();
    harness_end();
}
