# The vmspace library on its own: an archive and its headers, for programs that are not Duet.
#
#       build/libvmspace/lib/libvmspace.a
#       build/libvmspace/include/           -I this; #include <vmspace.h>
#       build/libvmspace/bin/               the example: tiny, and a guest for it; bench
#
# Position-independent, and with no global names but those of vmspace.h.

libvmspace_dir     := $(BUILD)/libvmspace
libvmspace_folder  := arch/vkernel/vmspace
libvmspace_headers := vmspace.h kern/types.h kern/abi/mman.h \
                      machine/frame.h machine/param.h machine/pte.h
libvmspace_objects := $(patsubst $(libvmspace_folder)/%,$(libvmspace_dir)/objects/%.o, \
                        $(basename $(wildcard $(libvmspace_folder)/*.c $(libvmspace_folder)/*.S)))
libvmspace_archive := $(libvmspace_dir)/lib/libvmspace.a
libvmspace_command  = $(vkernel_own_command) -fPIC

.PHONY: libvmspace
libvmspace: $(addprefix $(libvmspace_dir)/bin/,tiny hello bench) ## The vmspace library on its own, with its example, in build/libvmspace/

$(libvmspace_dir)/objects/%.o: $(libvmspace_folder)/%.c $(BUILD)/vkernel/commands
	@mkdir -p $(@D)
	$(SAY) '  CC      $@'
	$(Q)$(libvmspace_command) -MMD -MP -c -o $@ $<

$(libvmspace_dir)/objects/%.o: $(libvmspace_folder)/%.S $(BUILD)/vkernel/commands
	@mkdir -p $(@D)
	$(SAY) '  AS      $@'
	$(Q)$(libvmspace_command) -D__ASSEMBLER__ -MMD -MP -c -o $@ $<

$(libvmspace_dir)/objects/image.o: $(vkernel_stub)

$(libvmspace_archive): $(libvmspace_objects)
	@mkdir -p $(@D)
	$(SAY) '  AR      $@'
	@rm -f $@
	$(Q)ld -r -o $(libvmspace_dir)/objects/all $^
	$(Q)objcopy -w -G 'vmspace_*' -G '!vmspace_config' $(libvmspace_dir)/objects/all \
	    $(libvmspace_dir)/objects/libvmspace.o
	$(Q)ar rcsD $@ $(libvmspace_dir)/objects/libvmspace.o

# A header of <machine/...> is installed as the file that it stands for.
$(libvmspace_dir)/include/vmspace.h: $(libvmspace_folder)/vmspace.h
$(libvmspace_dir)/include/kern/types.h: kern/types.h
$(libvmspace_dir)/include/kern/abi/mman.h: kern/abi/mman.h
$(libvmspace_dir)/include/machine/param.h: arch/vkernel/include/machine/param.h
$(libvmspace_dir)/include/machine/frame.h: arch/x86_64/include/machine/frame.h
$(libvmspace_dir)/include/machine/pte.h: arch/x86_64/include/machine/pte.h

$(libvmspace_headers:%=$(libvmspace_dir)/include/%):
	@mkdir -p $(@D)
	@cp $< $@

# The example is built as a stranger would build it.
$(libvmspace_dir)/bin/tiny: $(libvmspace_folder)/example/tiny.c $(libvmspace_archive) \
                            $(libvmspace_headers:%=$(libvmspace_dir)/include/%)
	@mkdir -p $(@D)
	$(SAY) '  EXAMPLE $@'
	$(Q)$(CC) -O1 -g -D_GNU_SOURCE $(WARNINGS) $(SAN_CFLAGS) -I$(libvmspace_dir)/include -o $@ \
	    $< $(libvmspace_archive) -pthread

$(libvmspace_dir)/bin/hello: $(libvmspace_folder)/example/hello.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 $(WARNINGS) -ffreestanding -fno-stack-protector -fno-pie -no-pie -static -nostdlib \
	    -o $@ $<

# What the calls cost; the release build (RELEASE=1) is the one to ask.
bench_sources := $(addprefix $(libvmspace_folder)/test/,bench.c harness.c guest.S)

$(libvmspace_dir)/bin/bench: $(bench_sources) $(libvmspace_archive)
	@mkdir -p $(@D)
	$(Q)$(vkernel_own_command) -no-pie -o $@ $^ -pthread

-include $(libvmspace_objects:.o=.d)
