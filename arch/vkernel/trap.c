/*
 * User programs: user_run() is vmspace_ctl(VMSPACE_CTL_RUN), and a page table's TLB is its
 * vmspace.
 *
 * Interrupts are disabled as far as the kernel is concerned while a program runs. A signal that
 * comes meanwhile finds machine->in_guest set and kicks the vmspace, so that RUN returns; the
 * interrupt itself is served when the caller enables interrupts. user_run() sets in_guest
 * first and looks at `pending` then, so that a signal in between is seen by one of the two.
 *
 * The library must not be entered twice by one thread: its calls are made with interrupts
 * disabled (vmspace.h).
 */
#include "kern/trap.h"
#include "arch/vkernel/seeded.h"
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/vmspace.h"
#include "arch/x86_64/signal_frame.h"
#include "kern/abi/errno.h"
#include "kern/abi/signal.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/process.h"
#include "vm/pmap.h"

#include <string.h>

#define WINDOW      ((void *)USER_MIN)
#define WINDOW_SIZE (USER_MAX - USER_MIN)

#define REPORTS_MAX 10

#define RFLAGS_TF 0x100

/* --- Running ------------------------------------------------------------------------------- */

static prot_t wanted_access(uint64_t error_code)
{
    if (error_code & PAGEFAULT_FETCH)
        return PROT_EXEC;
    return (error_code & PAGEFAULT_WRITE) ? PROT_WRITE : PROT_READ;
}

static struct trap describe(const struct trapframe *frame, const struct vextframe *vframe)
{
    switch (frame->trap_number) {
    case VMSPACE_SYSCALL:
        return (struct trap){.kind = TRAP_SYSCALL};
    case VMSPACE_PAGEFAULT:
        return (struct trap){
            .kind = TRAP_PAGE_FAULT,
            .access = wanted_access(frame->error_code),
            .address = vframe->vx_address,
        };
    case VMSPACE_TRAP:
        return (struct trap){
            .kind = TRAP_EXCEPTION,
            .signal = vframe->vx_signal,
            .code = vframe->vx_code,
            .address = vframe->vx_address,
        };
    case VMSPACE_LOST:
        return (struct trap){.kind = TRAP_EXCEPTION, .signal = SIGKILL};
    default:
        return (struct trap){.kind = TRAP_INTERRUPT};
    }
}

/* From here on this run may differ from others with its seed. It is said a few times only. */
static void report_stopped(const struct trapframe *frame)
{
    static unsigned reported;
    char line[128];

    if (__atomic_add_fetch(&reported, 1, __ATOMIC_RELAXED) > REPORTS_MAX)
        return;
    format(line, sizeof(line), "not repeatable: process %d (%s) was stopped at %#lx\n",
           process_self()->pid, thread_self()->name, frame_pc(frame));
    kprintf("%s", line);
    machine_results_write(line, strlen(line));
}

static int run(struct trapframe *frame)
{
    struct machine_cpu *machine = &cpu_self()->machine;

    return vmspace_ctl(machine->vmspace, VMSPACE_CTL_RUN, frame, machine->vframe);
}

static bool is_step(const struct trapframe *frame, const struct vextframe *vframe)
{
    return frame->trap_number == VMSPACE_TRAP && vframe->vx_signal == SIGTRAP &&
           vframe->vx_code == TRAP_TRACE;
}

/* Run step by step, and stop after as many as are allowed now. What the program would see of the
 * trap flag is hidden. */
