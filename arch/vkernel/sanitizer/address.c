/*
 * AddressSanitizer in the running kernel (make SAN=address).
 *
 * The sanitizer is made for programs whose threads are the host's and whose memory comes from
 * malloc(). What it has to be told, and by whom:
 *
 *      which memory may be touched     vm/heap.c, vm/page.c, kern/thread.c (kern/sanitizer.h)
 *      which stack a host thread is    context_switch(), just before each switch, the first
 *      on                              one to a new stack included
 *      what to do with a finding       report(): a panic, with the kernel's own backtrace
 *
 * The checks that the compiler inserts use nothing that belongs to a host thread, so they may be
 * interrupted and continue on another CPU. Only a report, and a call of a function that never
 * returns, look at the host thread; a report therefore disables interrupts first.
 */
#include "arch/vkernel/vkernel.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/symbols.h"
#include "kern/thread.h"
#include "vm/heap.h"
#include "vm/page.h"
#include <machine/param.h>

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

/* Variables live on kernel stacks only, never on the fake ones that a host thread may own; leaks
 * are not the process's to find; faults and their stacks are fault.c's. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_stack_use_after_return=0:detect_leaks=0:use_sigaltstack=0:handle_segv=0:"
           "handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:print_legend=0:"
           "exitcode=125";
}

/* Announced before the switch: nothing looks until it is done. */
void sanitizer_before_switch(void)
{
    const struct cpu *cpu = cpu_self();
    const struct thread *next = cpu->current != NULL ? cpu->current : cpu->idle;
    void *fake_stack;

    __sanitizer_start_switch_fiber(&fake_stack, next->stack, KERNEL_STACK_SIZE);
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
}

void sanitizer_before_cpu_switch(unsigned from, struct cpu *to)
{
    (void)from;
    (void)to;
    sanitizer_before_switch();
}

void sanitizer_stack_goes(void *stack)
{
    (void)stack;
}

/* The sanitizer calls this before it prints its report. */
void __asan_on_error(void)
{
    if (is_cpu_thread())
        interrupts_disable();
    console_restore();
}

static const char *function_name(vaddr_t return_address)
{
    size_t offset;
    const char *name = symbol_find(return_address - 1, &offset);

    return name != NULL ? name : "nobody";
}

/*
 * What is wrong at an address, in the kernel's terms: the sanitizer knows only that somebody has
 * poisoned it. Fills `object` with what is known of it; returns NULL when nothing is.
 */
static const char *describe(vaddr_t address, char *object, size_t size)
{
    vaddr_t offset = address - DIRECT_MAP_BASE;
    struct heap_object found;

    object[0] = '\0';
    if (offset < PAGE_SIZE || offset >= options.memory)
        return NULL;
    if (!heap_find(address, &found))
        return page_references(page_from_address(offset)) == 0 ? "use of a free page" : NULL;
    format(object, size, ", byte %zu of %zu allocated by %s%s%s", address - found.start, found.size,
           function_name(found.allocated_by), found.is_free ? ", freed by " : "",
           found.is_free ? function_name(found.freed_by) : "");
    return found.is_free ? "use after free" : "heap overflow";
}

/* And this afterwards. */
static void report(const char *text)
{
    vaddr_t address = (vaddr_t)__asan_get_report_address();
    char object[160];
    const char *what = describe(address, object, sizeof(object));

    (void)text;
    if (what == NULL)
        what = __asan_get_report_description();
    if (!is_cpu_thread())
        die(125, 0, "AddressSanitizer: %s at %#lx%s", what, address, object);
    panic_at(0, (vaddr_t)__asan_get_report_bp(), NULL,
             "AddressSanitizer: %s: %s of %zu bytes at %#lx%s", what,
             __asan_get_report_access_type() ? "write" : "read", __asan_get_report_access_size(),
             address, object);
}

void sanitizer_init(void)
{
    __asan_set_error_report_callback(report);
}
