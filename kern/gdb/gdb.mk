# Debugging: gdb with commands that know the kernel (docs/debugging.md).

.PHONY: gdb qemu-gdb

#v   GDBFLAGS="-ex 'break sys_write'"  more for gdb's command line    (gdb, qemu-gdb)

GDB ?= gdb
debug = $(GDB) -q $(BUILD)/$1/duet -x kern/gdb/duet.py \
            -ex 'duet boot --image $(OUT)/root.img' \
            $(if $(value UNTIL),-ex 'duet goto $(value UNTIL)') $(value GDBFLAGS)

gdb: $(BUILD)/vkernel/duet $(OUT)/root.img ## Duet as a process, under gdb
	@$(call debug,vkernel)

qemu-gdb: $(BUILD)/x86_64/duet $(OUT)/root.img ## Duet on x86_64 under QEMU, with gdb
	@$(call debug,x86_64)
