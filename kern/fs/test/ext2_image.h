/*
 * Images made by mke2fs for native unit tests, and the kernel's operations on them by path.
 */
#pragma once

#include "kern/test/check.h"

#include "kern/abi/stat.h"
#include "kern/types.h"

#define CHUNK 20000

/* The image's path, and a buffer of CHUNK random bytes. */
extern char image[];
extern unsigned char data[CHUNK];

/* Prepare the caches and the image's name; at the end remove what is left. */
void images_begin(void);
void images_end(void);

/* Make an image with options of mke2fs(8). */
void make_image(const char *options, unsigned kib);

/* e2fsck finds nothing to complain of. */
void check_image(void);

/* Mount it as the root; unmount it as power-off does, and see that nothing is left in use. */
int mount_image(bool read_only);
void unmount_image(void);

int duet_truncate(const char *path, off_t size);
int duet_chmod(const char *path, mode_t mode);
ssize_t duet_readlink(const char *path, char *buffer, size_t size);
int duet_stat(const char *path, bool follow, struct stat *stat);

/* As host_list(). */
int duet_list(const char *path, char *buffer, size_t size);

/* Random paths of up to three components, now and then odd ones. */
void random_path(char *path);
