/*
 * System calls: the dispatch table, made from kern/syscall_table.h.
 */
#include "kern/syscall.h"

#include "kern/abi/errno.h"
#include "kern/abi/syscall.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/schedule_point.h"
#include "kern/thread.h"
#include "kern/trace.h"

#define TABLE_SIZE 512

static syscall_fn *const table[TABLE_SIZE] = {
#define SYSCALL(number, name) [number] = sys_##name,
#include "kern/syscall_table.h"
#undef SYSCALL
};

uint64_t syscall_unknown_count;

/* Count a call that Duet does not have, and say so once for each number. */
static int64_t unknown(uint64_t number)
{
    static uint8_t is_logged[TABLE_SIZE]; /* (a) */
    const char *name = syscall_name(number);

    __atomic_fetch_add(&syscall_unknown_count, 1, __ATOMIC_RELAXED);
    if (number >= TABLE_SIZE || !__atomic_exchange_n(&is_logged[number], 1, __ATOMIC_RELAXED))
        kprintf("process %d (%s): system call %lu (%s) is not in Duet: ENOSYS\n",
                process_self()->pid, process_self()->name, number, name != NULL ? name : "?");
    return -ENOSYS;
}

#ifdef DEBUG
static void note_begin(struct thread *self, uint64_t number, const uint64_t arguments[6])
{
    struct syscall_history *history = &self->history;
    struct syscall_record *record = &history->records[history->begun % SYSCALL_HISTORY];

    record->number = number;
    for (int i = 0; i < 6; i++)
        record->arguments[i] = arguments[i];
    history->begun++;
}

static void note_end(struct thread *self, int64_t result)
{
    self->history.records[self->history.ended % SYSCALL_HISTORY].result = result;
    self->history.ended++;
}
#endif

nsec_t syscall_deadline(nsec_t deadline)
{
    struct interrupted_call *call = &thread_self()->interrupted;

    if (call->deadline != 0)
        deadline = call->deadline;
    call->deadline = 0;
    return deadline;
}

int64_t syscall_restart_until(nsec_t deadline)
{
    thread_self()->interrupted.deadline = deadline;
    return -ERESTARTNOHAND;
}

void syscall_dispatch(void)
{
    struct thread *self = thread_self();
    uint64_t number = frame_syscall_number(&self->frame), arguments[6];
    int64_t result;

    frame_syscall_arguments(&self->frame, arguments);
    trace_syscall_enter(self, number, arguments);
    if (number == SYS_rt_sigreturn) {
        sys_rt_sigreturn(NULL); /* sets all registers, the result among them */
        trace_syscall_exit(self, number, 0);
        return;
    }
#ifdef DEBUG
    note_begin(self, number, arguments);
#endif
    if (number < TABLE_SIZE && table[number] != NULL)
        result = table[number](arguments);
    else
        result = unknown(number);
#ifdef DEBUG
    note_end(self, result);
#endif
    trace_syscall_exit(self, number, result);
    schedule_note_progress((uint64_t)result << 10 ^ number);
    if (result == -ERESTARTSYS || result == -ERESTARTNOHAND) {
        self->interrupted.number = (int64_t)number;
        self->interrupted.unless_handled = result == -ERESTARTNOHAND;
    } else {
        frame_set_result(&self->frame, result);
    }
}
