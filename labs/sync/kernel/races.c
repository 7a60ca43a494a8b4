/*
 * Lab sync: data races, by vector clocks.
 *
 * On real hardware, and all the more in an emulator, a lock whose unlock lacks its release barrier
 * works most of the time. So this checks the rule instead of the outcome. Each worker counts its
 * own steps, and knows of each other worker up to which of its steps all is ordered before what it
 * does itself: its clock, a vector. A release leaves the worker's clock at the object, an acquire
 * that reads it takes it over (C11, section 5.1.2.4). An access to the data is a race with an
 * earlier one that the worker's clock does not cover. (Flanagan, Freund: *FastTrack*, PLDI 2009.)
 */
#include "kern/print.h"
#include "labs/sync/kernel/history.h"

#define OBJECTS_MAX 256

struct clock {
    uint32_t steps[WORKERS_MAX];
};

struct object {
    const volatile void *address;
    struct clock released; /* what an acquire gets */
};

static struct object objects[OBJECTS_MAX];
static struct clock clocks[WORKERS_MAX];
static struct clock seen[WORKERS_MAX];   /* by relaxed loads: an acquire fence takes it over */
static struct clock fenced[WORKERS_MAX]; /* the clock at the last release fence */

/* The data: who accessed it last, at which of his steps; 0: nobody. */
static uint32_t reads[WORKERS_MAX], writes[WORKERS_MAX];

static void join(struct clock *to, const struct clock *from)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        to->steps[i] = max(to->steps[i], from->steps[i]);
}

static struct object *object_at(const volatile void *address)
{
    struct object *free = NULL;

    for (int i = 0; i < OBJECTS_MAX; i++) {
        if (objects[i].address == address)
            return &objects[i];
        if (objects[i].address == NULL && free == NULL)
            free = &objects[i];
    }
    if (free == NULL)
        panic("lab sync: more than %d words are used as locks", OBJECTS_MAX);
    free->address = address;
    return free;
}

void race_acquire(int worker, const volatile void *address)
{
    join(&clocks[worker], &object_at(address)->released);
}

void race_release(int worker, const volatile void *address)
{
    clocks[worker].steps[worker]++;
    object_at(address)->released = clocks[worker];
    clocks[worker].steps[worker]++;
}

static bool acquires(int order)
{
    return order == __ATOMIC_CONSUME || order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

void race_atomic(int worker, const volatile void *address, int order, bool is_read, bool is_write)
{
    struct object *object = object_at(address);
    struct clock before = object->released;

    if (is_read)
        join(acquires(order) ? &clocks[worker] : &seen[worker], &before);
    if (!is_write)
        return;
    if (releases(order))
        race_release(worker, address);
    else
        object->released = fenced[worker];
    if (is_read)
        join(&object->released, &before); /* the release sequence goes on */
}

void race_fence(int worker, int order)
{
    if (acquires(order))
        join(&clocks[worker], &seen[worker]);
    if (releases(order)) {
        fenced[worker] = clocks[worker];
        clocks[worker].steps[worker]++;
    }
}

int race_access(int worker, bool is_write)
{
    const uint32_t *known = clocks[worker].steps;
    int other = -1;

    clocks[worker].steps[worker]++;
    for (int i = 0; i < WORKERS_MAX; i++) {
        if (i != worker && (writes[i] > known[i] || (is_write && reads[i] > known[i])))
            other = i;
    }
    (is_write ? writes : reads)[worker] = known[worker];
    return other;
}
