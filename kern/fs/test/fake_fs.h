/*
 * The surroundings of the file systems in native unit tests: a disk that is a host file, one
 * process, memory from the host, locks that check the lock order, and the host's own file
 * operations to compare with.
 */
#pragma once

#include "kern/dev/block.h"
#include "kern/process.h"
#include "kern/types.h"

extern struct process fake_process;
extern bool fake_verbose;            /* show the kernel's messages */
extern unsigned fake_messages;       /* how many there were */
extern int fake_failing_allocations; /* > 0: so many succeed, then all fail; -1: none fail */
extern int fake_failing_transfers;   /* the same for the disk */
extern size_t fake_allocated;        /* blocks and pages not freed yet */
extern size_t fake_free_pages;       /* what page_free_count() says */

/* Open an image as fake_disk, or close it. */
extern struct block_device fake_disk;
void fake_disk_open(const char *path);
void fake_disk_close(void);
void *fake_disk_data(void);

/* A pseudo-random number below `limit`, the same in every run. */
extern uint64_t fake_seed;
uint32_t fake_random(uint32_t limit);

/* The host's operations in a directory of its own: results and errors as the kernel's. */
void host_begin(void);
void host_end(void);
bool host_leaves(const char *path); /* whether it has a ".." that leads out of there */
int host_open(const char *path, uint32_t flags, mode_t mode);
void host_close(int descriptor);
ssize_t host_read(int descriptor, void *buffer, size_t size, off_t offset);
ssize_t host_write(int descriptor, const void *buffer, size_t size, off_t offset);
int host_truncate(const char *path, off_t size);
int host_mkdir(const char *path, mode_t mode);
int host_rmdir(const char *path);
int host_unlink(const char *path);
int host_link(const char *from, const char *to);
int host_symlink(const char *target, const char *path);
int host_rename(const char *from, const char *to);
int host_chmod(const char *path, mode_t mode);
ssize_t host_readlink(const char *path, char *buffer, size_t size);

/* Map a whole file; returns its size. */
size_t host_map(const char *path, void **data);

/* mode, links and size of a file, following links or not. */
int host_stat(const char *path, bool follow, mode_t *mode, uint64_t *links, off_t *size);

/* The names in a directory, sorted, each followed by a newline. */
int host_list(const char *path, char *buffer, size_t size);
