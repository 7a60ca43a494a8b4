# The PC: freestanding, linked by its own script to run in the highest 2 GiB.

x86_64_sources    := $(wildcard arch/x86_64/*.c arch/x86_64/*.S)
x86_64_omit       :=
x86_64_cflags     := -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie \
                     -fno-asynchronous-unwind-tables
x86_64_own_cflags := $(FREESTANDING) $(x86_64_cflags)
x86_64_ldscript   := arch/x86_64/link.ld
x86_64_ldflags    := -nostdlib -static -Wl,-T,$(x86_64_ldscript) -Wl,-z,noexecstack \
                     -Wl,-z,max-page-size=4096 -Wl,--build-id=none
