/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * Guests that try to escape: into other memory, into system calls of the host, or out of reach.
 * Each attack may end its own program, and gain nothing.
 *
 * The prize is a page of guest memory that no page table of the attacker names. After each
 * attack that the program survives it reads the address where it tried to map that page.
 *
 * Each attack is made by a program that is alone in its vmspace, and then by one that has a
 * companion there on another CPU, which looks all the time for a secret in what the stubs share
 * with the vkernel.
 */
#include "arch/vkernel/vmspace/slot.h"
#include "arch/vkernel/vmspace/test/harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

GUEST(spin)
GUEST(syscalls)
GUEST(load)
GUEST(store)
GUEST(attack)
GUEST(after_attack)
GUEST(write_slot)
GUEST(hunt_any)

#define STAGE       0x10000000UL /* a page of the attacker's, for registers and forged structures */
#define TARGET      0x20000000UL /* where it wants to see the prize */
#define TREASURE    0x7ea5u
#define SPARE_PAGES 4

static struct space space;
static struct trapframe frame;
static struct stub_calls calls;     /* read from the stub by a guest, as an attacker would */
static uint64_t stage, prize;       /* physical */
static uint64_t spare[SPARE_PAGES]; /* room for a signal stack behind the stage */
static volatile bool is_kicking;

#define FAMILY 3 /* the leader, the mother, a sibling */

static bool has_companion;
static pthread_t companion;
static struct trapframe companion_frame;
static struct vextframe companion_vframe;
static volatile bool companion_may_end;

/* The registers that guest_attack loads. */
struct attack {
    uint64_t rax, rdi, rsi, rdx, r10, r8, r9, rbx, rbp, rip, rsp;
};

/* A forged signal frame (run.c names the members). */
struct forged_frame {
    uint64_t return_address, flags, link, stack_base, stack_flags, stack_size;
    uint64_t registers[15], rsp, rip, rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error_code, trap_number, old_mask, cr2, fpstate, reserved[8], mask;
    uint64_t info[16];
};

static bool is_traced(void)
{
    return vmspace_means() == VMSPACE_MEANS_PTRACE;
}

static void *kick_often(void *unused)
{
    for (;;) {
        usleep(2000);
        if (is_kicking)
            vmspace_kick(&space.vframe);
    }
    return unused;
}

/* Where hunt_any tells of a secret. */
static uint64_t found_address(void)
{
    return GUEST_CODE + (uint64_t)(guest_code_end - guest_code);
}

static void begin_companion(uint64_t entry)
{
    frame_start(&companion_frame, entry);
    companion_frame.rdi = SLOTS + SLOT_FRAME + FRAME_SECRET;
    companion_frame.rsi = SLOTS + FAMILY * SLOT_STRIDE;
    companion_frame.rdx = SLOT_STRIDE;
}

/*
 * Run the companion, again from its beginning when it trapped: slots appear one after another,
 * and the attacker may have overwritten its registers while they lay in its slot.
 */
static void *accompany(void *entry)
{
    int error;

    for (;;) {
        error = vmspace_ctl(&space, VMSPACE_CTL_RUN, &companion_frame, &companion_vframe);
        CHECK(error == 0 || error == -EBUSY);
        CHECK(companion_frame.trap_number != VMSPACE_SYSCALL ||
              companion_frame.rip != found_address());
        if (companion_may_end || companion_frame.trap_number == VMSPACE_LOST)
            return NULL;
        if (companion_frame.trap_number != VMSPACE_INTERRUPT)
            begin_companion((uint64_t)entry);
    }
}

/* The other CPU runs in the same vmspace from now on. */
static void start_companion(uint64_t entry)
{
    begin_companion(entry);
    companion_vframe = (struct vextframe){0};
    companion_may_end = false;
    CHECK(pthread_create(&companion, NULL, accompany, (void *)entry) == 0);
    while (companion_vframe.host_pid == 0)
        usleep(50);
}

static void begin_with(uint64_t companion_entry)
{
    space_create(&space);
    memset(memory + stage, 0, PAGE_SIZE);
    space_map(&space, STAGE, stage, PROT_READ | PROT_WRITE);
    for (uint64_t i = 0; i < SPARE_PAGES; i++)
        space_map(&space, STAGE + (1 + i) * PAGE_SIZE, spare[i], PROT_READ | PROT_WRITE);
    if (has_companion)
        start_companion(companion_entry);
}

static void begin(void)
{
    begin_with(ENTRY(hunt_any));
}

static void end(void)
{
    if (has_companion) {
        companion_may_end = true;
        vmspace_kick(&companion_vframe);
        pthread_join(companion, NULL);
        vmspace_frame_forget(&companion_frame);
    }
    space_destroy(&space);
}

/* Run with kicks until something else than a kick comes, or `kicks` kicks came. */
static uint64_t run(int kicks)
{
    uint64_t reason;

    is_kicking = true;
    do {
        reason = space_run(&space, &frame);
    } while (reason == VMSPACE_INTERRUPT && --kicks > 0);
    is_kicking = false;
    return reason;
}

