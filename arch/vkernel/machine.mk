# The vkernel: an ordinary process, linked with the host's C library. Its own sources use the
# host's headers; kernel code is freestanding here as everywhere. The context switch and
# the signal frame are the processor's, not the machine's, so they are shared with the PC.

vkernel_sources    := $(wildcard arch/vkernel/*.c arch/vkernel/*.S \
                                 arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S) \
                      arch/x86_64/switch.S arch/x86_64/context.c arch/x86_64/signal_frame.c
vkernel_omit       := kern/string.c
vkernel_cflags     := -fno-pie
vkernel_own_cflags := -fno-pie -D_GNU_SOURCE
vkernel_ldflags    := -no-pie -pthread -Wl,-z,noexecstack
