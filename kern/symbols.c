/*
 * Backtraces in the kernel's own terms.
 *
 * The kernel is compiled with frame pointers: each frame starts with the caller's frame pointer
 * and the return address. A walk ends where that chain leaves the stack or does not rise, so
 * that a smashed stack gives a short backtrace and not a second fault. A call that repeats itself,
 * as in an endless recursion, is printed once.
 */
#include "kern/symbols.h"

#include "kern/machine.h"
#include "kern/print.h"

#define MAX_FRAMES 32

const char *symbol_find(vaddr_t address, size_t *offset)
{
    int64_t wanted = (int64_t)(address - (vaddr_t)&kernel_main);
    size_t low = 0, high = symbol_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (symbol_table[middle].offset <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || low == symbol_count)
        return NULL;
    *offset = (size_t)(wanted - symbol_table[low - 1].offset);
    return symbol_table[low - 1].name;
}

/*
 * Print where `pc` is. A return address may lie behind the end of its function, when the call is
 * of one that never returns: `back` is how far before it the function is looked up.
 */
static void print_frame(vaddr_t pc, size_t back)
{
    size_t offset;
    const char *name = symbol_find(pc - back, &offset);

    if (name != NULL)
        kprintf("    %s+0x%zx\n", name, offset + back);
    else
        kprintf("    0x%lx\n", pc);
}

/* The return address of the frame at *fp, and to its caller's frame; 0 where the chain ends. */
static vaddr_t next_call(vaddr_t *fp, vaddr_t low, vaddr_t high)
{
    const vaddr_t *frame = (const vaddr_t *)*fp;

    if (*fp < low || *fp + 2 * sizeof(vaddr_t) > high || !is_aligned(*fp, sizeof(vaddr_t)))
        return 0;
    *fp = frame[0] > *fp ? frame[0] : 0;
    return frame[1];
}

size_t backtrace_collect(vaddr_t fp, vaddr_t low, vaddr_t high, vaddr_t calls[], size_t max)
{
    size_t count = 0;

    while (count < max && (calls[count] = next_call(&fp, low, high)) != 0)
        count++;
    return count;
}

void backtrace_print_call(vaddr_t return_address)
{
    print_frame(return_address, 1);
}

static void print_repetition(unsigned times)
{
    if (times > 0)
        kprintf("    ... and %u times more\n", times);
}

void backtrace_print(vaddr_t pc, vaddr_t fp, vaddr_t low, vaddr_t high)
{
    vaddr_t last = 0, call;
    unsigned shown = 0, repeated = 0;

    if (pc != 0)
        print_frame(pc, 0);
    while (shown < MAX_FRAMES && (call = next_call(&fp, low, high)) != 0) {
        if (call == last) {
            repeated++;
            continue;
        }
        print_repetition(repeated);
        repeated = 0;
        last = call;
        backtrace_print_call(call);
        shown++;
    }
    print_repetition(repeated);
}