/* The attacker, if it still lives, does not see the prize. */
static void check_nothing_gained(void)
{
    uint64_t reason;

    frame_start(&frame, ENTRY(load));
    frame.rdi = TARGET;
    while ((reason = space_run(&space, &frame)) == VMSPACE_INTERRUPT)
        ;
    CHECK(reason == VMSPACE_LOST ||
          (reason == VMSPACE_PAGEFAULT && space.vframe.vx_address == TARGET));
    CHECK(*(uint32_t *)(memory + prize) == TREASURE);
}

static void forge_frame(uint64_t offset, uint64_t rip, uint64_t mask)
{
    struct forged_frame *forged = (struct forged_frame *)(memory + stage + offset);

    *forged = (struct forged_frame){
        .flags = 6,
        .stack_base = SLOTS + SLOT_STACK,
        .stack_size = SLOT_END - SLOT_STACK,
        .rsp = GUEST_STACK - 512,
        .rip = rip,
        .rflags = 0x202,
        .cs = 0x33,
        .ss = 0x2b,
        .mask = mask,
    };
}

/* Registers for a mapping of the prize, and forged orders that say the same. */
static void prepare(struct attack *attack, uint64_t rip)
{
    struct stub_orders *orders = (struct stub_orders *)(memory + stage + 256);
    struct stub_words *words = (struct stub_words *)(memory + stage + 512);

    forge_frame(1024, ENTRY(after_attack), 0);
    *words = (struct stub_words){.secret = 1};
    orders->state = STATE_RUN;
    orders->frame = STAGE + 1024;
    orders->count = 1;
    orders->operations[0] = (struct stub_operation){
        .address = TARGET,
        .length = PAGE_SIZE,
        .offset = prize,
        .protection = PROT_READ | PROT_WRITE,
        .kind = OPERATION_MAP,
    };
    *attack = (struct attack){
        .rax = 9,
        .rdi = TARGET,
        .rsi = PAGE_SIZE,
        .rdx = PROT_READ | PROT_WRITE,
        .r10 = STUB_MAP_FLAGS,
        .r8 = STUB_FD_MEMORY,
        .r9 = prize,
        .rbx = STAGE + 256,
        .rbp = STAGE + 512,
        .rip = rip,
        .rsp = STAGE + 1024 + 8,
    };
}

static void launch(const struct attack *attack)
{
    memcpy(memory + stage, attack, sizeof(*attack));
    frame_start(&frame, ENTRY(attack));
    frame.rsp = STAGE;
}

/* What an attacker can read of the stub: the addresses of its system calls. */
static void read_calls(void)
{
    uint64_t *words = (uint64_t *)&calls;

    begin();
    for (size_t i = 0; i < sizeof(calls) / sizeof(*words); i++) {
        frame_start(&frame, ENTRY(load));
        frame.rdi = STUB_RESIDENT + 8 * i;
        CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL);
        words[i] = frame.rax;
        CHECK(words[i] > STUB_RESIDENT && words[i] < STUB_RESIDENT + PAGE_SIZE);
    }
    end();
}

static void attack_every_byte(void)
{
    struct attack attack;

    for (uint64_t offset = 0; offset < 704; offset++) {
        begin();
        prepare(&attack, STUB_RESIDENT + offset);
        launch(&attack);
        run(3);
        check_nothing_gained();
        end();
    }
}

/* The right instruction with wrong secrets, also while the host has the set-up code no more. */
static void attack_mapping_calls(void)
{
    struct attack attack;

    for (uint64_t guess = 0; guess < 64; guess++) {
        begin();
        prepare(&attack, calls.map - 2);
        attack.r10 = guess << 32 | STUB_MAP_FLAGS;
        attack.r8 = guess << 32 | STUB_FD_MEMORY;
        launch(&attack);
        CHECK(run(300) == VMSPACE_LOST);
        check_nothing_gained();
        end();
    }
    for (uint64_t number = 0; number < 64; number++) {
        begin();
        prepare(&attack, calls.call - 2);
        attack.rax = number;
        attack.r9 = 0;
        launch(&attack);
        CHECK(run(300) == VMSPACE_LOST);
        check_nothing_gained();
        end();
    }
    begin();
    prepare(&attack, STUB_SETUP);
    launch(&attack);
    CHECK(run(300) == VMSPACE_PAGEFAULT);
    check_nothing_gained();
    end();
}

/* Publish a trap that is none, with every register forged: the program must be stopped by it. */
static void attack_publish(void)
{
    struct attack attack;
    uint64_t reason;

    begin();
    frame_start(&frame, ENTRY(syscalls));
    CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL); /* leaves a real frame behind */
    prepare(&attack, calls.publish - 2);
    attack.rax = 18;
    attack.rdi = STUB_FD_SLOTS;
    attack.rsi = calls.trapped;
    attack.rdx = 4;
    attack.r10 = 0;
    launch(&attack);
    reason = run(300);
    CHECK(reason != VMSPACE_INTERRUPT);
    check_nothing_gained();
    end();
    /* Another slot's word, another offset, another value: refused. */
    begin();
    prepare(&attack, calls.publish - 2);
    attack.rax = 18;
    attack.rdi = STUB_FD_MEMORY;
    attack.rsi = calls.trapped;
    attack.rdx = 4;
    attack.r10 = prize;
    launch(&attack);
    CHECK(run(300) == VMSPACE_LOST);
    check_nothing_gained();
    end();
}

