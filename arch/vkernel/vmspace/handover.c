/*
 * Passing control between the vkernel and a stub.
 *
 * The word `state` of the slot says whose turn it is: RUN, the stub's; TRAPPED, the vkernel's.
 *
 *      vkernel                                 stub
 *                                              (guest code runs)
 *                                              a signal: the host stores the registers in the
 *                                              slot and enters stub_handler
 *                              <-- TRAPPED --  pwrite(slot, &word, 4, 0); FUTEX_WAKE if
 *      edits registers, orders                 kernel_sleeps
 *      state = RUN             --   RUN   -->  sees it: spinning, or in FUTEX_WAIT (stub_sleeps:
 *      waits: spins, then sleeps               the vkernel wakes it)
 *                                              performs the orders, rt_sigreturn
 *                                              (guest code runs)
 *
 * Who waits, spins a while and then says that it sleeps, looks at `state` once more, and sleeps
 * in FUTEX_WAIT, which looks again. Who passes the turn, sets `state` and then looks whether
 * the other sleeps. Both are ordered (store, full barrier, load), so no wake-up is lost, and
 * none is made without need.
 *
 * Why the stub cannot just store TRAPPED: guest code shares its address space, and would store
 * it too, to run on while the vkernel believes it stopped: with translations that were dropped,
 * beside the stub's secret. Therefore the page with `state` is read-only to the stub, and it
 * sets the word by pwrite(2) on the slot's memfd, which the filter admits with these very
 * arguments from one instruction. What follows that instruction trusts no register and no
 * writable memory until the vkernel has set RUN. So whoever executes it is stopped, even a
 * guest that jumped there; and TRAPPED is true. It costs 0.2 microseconds a trap. FAILED is TRAPPED
 * with the news that the host refused an operation.
 *
 * How long to spin. Both sides' turns are measured by the processor's cycle counter, the stub's by
 * the stub itself, without the time that waking it took. While the turns of a side are short on
 * average, the other side spins for a bounded time before it sleeps.
 *
 * Spinning takes a second processor. So it is done only while every busy virtual CPU can have
 * one. Otherwise the stub is kept on the processor of the thread that runs it, as they never run
 * at the same time and waking one on the same processor is the cheapest: 3 microseconds a trap,
 * where it takes 7 to 12 across two. As CPUs go idle and wake all the time, a stub is moved
 * apart again only after CALM handovers with processors to spare. Processors may also be taken by
 * other programs of the host: then spinning is in vain again and again although the turns are
 * short, and is given up for a while. Nor does a stub spin whose CPU has turned to another
 * one: it would take that one's processor. It is told so when its successor has been woken, which
 * then takes the processor over without its going idle in between.
 *
 * A guest may block the kick with a forged signal frame. It is then found not to react while it
 * uses the processor, and killed.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define SPIN_CYCLES 100000UL /* some 30 to 40 microseconds */

#define PATIENCE_NSEC (300 * 1000 * 1000UL) /* CPU time after a kick before a stub is killed */
#define CHECK_NSEC    (50 * 1000 * 1000UL)

static uint64_t cycles(void)
{
    return __builtin_ia32_rdtsc();
}

/* One side's turn took so long. */
static void note_turn(uint64_t *average, uint64_t duration)
{
    *average = (*average * 3 + min(duration, 2 * SPIN_CYCLES)) / 4;
}

static volatile uint32_t busy_cpus; /* atomic */

void vmspace_cpu_busy(bool is_busy)
{
    __atomic_add_fetch(&busy_cpus, is_busy ? 1U : -1U, __ATOMIC_RELAXED);
}

/* Whether there are two processors for each busy CPU. */
static bool are_processors_spare(void)
{
    return 2 * max(busy_cpus, 1U) <= vmspace_config.processors;
}

/* How many cycles the other side should spin while it waits for a side with this average. */
static uint64_t worth_spinning(const struct stub *stub, uint64_t average)
{
    if (average >= SPIN_CYCLES || stub->beside != 0 || !are_processors_spare())
        return 0;
    return SPIN_CYCLES;
}

/* --- Processors ---------------------------------------------------------------------------- */

