/*
 * What the vmspace tests share: a guest memory with a page allocator, page tables, one vmspace
 * with the guest programs of guest.S, and CHECK().
 */
#pragma once

#include "arch/vkernel/vmspace/vmspace.h"
#include "kern/types.h"
#include <machine/pte.h>

#define MEMORY_SIZE (64UL << 20)
#define GUEST_CODE  0x400000UL
#define GUEST_STACK 0x7ff000UL /* the page below is the stack */
#define GUEST_DATA  0x10000000UL

#define GUEST(name) extern const char guest_##name[];

#define ENTRY(name) (GUEST_CODE + (uint64_t)(guest_##name - guest_code))

extern const char guest_code[], guest_code_end[];

extern uint8_t *memory;
extern int memory_fd;

/* Fail the test program with a message unless the condition holds. */
#define CHECK(condition)                                                                           \
    ((condition) ? (void)check_count++ : check_failed(__FILE__, __LINE__, #condition))

extern unsigned check_count;

void check_failed(const char *file, int line, const char *condition) __attribute__((noreturn));

/* Start the library with a memory, for a host with so many processors; reaps children in a thread.
 */
void harness_start(unsigned processors);

/* Say how many checks there were, and end. */
void harness_end(void) __attribute__((noreturn));

/* Set a soft resource limit of those of our children that have this name; there are some. */
void limit_processes(const char *name, int resource, uint64_t value);

/* A zeroed page of guest memory: its physical address. */
uint64_t page_new(void);

/* An address space: a page table, a vmspace named by the structure. */
struct space {
    uint64_t root;
    struct vextframe vframe;
};

/* Make one with the guest programs and a stack page. */
void space_create(struct space *space);
void space_destroy(struct space *space);

/* Map by hand: the entry for `address`, whose tables are made as needed. */
pte_t *space_entry(struct space *space, uint64_t address);
void space_map(struct space *space, uint64_t address, uint64_t page, prot_t prot);
void space_invalidate(struct space *space, uint64_t address);

/* First registers for a guest program. */
void frame_start(struct trapframe *frame, uint64_t entry);

/* RUN; returns frame->trap_number. */
uint64_t space_run(struct space *space, struct trapframe *frame);
