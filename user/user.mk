# User programs and the root image. user/bin/NAME.c, or all of user/bin/NAME/*.c, is one
# program in /bin; user/tests/NAME.c is one in /tests. They are static and run on Linux, too.

USER_CFLAGS := -std=gnu11 -O1 -g -ffreestanding -nostdinc -isystem $(COMPILER_HEADERS) \
               -fno-pie -fno-stack-protector -fcf-protection=none -fno-strict-aliasing \
               $(WARNINGS) -Iuser/lib/include -I.
USER_LDFLAGS := -static -nostdlib -Wl,-u,_start -Wl,-z,noexecstack \
                -Wl,-z,max-page-size=4096 -Wl,--build-id=none
USER_COMMAND := $(CC) $(USER_CFLAGS)

LIBC_SOURCES := $(wildcard user/lib/*.c user/lib/*.S user/lib/*/*.c user/lib/*/*.S)
LIBC_OBJECTS := $(patsubst user/%,$(OUT)/user/%.o,$(basename $(LIBC_SOURCES)))

single_programs := $(patsubst user/%.c,%,$(wildcard user/bin/*.c user/tests/*.c user/bench/*.c))
folder_programs := $(patsubst user/%/,%,$(sort $(dir $(wildcard user/bin/*/*.c))))
USER_PROGRAMS   := $(single_programs) $(folder_programs)
USER_OBJECTS    := $(LIBC_OBJECTS) $(single_programs:%=$(OUT)/user/%.o)

USER_SOURCES    := $(LIBC_SOURCES) $(wildcard user/bin/*.c user/bin/*/*.c user/tests/*.c user/bench/*.c)

.PHONY: user root-image
user: $(USER_PROGRAMS:%=$(OUT)/user/%) ## Build the user programs
root-image: $(OUT)/root.img

$(OUT)/user/commands: FORCE
	@mkdir -p $(@D)
	@echo '$(USER_COMMAND) $(USER_LDFLAGS)' | cmp -s - $@ || \
	    echo '$(USER_COMMAND) $(USER_LDFLAGS)' > $@

$(OUT)/user/%.o: user/%.c $(OUT)/user/commands
	@mkdir -p $(@D)
	$(SAY) '  CC      $@'
	$(Q)$(USER_COMMAND) -MMD -MP -c -o $@ $<

$(OUT)/user/%.o: user/%.S $(OUT)/user/commands
	@mkdir -p $(@D)
	$(SAY) '  AS      $@'
	$(Q)$(USER_COMMAND) -MMD -MP -c -o $@ $<

$(OUT)/user/libc.a: $(LIBC_OBJECTS)
	@rm -f $@
	$(Q)ar rcsD $@ $^

define link_program
	@mkdir -p $(@D)
	$(SAY) '  LINK    $@'
	$(Q)$(CC) $(filter %.o,$^) $(OUT)/user/libc.a $(USER_LDFLAGS) -lgcc -o $@
endef

$(single_programs:%=$(OUT)/user/%): $(OUT)/user/%: $(OUT)/user/%.o $(OUT)/user/libc.a
	$(link_program)

# A program of several files: its objects lie in build/user/bin/NAME.parts/.
define folder_program_rules
$1_objects   := $$(patsubst user/$1/%.c,$(OUT)/user/$1.parts/%.o,$$(wildcard user/$1/*.c))
USER_OBJECTS += $$($1_objects)

$(OUT)/user/$1.parts/%.o: user/$1/%.c $(OUT)/user/commands
	@mkdir -p $$(@D)
	$$(SAY) '  CC      $$@'
	$$(Q)$$(USER_COMMAND) -Iuser/$1 -MMD -MP -c -o $$@ $$<

$(OUT)/user/$1: $$($1_objects) $(OUT)/user/libc.a
	$$(link_program)
endef
$(foreach program,$(folder_programs),$(eval $(call folder_program_rules,$(program))))

-include $(USER_OBJECTS:.o=.d)

# --- The root image --------------------------------------------------------------------------
# A staging folder with stripped programs, made into an ext2 image by mke2fs -d.

ROOT_PROGRAMS := $(patsubst %,$(OUT)/root/%,$(filter-out bench/%,$(USER_PROGRAMS)))
ROOT_TEXTS    := $(patsubst user/%,$(OUT)/root/%,$(wildcard user/etc/* user/tests/sh/* user/tests/guest/*.sh))

$(ROOT_PROGRAMS): $(OUT)/root/%: $(OUT)/user/%
	@mkdir -p $(@D)
	@strip -o $@ $<

$(ROOT_TEXTS): $(OUT)/root/%: user/%
	@mkdir -p $(@D)
	@cp $< $@

$(OUT)/root.img: $(ROOT_PROGRAMS) $(ROOT_TEXTS) user/make-image.sh
	$(SAY) '  IMAGE   $@'
	$(Q)user/make-image.sh $(OUT)/root $@ '$(ROOT_PROGRAMS:$(OUT)/root/%=%) $(ROOT_TEXTS:$(OUT)/root/%=%)'
