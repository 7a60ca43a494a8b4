/*
 * The record of a controlled run: what its CPUs and threads did at scheduling points, for whoever
 * searches for a schedule or wants to read one. Theory in kern/schedule_record.c.
 */
#pragma once

#include "kern/schedule_strategy.h"
#include "kern/types.h"

/* Whether the word record=all asks for points, too, at which nobody else went on. */
extern bool schedule_records_all;

/* Read the command line. */
void schedule_record_init(void);

/*
 * Point number `event` was passed and answered with `choice`; `fp` is the frame pointer of the
 * function that passed it, `name` as for schedule_point(). On the CPU that asked, interrupts
 * disabled.
 */
void schedule_record(uint64_t event, const struct schedule_question *question, unsigned choice,
                     const char *name, vaddr_t fp);

/* Write out what there is: the run ends. */
void schedule_record_end(void);
