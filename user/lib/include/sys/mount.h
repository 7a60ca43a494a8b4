/* Mounting file systems: mount(2). */
#pragma once

#define MS_RDONLY  1
#define MS_REMOUNT 32

int mount(const char *source, const char *target, const char *type, unsigned long flags,
          const void *data);
int umount(const char *target);
int umount2(const char *target, int flags);