#define CALM       16
#define MISSES_MAX 16
#define STRAIN_MIN 16000000UL  /* some 5 milliseconds */
#define STRAIN_MAX 256000000UL /* and 80 */
#define SET_SIZE   16          /* words of a set of processors */

static uint64_t all_processors[SET_SIZE];

void handover_init(void)
{
    host_call(SYS_sched_getaffinity, 0, sizeof(all_processors), all_processors);
}

/* The processor, + 1, on which the thread of this CPU runs; 0: not known. */
static unsigned processor_of(struct vextframe *vframe)
{
    unsigned processor;

    if (vframe->processor != 0 && vmspace_config.is_bound)
        return vframe->processor;
    if (host_call(SYS_getcpu, &processor, NULL, NULL) == 0 && processor < SET_SIZE * 64)
        vframe->processor = processor + 1;
    return vframe->processor;
}

/* Bind the stub to a processor, or to all but one, or to none. */
static void bind(struct stub *stub, unsigned beside, unsigned apart)
{
    uint64_t set[SET_SIZE];

    memcpy(set, all_processors, sizeof(set));
    if (apart != 0)
        set[(apart - 1) / 64] &= ~(1UL << (apart - 1) % 64);
    if (beside != 0) {
        memset(set, 0, sizeof(set));
        set[(beside - 1) / 64] |= 1UL << (beside - 1) % 64;
    }
    stub->beside = beside;
    stub->apart = apart;
    host_call(SYS_sched_setaffinity, stub->pid, sizeof(set), set);
    if (stub->tracer > 0)
        host_call(SYS_sched_setaffinity, stub->tracer, sizeof(set), set);
}

/* Choose the processors that are best for the stub now. */
static void place(struct stub *stub)
{
    unsigned wanted;

    if (stub->runner == NULL)
        return;
    if (are_processors_spare() && cycles() >= stub->strained_until) {
        wanted = vmspace_config.is_bound ? processor_of(stub->runner) : 0;
        if ((stub->beside != 0 || stub->apart != wanted) && ++stub->calm >= CALM)
            bind(stub, 0, wanted);
    } else {
        stub->calm = 0;
        wanted = processor_of(stub->runner);
        if (stub->beside != wanted)
            bind(stub, wanted, 0);
    }
}

/* Do not spin for a while, for a longer one if it is not long ago that this was tried. */
static void give_up_spinning(struct stub *stub)
{
    uint64_t time = cycles();
    bool again = time < stub->strained_until + 2 * stub->strain;

    stub->strain = again ? min(2 * stub->strain, STRAIN_MAX) : STRAIN_MIN;
    stub->strained_until = time + stub->strain;
    stub->misses = 0;
}

/* Spinning was in vain, or not, and the stub's turn was so long. */
static void note_spinning(struct stub *stub, bool in_vain, uint64_t turn)
{
    if (!in_vain)
        stub->misses -= stub->misses > 0;
    else if (turn < SPIN_CYCLES)
        stub->misses += 4;
    if (stub->misses > MISSES_MAX)
        give_up_spinning(stub);
}

/* --- Turns --------------------------------------------------------------------------------- */

