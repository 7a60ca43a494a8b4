/*
 * User page tables on this processor: which CPU has which loaded, and TLB shootdown.
 *
 * A CPU that changed a page table must make every other CPU that may cache the old entry drop
 * it, and wait until all have. The request is one global structure under a lock; the signal is
 * a non-maskable interrupt. It must be: the caller holds spinlocks, and the CPU that it waits
 * for may spin on one of those with interrupts disabled. The NMI handler only flushes and
 * answers, takes no lock and touches nothing else, so it may interrupt anything - another
 * CPU's wait for its own shootdown included. A second NMI that comes while one is handled stays
 * pending in the processor, so no request is lost; one that finds nothing to do is harmless.
 *
 * Which CPUs to ask: a CPU sets its bit in pmap->machine.active_cpus before it loads CR3 and
 * clears it after it loaded another table. The changer reads the set after a full barrier
 * behind its change: it either sees the bit, or the CPU's walks see the change.
 */
#include "arch/x86_64/tlb.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/memory.h"
#include "arch/x86_64/x86.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/spinlock.h"
#include "kern/string.h"
#include "vm/page.h"
#include "vm/pmap.h"

#define MAX_SINGLE_PAGES 32 /* above, dropping all user translations is cheaper */

static uint64_t online; /* (a) the CPUs that answer */

static struct {
    struct spinlock lock;
    vaddr_t start, end; /* (l) */
    uint64_t waiting;   /* (a) the CPUs that have not answered yet */
} shootdown = {.lock = SPINLOCK_INITIALIZER("TLB shootdown", LOCK_TLB)};

static uint64_t cpu_bit(const struct cpu *cpu)
{
    return 1UL << cpu->id;
}

void tlb_start_cpu(struct cpu *cpu)
{
    __atomic_fetch_or(&online, cpu_bit(cpu), __ATOMIC_SEQ_CST);
}

/* Drop this CPU's translations of the range. Reloading CR3 spares the kernel's global pages. */
static void flush(vaddr_t start, vaddr_t end)
{
    if (start < USER_MAX && end - start > MAX_SINGLE_PAGES * PAGE_SIZE) {
        write_cr3(read_cr3());
        return;
    }
    for (vaddr_t va = start; va < end; va += PAGE_SIZE)
        invlpg(va);
}

/* Make the CPUs of `targets` drop their translations of the range, and wait until they have. */
static void shoot(uint64_t targets, vaddr_t start, vaddr_t end)
{
    struct cpu *self;

    interrupts_push();
    self = cpu_self();
    if (targets & cpu_bit(self))
        flush(start, end);
    targets &= ~cpu_bit(self);
    if (targets != 0) {
        spin_lock(&shootdown.lock);
        shootdown.start = start;
        shootdown.end = end;
        __atomic_store_n(&shootdown.waiting, targets, __ATOMIC_SEQ_CST);
        for (unsigned id = 0; id < machine_cpu_count(); id++) {
            if (targets & cpu_bit(&cpus[id]))
                apic_send_nmi(&cpus[id]);
        }
        while (__atomic_load_n(&shootdown.waiting, __ATOMIC_ACQUIRE) != 0) {
            panic_check();
            cpu_relax();
        }
        spin_unlock(&shootdown.lock);
    }
    interrupts_pop();
}

void tlb_answer(struct cpu *cpu)
{
    if ((__atomic_load_n(&shootdown.waiting, __ATOMIC_ACQUIRE) & cpu_bit(cpu)) == 0)
        return;
    flush(shootdown.start, shootdown.end);
    __atomic_fetch_and(&shootdown.waiting, ~cpu_bit(cpu), __ATOMIC_RELEASE);
}

void tlb_invalidate_kernel(vaddr_t start, vaddr_t end)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    shoot(__atomic_load_n(&online, __ATOMIC_SEQ_CST), start, end);
}

void machine_tlb_invalidate(struct pmap *pmap, vaddr_t start, vaddr_t end)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    shoot(__atomic_load_n(&pmap->machine.active_cpus, __ATOMIC_SEQ_CST), start, end);
}

int machine_pmap_create(struct pmap *pmap)
{
    size_t half = PAGE_SIZE / 2;

    memcpy((char *)direct_map(pmap->root) + half, (char *)direct_map(memory_kernel_root()) + half,
           half);
    pmap->machine.active_cpus = 0;
    return 0;
}

void machine_pmap_destroy(struct pmap *pmap)
{
    assert(pmap->machine.active_cpus == 0);
    memset((char *)direct_map(pmap->root) + PAGE_SIZE / 2, 0, PAGE_SIZE / 2);
}

void machine_pmap_activate(struct pmap *pmap)
{
    struct cpu *cpu = cpu_self();
    struct pmap *old = cpu->machine.pmap;

    if (pmap == old)
        return;
    if (pmap != NULL)
        __atomic_fetch_or(&pmap->machine.active_cpus, cpu_bit(cpu), __ATOMIC_SEQ_CST);
    write_cr3(pmap != NULL ? pmap->root : memory_kernel_root());
    cpu->machine.pmap = pmap;
    if (old != NULL)
        __atomic_fetch_and(&old->machine.active_cpus, ~cpu_bit(cpu), __ATOMIC_SEQ_CST);
}
