# The vkernel: an ordinary process, linked with the host's C library. Its own sources use the
# host's headers; kernel code is freestanding here as everywhere. The context switch,
# the signal frame and the registers are the processor's, not the machine's, so they are shared with the PC.

vkernel_stub       := $(BUILD)/vkernel/stub
vkernel_sources    := $(wildcard arch/vkernel/*.c arch/vkernel/*.S \
                                 arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S) \
                      arch/x86_64/switch.S arch/x86_64/context.c arch/x86_64/signal_frame.c \
                      arch/x86_64/registers.c \
                      $(SAN:%=arch/vkernel/sanitizer/%.c)
vkernel_omit       := kern/string.c
vkernel_cflags     := -fno-pie
vkernel_own_cflags := -fno-pie -D_GNU_SOURCE
vkernel_ldflags    := $(SAN_CFLAGS) -no-pie -pthread -Wl,-z,noexecstack

# The stub: a program of its own, without a C library, which the vkernel carries in it. It lies
# beyond the first 2 GiB, so addresses take 64 bits (-mcmodel=large).
stub_folder  := arch/vkernel/vmspace/stub
stub_objects := $(patsubst %,$(BUILD)/vkernel/%.o,$(basename $(wildcard $(stub_folder)/*.[cS])))
vkernel_stub_command := $(CC) -std=gnu11 -O1 -g -ffreestanding -fno-builtin -fno-pie \
                        -mcmodel=large -fno-stack-protector -fcf-protection=none -mno-red-zone $(WARNINGS) \
                        -I. -Iarch/vkernel/include

$(BUILD)/vkernel/$(stub_folder)/%.o: $(stub_folder)/%.c $(BUILD)/vkernel/commands
	@mkdir -p $(@D)
	$(SAY) '  CC      $@'
	$(Q)$(vkernel_stub_command) -MMD -MP -c -o $@ $<

$(BUILD)/vkernel/$(stub_folder)/%.o: $(stub_folder)/%.S $(BUILD)/vkernel/commands
	@mkdir -p $(@D)
	$(SAY) '  AS      $@'
	$(Q)$(vkernel_stub_command) -MMD -MP -c -o $@ $<

$(vkernel_stub): $(stub_objects) $(stub_folder)/stub.ld
	$(SAY) '  LINK    $@'
	$(Q)$(CC) -static -nostdlib -Wl,-T,$(stub_folder)/stub.ld -Wl,--build-id=none \
	    -Wl,-z,max-page-size=4096 $(stub_objects) -o $@

$(BUILD)/vkernel/arch/vkernel/vmspace/image.o: $(vkernel_stub)
$(BUILD)/vkernel/arch/vkernel/vmspace/image.o: \
    private vkernel_own_cflags += -DSTUB_IMAGE=\"$(vkernel_stub)\"

-include $(stub_objects:.o=.d)

include arch/vkernel/vmspace/libvmspace.mk