void handover_resume(struct stub *stub)
{
    struct stub_orders *orders = stub->orders;
    uint32_t state = orders->state;

    place(stub);
    note_turn(&stub->our_turn, cycles() - stub->our_turn_began);
    orders->spin = (uint32_t)worth_spinning(stub, stub->our_turn);
    if (state == STATE_DEAD ||
        !__atomic_compare_exchange_n(&orders->state, &state, STATE_RUN, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return; /* it died; handover_wait() will say so */
    if (stub->words->stub_sleeps)
        host_futex_wake(&orders->state, 1);
}

void handover_leave_last(struct vextframe *vframe)
{
    struct stub *last = vframe->left;
    struct vmspace *vmspace =
        last != NULL ? __atomic_load_n(&last->vmspace, __ATOMIC_ACQUIRE) : NULL;

    vframe->left = NULL;
    if (vmspace == NULL)
        return;
    host_lock(&vmspace->lock);
    if (last->vmspace == vmspace && last->runner == NULL)
        last->orders->spin = 0;
    host_unlock(&vmspace->lock);
}

void handover_kick(const struct stub *stub)
{
    host_call(SYS_tgkill, stub->pid, stub->pid, SIGUSR1);
}

/* Nanoseconds of processor time that the stub has used. */
static uint64_t stub_cpu_time(const struct stub *stub)
{
    struct timespec time;
    int clock = (int)(~(unsigned)stub->pid << 3 | 2); /* clock_getcpuclockid(3) */

    if (host_call(SYS_clock_gettime, clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

/* A kicked stub has not stopped for a while: kick again, and kill it if it only burns time. */
static void check_obedience(struct stub *stub)
{
    uint64_t time = stub_cpu_time(stub);

    if (stub->stuck_at == 0)
        stub->stuck_at = time;
    else if (time > stub->stuck_at + PATIENCE_NSEC)
        stub_kill(stub);
    if (!stub_is_dead(stub))
        handover_kick(stub);
}

/* Nanoseconds on the host's monotonic clock. */
static uint64_t now(void)
{
    struct timespec time;

    host_call(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

void handover_set_deadline(struct vextframe *vframe)
{
    vframe->is_late = false;
    vframe->deadline = vframe->vx_timeout > 0 ? now() + vframe->vx_timeout : 0;
}

/* How long to sleep before looking after the stub again. */
static struct host_timespec patience(const struct vextframe *vframe)
{
    uint64_t limit = CHECK_NSEC, time;

    if (vframe != NULL && vframe->deadline != 0 && !vframe->is_late) {
        time = now();
        limit = min(limit, vframe->deadline > time ? vframe->deadline - time : 0);
    }
    return (struct host_timespec){0, (long)limit};
}

/* The stub has not stopped for a while. */
static void look_after(struct stub *stub, struct vextframe *vframe)
{
    if (host_call(SYS_kill, stub->pid, 0) == -ESRCH ||
        (stub->tracer > 0 && host_call(SYS_kill, stub->tracer, 0) == -ESRCH)) {
        stub_kill(stub); /* it was reaped before anyone knew it */
        return;
    }
    host_futex_wake(&stub->orders->state, 1); /* should it sleep, having denied it */
    if (vframe == NULL)
        return;
    if (vframe->deadline != 0 && !vframe->is_late && now() >= vframe->deadline) {
        vframe->is_late = true;
        handover_kick(stub);
    } else if (vframe->kicked || vframe->is_late) {
        check_obedience(stub);
    }
}

/* Sleep until it is our turn. */
static void sleep_for_turn(struct stub *stub, struct vextframe *vframe)
{
    struct stub_orders *orders = stub->orders;

    for (;;) {
        struct host_timespec timeout = patience(vframe);

        __atomic_exchange_n(&orders->kernel_sleeps, 1, __ATOMIC_SEQ_CST);
        if (orders->state != STATE_RUN)
            break;
        if (host_futex_wait(&orders->state, STATE_RUN, &timeout) == -ETIMEDOUT)
            look_after(stub, vframe);
    }
    orders->kernel_sleeps = 0;
}

enum handover handover_wait(struct stub *stub, struct vextframe *vframe)
{
    struct stub_orders *orders = stub->orders;
    uint64_t start = cycles(), spin = worth_spinning(stub, stub->its_turn), turn;
    bool in_vain;

    while (orders->state == STATE_RUN && cycles() - start < spin)
        __asm__ volatile("pause");
    in_vain = orders->state == STATE_RUN;
    if (in_vain)
        sleep_for_turn(stub, vframe);
    turn = stub->words->trapped_at - stub->words->resumed_at;
    note_turn(&stub->its_turn, turn);
    if (spin > 0)
        note_spinning(stub, in_vain, turn);
    stub->our_turn_began = cycles();
    stub->stuck_at = 0;
    switch (__atomic_load_n(&orders->state, __ATOMIC_ACQUIRE)) {
    case STATE_TRAPPED:
        return stub_is_dead(stub) ? HANDOVER_DEAD : HANDOVER_TRAPPED;
    case STATE_FAILED:
        return stub_is_dead(stub) ? HANDOVER_DEAD : HANDOVER_FAILED;
    default:
        return HANDOVER_DEAD;
    }
}