/* With a companion: publish a trap for another stub, or sleep where nobody wakes this one. */
static void attack_other_slots(void)
{
    struct attack attack;

    for (uint64_t slot = 0; slot < 2 * FAMILY; slot++) {
        begin();
        prepare(&attack, slot < FAMILY ? calls.publish - 2 : calls.wait - 2);
        if (slot < FAMILY) {
            attack.rax = 18;
            attack.rdi = STUB_FD_SLOTS;
            attack.rsi = calls.trapped;
            attack.rdx = 4;
            attack.r10 = slot * SLOT_STRIDE;
        } else {
            attack.rax = 202;
            attack.rdi = SLOTS + (slot - FAMILY) * SLOT_STRIDE;
            attack.rsi = 0;
            attack.rdx = STATE_TRAPPED;
            attack.r10 = 0;
        }
        launch(&attack);
        run(300);
        check_nothing_gained();
        end();
    }
}

/* Return through a forged frame: with the kick blocked, with all blocked, with another stack. */
static void attack_sigreturn(void)
{
    struct attack attack;
    struct forged_frame *forged = (struct forged_frame *)(memory + stage + 2048);

    for (int variant = 0; variant < 4; variant++) {
        begin();
        prepare(&attack, calls.sigreturn - 2);
        attack.rax = 15;
        attack.rsp = STAGE + 2048 + 8;
        forge_frame(2048, ENTRY(after_attack), variant == 1 ? ~0UL : 0);
        if (variant == 0) { /* burn the processor, out of reach */
            forged->mask = 1UL << (SIGUSR1 - 1);
            forged->rip = ENTRY(spin);
        } else if (variant == 2) {
            forged->stack_base = STAGE + PAGE_SIZE;
            forged->stack_size = SPARE_PAGES * PAGE_SIZE;
        } else if (variant == 3) {
            forged->stack_flags = 2; /* SS_DISABLE */
        }
        launch(&attack);
        CHECK(run(1000) == VMSPACE_LOST);
        check_nothing_gained();
        end();
    }
}

static void attack_slot(void)
{
    static const uint64_t patterns[] = {0, ~0UL, STATE_TRAPPED, STAGE, STUB_RESIDENT};

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        for (uint64_t slot = 0; slot < FAMILY; slot++) {
            begin_with(ENTRY(spin));
            frame_start(&frame, ENTRY(write_slot));
            frame.rax = patterns[i];
            frame.rdi = SLOTS + slot * SLOT_STRIDE + SLOT_FRAME;
            frame.rsi = SLOTS + slot * SLOT_STRIDE + SLOT_END;
            run(3);
            check_nothing_gained();
            end();
        }
    }
    begin();
    frame_start(&frame, ENTRY(store));
    frame.rdi = SLOTS;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    frame_start(&frame, ENTRY(store));
    frame.rdi = STUB_RESIDENT;
    CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
    end();
}

/* A page fault is reported as it is, wherever the stack pointer points. */
static void check_fault_with_stack(uint64_t stack)
{
    frame_start(&frame, ENTRY(load));
    frame.rdi = TARGET;
    frame.rsp = stack;
    CHECK(run(300) == VMSPACE_PAGEFAULT);
    CHECK(space.vframe.vx_address == TARGET && frame.rsp == stack && frame.rdi == TARGET);
}

/* The signal stack as the guest's own stack, so that a frame lands elsewhere in the slot. */
static void attack_with_stack_in_slot(void)
{
    for (uint64_t slot = 0; slot < FAMILY; slot++) {
        bool has_lost;

        begin();
        frame_start(&frame, ENTRY(syscalls));
        frame.rsp = SLOTS + slot * SLOT_STRIDE + SLOT_END - 64;
        has_lost = run(300) == VMSPACE_LOST;
        /* It need not be its own slot; and a tracer does not care. */
        CHECK(has_lost || has_companion || slot > 0 || is_traced());
        if (is_traced())
            check_fault_with_stack(SLOTS + slot * SLOT_STRIDE + SLOT_END - 64);
        check_nothing_gained();
        end();
    }
}

int main(void)
{
    pthread_t thread;

    alarm(500);
    harness_start((unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(pthread_create(&thread, NULL, kick_often, NULL) == 0);
    stage = page_new();
    for (int i = 0; i < SPARE_PAGES; i++)
        spare[i] = page_new();
    prize = page_new();
    *(uint32_t *)(memory + prize) = TREASURE;
    read_calls();
    for (int round = 0; round < 2; round++) {
        has_companion = round == 1;
        attack_mapping_calls();
        attack_publish();
        attack_other_slots();
        attack_sigreturn();
        attack_slot();
        attack_with_stack_in_slot();
        if (!has_companion || !is_traced()) /* it takes long, and they share nothing then */
            attack_every_byte();
    }
    harness_end();
}