static int run_strictly(struct trapframe *frame)
{
    struct vextframe *vframe = cpu_self()->machine.vframe;
    uint64_t steps = seeded_steps_allowed();
    int error;

    if (frame->rflags & RFLAGS_TF) /* the program steps itself */
        return run(frame);
    frame->rflags |= RFLAGS_TF;
    vframe->vx_steps = steps - 1;
    error = run(frame);
    frame->rflags &= ~(uint64_t)RFLAGS_TF;
    if (error == 0 && frame->trap_number == VMSPACE_SYSCALL)
        frame->r11 &= ~(uint64_t)RFLAGS_TF; /* where SYSCALL saves the flags */
    if (error == 0 && is_step(frame, vframe))
        frame->trap_number = VMSPACE_INTERRUPT;
    else
        steps -= 1 + vframe->vx_steps;
    vframe->vx_steps = 0;
    seeded_steps_made(steps);
    return error;
}

struct trap user_run(struct trapframe *frame)
{
    struct machine_cpu *machine = &cpu_self()->machine;
    int error = -EBUSY;

    if (frame->rip >= USER_MAX)
        return (struct trap){.kind = TRAP_PAGE_FAULT, .access = PROT_EXEC, .address = frame->rip};
    machine->in_guest = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (is_seeded)
        seeded_guest_begins();
    if (machine->pending == 0)
        error = seeded_is_strict ? run_strictly(frame) : run(frame);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    machine->in_guest = false;
    if (error == -EBUSY) /* or the host has no process for one more CPU in there: try again */
        return (struct trap){.kind = TRAP_INTERRUPT};
    if (error != 0)
        panic("vmspace_ctl: error %d", -error);
    if (is_seeded && seeded_guest_ended())
        report_stopped(frame);
    return describe(frame, machine->vframe);
}

/* --- Registers ----------------------------------------------------------------------------- */

void user_frame_init(struct trapframe *frame, uaddr_t entry, uaddr_t stack)
{
    user_frame_release(frame);
    memset(frame, 0, sizeof(*frame));
    frame->rip = entry;
    frame->rsp = stack;
}

void user_frame_copy(struct trapframe *to, struct trapframe *from)
{
    bool were_on;

    user_frame_release(to);
    were_on = interrupts_disable();
    vmspace_frame_copy(to, from);
    interrupts_restore(were_on);
}

void user_frame_save_fpu(struct trapframe *frame)
{
    bool were_on = interrupts_disable();

    vmspace_frame_sync(frame);
    interrupts_restore(were_on);
}

void user_frame_release(struct trapframe *frame)
{
    bool were_on = interrupts_disable();

    vmspace_frame_forget(frame);
    interrupts_restore(were_on);
}

/* --- Page tables --------------------------------------------------------------------------- */

/* The page table's address is the vmspace's name. */
static int create(struct pmap *pmap)
{
    int error = vmspace_create(pmap, 0, NULL);
    void *window;

    if (error != 0)
        return error;
    window = vmspace_mmap(pmap, WINDOW, WINDOW_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE, memory_fd, 0);
    assert(window == WINDOW);
    return vmspace_mcontrol(pmap, WINDOW, WINDOW_SIZE, MADV_SETMAP, (off_t)pmap->root);
}

int machine_pmap_create(struct pmap *pmap)
{
    bool were_on = interrupts_disable();
    int error = create(pmap);

    interrupts_restore(were_on);
    pmap->machine.vmspace = pmap;
    return error == 0 ? 0 : -ENOMEM;
}

void machine_pmap_destroy(struct pmap *pmap)
{
    bool were_on = interrupts_disable();
    int error = vmspace_destroy(pmap);

    interrupts_restore(were_on);
    if (error != 0)
        panic("vmspace_destroy: error %d", -error);
}

void machine_pmap_activate(struct pmap *pmap)
{
    cpu_self()->machine.vmspace = pmap != NULL ? pmap->machine.vmspace : NULL;
}

void machine_tlb_invalidate(struct pmap *pmap, vaddr_t start, vaddr_t end)
{
    bool were_on = interrupts_disable();
    int error = vmspace_mcontrol(pmap, (void *)start, end - start, MADV_INVAL, 0);

    interrupts_restore(were_on);
    if (error != 0)
        panic("vmspace_mcontrol: error %d", -error);
}
