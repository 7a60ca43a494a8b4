/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * The TLB checker: each way in which page tables may lose something without an invalidation is
 * reported, with the entry that lost it, and nothing else is.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/test/harness.h"

#include <string.h>
#include <unistd.h>

GUEST(load)
GUEST(store)
GUEST(syscalls)

/* A page below an entry of the top table that is its own, in the midst of a line of entries. */
#define AT  ((3UL << 39) + (7UL << 30) + (9UL << 21) + 5 * PAGE_SIZE)
#define RW  (PROT_READ | PROT_WRITE)
#define RWX (RW | PROT_EXEC)

static struct space space;
static struct trapframe frame;

static struct vmspace_stale last;
static unsigned report_count;
static bool is_busy;

static bool is_changing(const void *id)
{
    CHECK(id == &space);
    return is_busy;
}

static void report(const void *id, const struct vmspace_stale *stale)
{
    CHECK(id == &space);
    report_count++;
    last = *stale;
}

static pte_t *entry_of_level(uint64_t address, int level)
{
    uint64_t table = space.root;

    (void)space_entry(&space, address);
    for (int at = PTE_LEVELS; at > level; at--)
        table = pte_address(((pte_t *)(memory + table))[pte_index(address, at)]);
    return (pte_t *)(memory + table) + pte_index(address, level);
}

static void invalidate_all(void)
{
    CHECK(vmspace_mcontrol(&space, (void *)USER_MIN, USER_MAX - USER_MIN, MADV_INVAL, 0) == 0);
}

/* Run a program that touches none of the pages, and say how many reports that gave. */
static unsigned resume(void)
{
    unsigned before = report_count;

    frame_start(&frame, ENTRY(syscalls));
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    return report_count - before;
}

/* Map a page and have the program use it, so that the stub has it too. */
static pte_t *use(uint64_t address, prot_t prot, uint64_t program)
{
    pte_t *entry = space_entry(&space, address);

    *entry = pte_make_user(page_new(), prot);
    space_invalidate(&space, address);
    frame_start(&frame, program);
    frame.rdi = address;
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(resume() == 0);
    return entry;
}

/*
 * Change the entry of that level that translates AT, which lets the program do `protection`: it is
 * reported at each resume, until it is put back or invalidated.
 */
static void expect_report(int level, pte_t new, prot_t protection)
{
    pte_t *entry = entry_of_level(AT, level), old = *entry;
    pte_t leaf = level == 1 ? old : *space_entry(&space, AT);

    *entry = new;
    CHECK(resume() == 1);
    CHECK(last.address == AT && last.page == pte_address(leaf));
    CHECK(last.protection == (int)protection);
    CHECK(last.level == level && memory + last.entry == (uint8_t *)entry);
    CHECK(last.old == old && last.new == new);
    CHECK(resume() == 1);
    *entry = old;
    CHECK(resume() == 0);
    *entry = new;
    invalidate_all();
    CHECK(resume() == 0);
    *entry = old;
    CHECK(resume() == 0); /* more than the stub has is no mistake */
}

static void test_leaf(void)
{
    static const prot_t prots[] = {RWX, RW};
    pte_t *entry;

    for (size_t i = 0; i < sizeof(prots) / sizeof(prots[0]); i++) {
        pte_t other = page_new();

#define LOSE(new)                                                                                  \
    (entry = use(AT, prots[i], ENTRY(store)), expect_report(1, (new), prots[i]), invalidate_all())
        LOSE(0);
        LOSE(*entry & ~PTE_PRESENT);
        LOSE(*entry & ~PTE_WRITE);
        LOSE(*entry & ~PTE_USER);
        LOSE(*entry & ~PTE_DIRTY); /* the next write would not be noted */
        LOSE((*entry & ~PTE_ADDRESS) | other);
        LOSE((*entry & ~PTE_ADDRESS) | MEMORY_SIZE);
        if (prots[i] & PROT_EXEC)
            LOSE(*entry | PTE_NOEXEC);
#undef LOSE
    }
    entry = use(AT, RW, ENTRY(load)); /* in the stub it is read-only */
    *entry &= ~PTE_WRITE;
    CHECK(resume() == 0);
    expect_report(1, *entry & ~PTE_PRESENT, PROT_READ);
    invalidate_all();
}

static void test_upper_levels(void)
{
    for (int level = 2; level <= PTE_LEVELS; level++) {
        pte_t *entry = entry_of_level(AT, level), old;
        uint64_t table = page_new();

        (void)use(AT, RWX, ENTRY(store));
        old = *entry;
        memcpy(memory + table, memory + pte_address(old), PAGE_SIZE);
        ((pte_t *)(memory + table))[pte_index(AT, level - 1)] = 0;
#define LOSE(new) ((void)use(AT, RWX, ENTRY(store)), expect_report(level, (new), RWX))
        LOSE(0);
        LOSE(old & ~PTE_WRITE);
        LOSE(old & ~PTE_USER);
        LOSE(old | PTE_NOEXEC);
        LOSE((old & ~PTE_ADDRESS) | MEMORY_SIZE);
        LOSE((old & ~PTE_ADDRESS) | table);
#undef LOSE
        *entry = old;
        invalidate_all();
    }
}

