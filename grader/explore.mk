# Searching for schedules that fail (docs/determinism.md).

.PHONY: explore replay start-explore

#v
#v   SEEDS=1000 JOBS=2        how many schedules, how many at a time           (explore)
#v   STRATEGY=random|pct|bounded  who chooses them: docs/determinism.md        (explore)
#v   EXPECT=FILE|same         what the output has to be                        (explore)
#v   FSCK=1                   what e2fsck says of the disk counts, too         (explore)
#v   SCHEDULE=FILE UNTIL=EVENT  the choices of a run; stop in gdb there        (replay)

$(foreach name,SEEDS STRATEGY EXPECT FSCK SCHEDULE UNTIL,$(eval $(call hand_over,$(name))))

explore: start-explore ## Many schedules of CMD='...', until one fails; then shrink that one
	$(end)

ifeq ($(value UNTIL),)
replay: start-boot ## A run that explore found: SEED=N SCHEDULE=FILE, stopped in gdb with UNTIL=EVENT
	$(end)
else
replay: gdb
endif

# What the printed commands need to find the same kernel.
explore_extra := $(if $(SAN), SAN=$(SAN))$(if $(filter 1,$(RELEASE)), RELEASE=1)

start-explore: $(BUILD)/vkernel/duet $(OUT)/root.img
	@$(PYTHON) -S -m grader.explore --build $(BUILD) --cpus "$$CPUS" --image $(OUT)/root.img \
	    --memory "$$MEM" --command "$${CMD-}" --files "$$FILES" --kernel-arguments "$$KERNEL_ARGS" \
	    --disks "$$DISK" --timeout "$$TIMEOUT" --seed "$$SEED" --seeds "$$SEEDS" \
	    --strategy "$$STRATEGY" --jobs "$$JOBS" --expect "$$EXPECT" --fsck "$$FSCK" \
	    --extra "$(explore_extra)"; $(keep_status)

.PHONY: soak
soak: $(BUILD)/vkernel/duet $(OUT)/root.img ## 10,000 schedules (SEEDS=N) of the kernel's stress programs
	@$(PYTHON) -S -m grader.soak --build $(BUILD) --image $(OUT)/root.img \
	    --seeds "$${SEEDS:-10000}" --jobs "$${JOBS:-2}"
