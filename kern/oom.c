/*
 * Out of memory: who has to go.
 *
 * A page fault that finds no memory cannot return an error to anybody. The process that has most
 * pages is killed, which frees them; the one that faulted waits a moment and tries again. Init is
 * never chosen, since nothing runs without it.
 */
#include "kern/oom.h"

#include "kern/abi/signal.h"
#include "kern/clock.h"
#include "kern/print.h"
#include "kern/process.h"
#include "vm/map.h"

#define WAIT_FOR_VICTIM (2 * NSEC_PER_MSEC)

static size_t resident_pages(struct process *process)
{
    size_t pages = 0;

    spin_lock_nested(&process->lock);
    if (process->map != NULL)
        pages = process->map->pmap.resident;
    spin_unlock(&process->lock);
    return pages;
}

/* The process with most pages, and how many, or NULL; process_tree_lock is held. */
static struct process *find_victim(size_t *most)
{
    struct process *victim = NULL;

    list_for_each (&process_list, process, struct process, all_link) {
        size_t pages = process->parent != NULL ? resident_pages(process) : 0;

        if (pages > *most) {
            *most = pages;
            victim = process;
        }
    }
    return victim;
}

void oom_kill(void)
{
    struct process *victim;
    size_t pages = 0;

    spin_lock(&process_tree_lock);
    victim = find_victim(&pages);
    if (victim == NULL)
        panic("out of memory, and no process to kill");
    if (!victim->is_ending) {
        kprintf("out of memory: killing process %d (%s), which has %zu KiB\n", victim->pid,
                victim->name, pages * PAGE_SIZE / 1024);
        signal_send(victim, SIGKILL);
    }
    spin_unlock(&process_tree_lock);
    if (victim != process_self())
        (void)!clock_sleep_until(clock_monotonic() + WAIT_FOR_VICTIM);
}
