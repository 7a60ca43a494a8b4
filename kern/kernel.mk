# How a kernel is built, on whatever machine: every source that the wildcards find is
# compiled with the machine's flags, and the result is linked twice, so that the kernel
# contains the table of its own symbols (kern/symbols.h) for backtraces.
#
# arch/MACHINE/machine.mk says, prefixed with the machine's name:
#
#       NAME_sources    the sources below arch/ that belong to it
#       NAME_omit       machine-independent sources that it does not want
#       NAME_cflags     flags for kernel code
#       NAME_own_cflags flags for the sources in arch/NAME itself
#       NAME_ldflags    flags for the link;  NAME_ldscript  a file that the link depends on

# EXTRA_SOURCES and EXTRA_LDFLAGS put more into a kernel (kern/test/planted_bugs.c).
KERNEL_SOURCES := $(wildcard kern/*.c kern/fs/*.c kern/dev/*.c vm/*.c) $(EXTRA_SOURCES)

KERNEL_CFLAGS := -std=gnu11 $(OPTIMISE) -fno-omit-frame-pointer -fno-strict-aliasing \
                 -fno-stack-protector -fcf-protection=none $(WARNINGS) -I.
SAN_CFLAGS_address   := -fsanitize=address -DSAN_ADDRESS
SAN_CFLAGS_undefined := -fsanitize=undefined -fno-sanitize-recover=all
SAN_CFLAGS_thread    := -fsanitize=thread -DSAN_THREAD $(if $(findstring clang,$(CC)), \
                          -mllvm -tsan-distinguish-volatile, --param tsan-distinguish-volatile=1)
SAN_CFLAGS    := $(SAN_CFLAGS_$(SAN))
KERNEL_CFLAGS += $(SAN_CFLAGS)

# What the flags of a lab (labs/labs.mk) make a difference to; it alone is built anew for them.
SOLUTION_SOURCES := $(shell grep -l '"kern/solutions.h"' $(KERNEL_SOURCES))

FREESTANDING  := -ffreestanding -nostdinc -isystem $(COMPILER_HEADERS)

.PHONY: kernels
kernels:

define kernel_rules
include arch/$1/machine.mk

$1_ldflags += $(EXTRA_LDFLAGS)

$1_dir     := $$(BUILD)/$1
$1_all     := $$(filter-out $$($1_omit),$$(KERNEL_SOURCES)) $$($1_sources)
$1_objects := $$(addprefix $$($1_dir)/,$$(addsuffix .o,$$(basename $$($1_all))))
$1_kernel_command = $$(CC) $$(KERNEL_CFLAGS) $$(FREESTANDING) -Iarch/$1/include $$($1_cflags)
$1_own_command    = $$(CC) $$(KERNEL_CFLAGS) -Iarch/$1/include $$($1_own_cflags)

kernels: $$($1_dir)/duet
kernel-$1: $$($1_dir)/duet

# Objects depend on the commands, too: a changed flag or compiler rebuilds.
$1_commands = $$($1_kernel_command) $$($1_own_command) $$($1_ldflags) $$($1_stub_command)

$$($1_dir)/commands: FORCE
	@mkdir -p $$(@D)
	@echo '$$($1_commands)' | cmp -s - $$@ || echo '$$($1_commands)' > $$@

$$($1_dir)/%.o: %.c $$($1_dir)/commands
	@mkdir -p $$(@D)
	$$(SAY) '  CC      $$@'
	$$(Q)$$($1_kernel_command) -MMD -MP -c -o $$@ $$<

$1_solutions := $$(SOLUTION_SOURCES:%.c=$$($1_dir)/%.o)
$$($1_solutions): private KERNEL_CFLAGS += $$(LAB_CFLAGS)
$$($1_solutions): $$($1_dir)/lab-commands

$$($1_dir)/lab-commands: FORCE
	@mkdir -p $$(@D)
	@echo '$$(LAB_CFLAGS)' | cmp -s - $$@ || echo '$$(LAB_CFLAGS)' > $$@

$$($1_dir)/arch/$1/%.o: arch/$1/%.c $$($1_dir)/commands
	@mkdir -p $$(@D)
	$$(SAY) '  CC      $$@'
	$$(Q)$$($1_own_command) -MMD -MP -c -o $$@ $$<

$$($1_dir)/%.o: %.S $$($1_dir)/commands
	@mkdir -p $$(@D)
	$$(SAY) '  AS      $$@'
	$$(Q)$$($1_own_command) -D__ASSEMBLER__ -MMD -MP -c -o $$@ $$<

# The first link has an empty symbol table; the table of the second is made from the first.
# It lies behind the code, so that it moves no function.
$$($1_dir)/symbols-none.c: kern/symbols.awk
	@mkdir -p $$(@D)
	@awk -f kern/symbols.awk </dev/null > $$@

$$($1_dir)/symbols.c: $$($1_dir)/duet-no-symbols kern/symbols.awk
	@nm -n $$< | awk -f kern/symbols.awk > $$@

$$($1_dir)/symbols-none.o $$($1_dir)/symbols.o: $$($1_dir)/%.o: $$($1_dir)/%.c
	$$(Q)$$($1_kernel_command) -g0 -MMD -MP -c -o $$@ $$<

$$($1_dir)/duet-no-symbols: $$($1_objects) $$($1_dir)/symbols-none.o $$($1_ldscript)
	$$(Q)$$(CC) $$(filter %.o,$$^) $$($1_ldflags) -Wl,-S -o $$@

$$($1_dir)/duet: $$($1_objects) $$($1_dir)/symbols.o $$($1_ldscript)
	$$(SAY) '  LINK    $$@'
	$$(Q)$$(CC) $$(filter %.o,$$^) $$($1_ldflags) -o $$@

-include $$($1_objects:.o=.d)
endef

$(foreach machine,$(MACHINE),$(eval $(call kernel_rules,$(machine))))