static void test_large_page(void)
{
    pte_t *entry = entry_of_level(AT, 2), old = *entry;
    uint64_t large = 32UL << 20;

    *entry = pte_make_user(large, RW) | PTE_LARGE;
    frame_start(&frame, ENTRY(store));
    frame.rdi = AT;
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
    CHECK(resume() == 0);
    *entry |= PTE_SOFT0;
    CHECK(resume() == 0);
    for (int i = 0; i < 4; i++) {
        pte_t before = *entry;

        *entry = i == 0   ? before & ~PTE_WRITE
                 : i == 1 ? before & ~PTE_DIRTY
                 : i == 2 ? 0
                          : before + (2UL << 20);
        CHECK(resume() == 1);
        CHECK(last.level == 2 && last.old == before && last.new == *entry);
        CHECK(last.page >= large && last.page < large + (2UL << 20));
        *entry = before;
        CHECK(resume() == 0);
    }
    *entry = old;
    invalidate_all();
    CHECK(resume() == 0);
}

/* What is allowed without an invalidation. */
static void test_gains(void)
{
    pte_t *entry = use(AT, PROT_READ, ENTRY(load));

    *entry |= PTE_WRITE;
    CHECK(resume() == 0);
    *entry &= ~PTE_WRITE; /* never got into the stub */
    CHECK(resume() == 0);
    *entry &= ~PTE_NOEXEC;
    *entry &= ~PTE_ACCESSED;
    *entry |= PTE_DIRTY | PTE_SOFT1;
    CHECK(resume() == 0);
    entry[1] = pte_make_user(page_new(), RW); /* its neighbours are not in the stub */
    entry[-1] = pte_make_user(page_new(), RW);
    CHECK(resume() == 0);
    entry[1] = entry[-1] = 0;
    CHECK(resume() == 0);
    *entry = 0;
    space_invalidate(&space, AT);
    CHECK(resume() == 0);
}

/* A change that is under way is legal; and only while it is. */
static void test_change_under_way(void)
{
    pte_t *entry = use(AT, RW, ENTRY(store)), old = *entry;

    is_busy = true;
    *entry = 0;
    CHECK(resume() == 0);
    is_busy = false;
    CHECK(resume() == 1 && last.entry == (uint64_t)((uint8_t *)entry - memory));
    CHECK(last.old == old && last.new == 0);
    space_invalidate(&space, AT);
    CHECK(resume() == 0);
}

/* One entry of many, wherever it is; also one that was mapped since the last check. */
static void test_many_pages(void)
{
    enum { PAGES = 700 };

    for (uint64_t i = 0; i < PAGES; i++)
        (void)use(AT + i * PAGE_SIZE, RW, i % 2 == 0 ? ENTRY(store) : ENTRY(load));
    for (uint64_t i = 0; i < PAGES; i += 13) {
        pte_t *entry = space_entry(&space, AT + i * PAGE_SIZE), old = *entry;

        *entry &= ~PTE_USER;
        CHECK(resume() == 1 && last.address == AT + i * PAGE_SIZE && last.old == old);
        *entry = old;
        CHECK(resume() == 0);
    }
    for (uint64_t i = 0; i < PAGES; i++) {
        unsigned before = report_count;
        pte_t *entry = space_entry(&space, AT + i * PAGE_SIZE);

        space_invalidate(&space, AT + i * PAGE_SIZE);
        *entry = pte_make_user(page_new(), PROT_READ);
        frame_start(&frame, ENTRY(load));
        frame.rdi = AT + i * PAGE_SIZE;
        CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && report_count == before);
        *entry = 0; /* with what the resume after the fault has seen */
        CHECK(resume() == 1 && last.address == AT + i * PAGE_SIZE && last.new == 0);
        CHECK(pte_prot(last.old) == PROT_READ);
        space_invalidate(&space, AT + i * PAGE_SIZE);
    }
    CHECK(resume() == 0);
}

/* What goes wrong behind another mistake is found when that one is put right: here a right that an
 * upper level gives and takes back before there was a check. */
static void test_one_behind_another(void)
{
    uint64_t behind = AT + 16 * PAGE_SIZE;
    pte_t *upper = entry_of_level(AT, 3), *first, old;

    *upper &= ~PTE_WRITE;
    invalidate_all();
    first = use(AT, RW, ENTRY(load));
    (void)use(behind, RW, ENTRY(load));
    old = *first;
    *first = 0;
    *upper |= PTE_WRITE;
    frame_start(&frame, ENTRY(store));
    frame.rdi = behind;
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && last.address == AT);
    *upper &= ~PTE_WRITE; /* as it was when all was in order, but not what the stub has */
    CHECK(resume() == 1 && last.address == AT);
    *first = old;
    CHECK(resume() == 1 && last.address == behind && last.protection == RW);
    *upper |= PTE_WRITE;
    invalidate_all();
    CHECK(resume() == 0);
}

/* A line of entries that becomes empty takes no other with it. */
static void test_empty_line(void)
{
    pte_t *first = use(AT, RW, ENTRY(store)), *second = use(AT + 16 * PAGE_SIZE, RW, ENTRY(store));

    *first = 0;
    space_invalidate(&space, AT);
    CHECK(resume() == 0);
    *second = 0;
    CHECK(resume() == 1 && last.address == AT + 16 * PAGE_SIZE);
    space_invalidate(&space, AT + 16 * PAGE_SIZE);
    CHECK(resume() == 0);
}

int main(void)
{
    alarm(60);
    harness_start((unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    vmspace_config.is_changing = is_changing;
    vmspace_config.report_stale = report;
    space_create(&space);
    test_leaf();
    test_upper_levels();
    test_large_page();
    test_gains();
    test_change_under_way();
    test_many_pages();
    test_one_behind_another();
    test_empty_line();
    harness_end();
}
