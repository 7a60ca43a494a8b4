/*
 * Several stubs in one address space: what lets several CPUs run one vmspace at the same time.
 *
 * As long as one CPU at a time runs a vmspace there is one stub, its *leader*, which performs the
 * operations on its mappings itself, with the secret, while no guest code runs. With a second
 * CPU that does not work: guest code runs on beside it and would read the secret. So the leader
 * clones, for the first and last time, a *mother*: a process that shares the address space
 * (CLONE_VM) and never runs guest code. She keeps the secret in a register, where no guest can see
 * it, and from then on performs all operations, while guest code runs on other CPUs or not; a
 * translation that she has unmapped is gone on all of them, as the host sees to it. She also clones
 * the *siblings*, the further stubs.
 *
 *      leader --clone--> mother --clone--> sibling, sibling, ...
 *
 * All of them have one memory, but each has its slot (slot.h). The first filter admits the slot's
 * calls for every slot; each stub that runs guest code gets a second one, which admits them for
 * its own only, so that no guest can publish a trap for another stub, or for the mother.
 *
 * Births happen while the vmspace is frozen, i.e. runs no guest code: the child's pid comes
 * through memory that guests can write, and would be the pid of their choice. They must also
 * die with the vkernel: a newborn asks for it first, and dies if the vkernel is its parent no more.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct stub_operation call(uint32_t number, uint64_t first, uint64_t second, uint64_t third)
{
    return (struct stub_operation){first, second, third, {.number = number}, OPERATION_CALL};
}

/* Traced stubs need no filters. */
static bool is_traced(void)
{
    return vmspace_config.means == VMSPACE_MEANS_PTRACE;
}

/* Perform operations without running guest code. Returns whether all of them succeeded. */
static bool perform(struct stub *stub, const struct stub_operation *operations, uint32_t count)
{
    run_operations(stub, operations, count, FLAG_STAY);
    return handover_wait(stub, NULL) == HANDOVER_TRAPPED;
}

static struct stub_operation install_filter(struct stub *stub)
{
    uint64_t program = stub->slot + offsetof(struct stub_orders, filter.length);

    stub_write_filter(stub);
    return call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program);
}

static struct stub_operation use_signal_stack(struct stub *stub)
{
    uint64_t *stack = stub->orders->signal_stack;

    stack[0] = stub->slot + SLOT_STACK;
    stack[1] = 0;
    stack[2] = SLOT_END - SLOT_STACK;
    return call(SYS_sigaltstack, stub->slot + offsetof(struct stub_orders, signal_stack), 0, 0);
}

/* Write what a newborn performs first; the mother runs no guest code and needs no more. */
static void write_first_orders(struct stub *stub, bool is_mother)
{
    struct stub_operation operations[] = {
        call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0),
        {0, (uint64_t)host_call(SYS_getpid), 0, {.number = SYS_getppid}, OPERATION_EXPECT},
        use_signal_stack(stub),
        install_filter(stub),
    };
    uint32_t count = is_mother ? 2 : is_traced() ? 3 : COUNT(operations);

    for (size_t i = 0; i < COUNT(operations); i++)
        stub->orders->operations[i] = operations[i];
    stub->orders->count = count;
    stub->orders->flags = FLAG_STAY;
}

/* `parent` clones a process, in the next slot. The vmspace is frozen. NULL when the host refuses.
 */
static struct stub *bear(struct vmspace *vmspace, struct stub *parent, bool is_mother)
{
    struct stub *stub = vmspace->slot_count < SLOT_COUNT
                            ? stub_new_sibling(parent->leader, vmspace->slot_count)
                            : NULL;

    if (stub == NULL)
        return NULL;
    struct stub_operation operations[] = {
        {stub->slot, SLOT_FRAME, stub->slot - SLOTS, {PROT_READ}, OPERATION_MAP_SLOTS},
        {stub->slot + SLOT_FRAME,
         SLOT_END - SLOT_FRAME,
         stub->slot - SLOTS + SLOT_FRAME,
         {PROT_READ | PROT_WRITE},
         OPERATION_MAP_SLOTS},
        {CLONE_VM | CLONE_PARENT | SIGCHLD,
         stub->slot + SLOT_END,
         0,
         {.number = SYS_clone},
         OPERATION_CLONE},
    };
    write_first_orders(stub, is_mother);
    if (!perform(parent, operations, COUNT(operations))) {
        stub_free_sibling(stub);
        return NULL;
    }
    stub->pid = (int)parent->words->child;
    stub->tracer = is_traced() ? (int)parent->words->tracer : 0;
    stub->beside = parent->beside;
    stub->apart = parent->apart;
    if (handover_wait(stub, NULL) != HANDOVER_TRAPPED) {
        stub_free_sibling(stub);
        return NULL;
    }
    stub->orders->flags = stub_flags;
    __atomic_store_n(&stub->vmspace, vmspace, __ATOMIC_RELEASE);
    vmspace->slot_count++;
    return stub;
}

/* The vmspace is frozen. Returns whether there is a mother. */
static bool make_mother(struct vmspace *vmspace)
{
    struct stub *leader = vmspace->stubs;
    struct stub_operation filter = install_filter(leader);
    struct stub *mother = bear(vmspace, leader, true);

    if (mother == NULL)
        return false;
    if (!is_traced() && !perform(leader, &filter, 1)) {
        stub_kill(leader);
        stub_free_sibling(mother);
        return false;
    }
    vmspace->mother = mother;
    return true;
}

struct stub *sibling_make(struct vmspace *vmspace)
{
    struct stub *stub = NULL;

    run_freeze(vmspace);
    if (vmspace->mother != NULL || make_mother(vmspace))
        stub = bear(vmspace, vmspace->mother, false);
    if (stub != NULL) {
        stub->next = vmspace->stubs;
        vmspace->stubs = stub;
    }
    run_thaw(vmspace);
    return stub;
}

void mother_perform(struct vmspace *vmspace)
{
    struct stub *mother = vmspace->mother;

    while (vmspace->operation_count > 0) {
        uint32_t count = vmspace->operation_count;

        vmspace->operation_count = 0;
        if (perform(mother, vmspace->operations, count))
            return;
        if (stub_is_dead(mother) || vmspace->mapped <= MAPPED_MIN) {
            stub_kill(mother);
            return;
        }
        translate_reset(vmspace, true);
    }
}

void siblings_free(struct vmspace *vmspace)
{
    struct stub *stub;

    if (vmspace->mother == NULL)
        return;
    while ((stub = vmspace->stubs)->next != NULL) {
        vmspace->stubs = stub->next;
        run_release_frame(stub);
        stub_free_sibling(stub);
    }
    stub_free_sibling(vmspace->mother);
    vmspace->mother = NULL;
    stub->is_worn_out = true;
}
