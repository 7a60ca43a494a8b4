/*
 * Strategies: who goes on at a scheduling point. Theory in kern/schedule_strategy.c.
 */
#pragma once

#include "kern/schedule_point.h"
#include "kern/types.h"

/*
 * A choice is the number of the CPU that goes on, or that the thread on this CPU gives way to
 * another; where the question is which thread (SCHEDULE_TAKE), an index.
 */
#define SCHEDULE_GIVE_WAY 63

/* Who asks. Each agent counts its own points, so that "the third point of that thread" means the
 * same whatever the others do. Those at which it waits or gives way are counted apart: how many
 * there are depends on the others. */
struct schedule_agent {
    uint32_t number; /* a thread's, or SCHEDULE_INTERRUPTS + a CPU's: its handlers; with the flag
                        SCHEDULE_WAITS when it waits or gives way */
    uint32_t count;
};

#define SCHEDULE_INTERRUPTS 0x80000000U
#define SCHEDULE_WAITS      0x40000000U

struct schedule_question {
    enum schedule_kind kind;
    struct schedule_agent agent;
    bool is_forced;                /* whoever asks cannot go on itself */
    unsigned preferred;            /* the choice of a scheduler that leaves well alone */
    uint64_t alternatives;         /* as bits: all choices, `preferred` among them */
    struct thread *const *threads; /* SCHEDULE_TAKE: what the indices mean */
};

/* Set up the strategy that the command line asks for; panics when it makes no sense. */
void schedule_strategy_init(uint64_t seed);

/* Whether the strategy may want another choice than the preferred one. `alternatives` and
 * `preferred` are not known yet. Called once at each point. */
bool schedule_strategy_wants(const struct schedule_question *question);

/* Its choice. Called if it may want one. */
unsigned schedule_strategy_choose(const struct schedule_question *question);

/* The next number of a generator with this state (SplitMix64: Steele, Lea, Flood 2014). */
uint64_t schedule_generate(uint64_t *state);
