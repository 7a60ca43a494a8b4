/*
 * Process groups, as job control sees them (POSIX XBD 3.60 and 3.264).
 *
 * A shell puts each job into a group of its own and can continue what the terminal stopped. A
 * group that no such shell watches is orphaned: its members must not be stopped by the terminal,
 * because nobody would ever continue them.
 */
#include "kern/process.h"

#include "kern/print.h"

bool process_group_is_orphaned(pid_t group)
{
    assert(spin_is_held(&process_tree_lock));
    list_for_each (&process_list, process, struct process, all_link) {
        const struct process *parent = process->parent;

        if (process->group == group && process->state == PROCESS_ALIVE && parent != NULL &&
            parent->pid != 1 && parent->group != group && parent->session == process->session)
            return false;
    }
    return true;
}
