# Lab sync: a driver inside the kernel (kernel/driver.c), and the students' files with every access to
# memory announced to it (kernel/instrument.c).

ifeq ($(SAN),thread)
$(error SAN=thread takes the place of what LAB=sync does itself: leave one out)
endif

EXTRA_SOURCES += $(wildcard labs/sync/kernel/*.c)

comma := ,
sync_wraps := $(addprefix -Wl$(comma)--wrap=,fs_mount_root spin_lock spin_trylock spin_unlock \
    wait_sleep sched_give_way)
sync_objects := $(foreach name,ticket_lock mutex semaphore rwlock,\
    $(MACHINE:%=$(BUILD)/%/kern/$(name).o))

# For these targets only: the rest is the same as in other kernels (labs/labs.mk).
define sync_rules
$(BUILD)/$1/duet $(BUILD)/$1/duet-no-symbols: private $1_ldflags += $(sync_wraps)
endef
$(foreach machine,$(MACHINE),$(eval $(call sync_rules,$(machine))))

LAB_CFLAGS += -DLAB_SYNC
# In one object there is one of the two, and the history is the same with SAN=address as without.
$(sync_objects): private KERNEL_CFLAGS += $(if $(filter address,$(SAN)),-fno-sanitize=address) -fsanitize=thread
