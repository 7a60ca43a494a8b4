# Running and testing. The Python package grader/ does the work; make hands it the variables.

.PHONY: run qemu boot

CPUS   ?= 2
MEM    ?= 128M
ifeq ($(SAN),thread)
SEED   ?= 1
endif
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)

#v
#v   CPUS=2 MEM=128M          the machine's size           (run, qemu, boot)
#v   KERNEL_ARGS='WORDS'      more words for the kernel    (run, qemu, boot)
#v   DISK='IMAGE ...'         more disks                   (run, qemu, boot)
#v   CMD='SHELL COMMAND'      what to run; its output and its status are those of make -s boot
#v   TRACE=FILE               what happened, as JSON for a trace viewer (run, qemu, boot)
#v   FILES='HOST:GUEST ...'   files to put into the image first               (boot)
#v   TIMEOUT=600              seconds after which a command counts as hung     (boot)
#v   TESTS='-k NAME'          arguments for pytest                             (check)
#v   SEED=4711                the same run each time: docs/determinism.md      (run, boot, check)
#v   FAIL=alloc:17,...        the K-th alloc, page, disk-read, disk-write, stub fails (boot)
#v   KINDS='alloc page ...'   which of them fail;  JOBS=2;  EVERY=1 in so many (explore-faults)
#v   VMSPACE=ptrace           how the vkernel runs programs: docs/vmspace.md   (run, boot, check)

# What the user wrote reaches the scripts through the environment and unexpanded, so that a
# dollar sign or a quote in CMD means what it means in the guest's shell.
define hand_over
ifdef $1
override $1 := $$(value $1)
endif
export $1
endef
$(foreach name,CMD FILES KERNEL_ARGS DISK TIMEOUT TRACE CPUS MEM TESTS SEED FAIL KINDS JOBS EVERY VMSPACE,$(eval $(call hand_over,$(name))))
export CC PYTHON SAN

# Python keeps what it has compiled below build/, and starts sooner without what is installed (-S).
export PYTHONPYCACHEPREFIX := $(abspath $(OUT)/python)
unexport PYTHONDONTWRITEBYTECODE

boot_machine := $(firstword $(MACHINE))
console = $(PYTHON) -S -m grader.console $1 --build $(BUILD) --image $(OUT)/root.img \
              --cpus "$$CPUS" --memory "$$MEM" --kernel-arguments "$$KERNEL_ARGS" --disks "$$DISK" \
              --trace "$$TRACE" --seed "$$SEED" --vmspace "$$VMSPACE"

# The machine's status becomes make's own: see grader/exit_status.c. The recipes that start one
# leave it in a file, since a recipe that fails would end make with status 2.
.PHONY: start-run start-qemu start-boot
status      := $(OUT)/tools/status.$(shell echo $$PPID)
keep_status  = echo $$? > $(status)
end          = @: $(exit-with $(shell cat $(status) 2>/dev/null; rm -f $(status)))

run: start-run ## Duet as a process on this terminal (installs tools that are missing)
	$(end)

qemu: start-qemu ## Duet on x86_64 under QEMU on this terminal
	$(end)

boot: start-boot ## Run CMD='...' on a throw-away copy of the root image
	$(end)

start-run: $(BUILD)/vkernel/duet $(OUT)/root.img
	@$(call console,vkernel); $(keep_status)

start-qemu: $(BUILD)/x86_64/duet $(OUT)/root.img
	@$(call console,x86_64); $(keep_status)

start-boot: $(BUILD)/$(boot_machine)/duet $(OUT)/root.img
	@$(PYTHON) -S -m grader.boot --machine $(boot_machine) --build $(BUILD) --cpus "$$CPUS" \
	    --image $(OUT)/root.img --memory "$$MEM" $(if $(value CMD),--command "$$CMD") \
	    --files "$$FILES" --kernel-arguments "$$KERNEL_ARGS" --disks "$$DISK" \
	    --timeout "$$TIMEOUT" --trace "$$TRACE" --seed "$$SEED" --fail "$$FAIL" \
	    --vmspace "$$VMSPACE" --schedule "$$SCHEDULE"; $(keep_status)

ifneq ($(filter run qemu boot grade explore replay,$(MAKECMDGOALS)),)
exit_status := $(OUT)/tools/exit-status.so
ifneq ($(shell mkdir -p $(OUT)/tools; test $(exit_status) -nt grader/exit_status.c || \
               $(CC) -shared -fPIC -o $(exit_status) grader/exit_status.c || echo failed),)
$(error $(exit_status) cannot be built)
endif
load $(exit_status)(exit_status_setup)
endif

# --- Tests -----------------------------------------------------------------------------------

.PHONY: units
units: ## Parts of the kernel as programs, under AddressSanitizer (UNIT=vm/test/test_pmap.c: one)
	@$(PYTHON) -m grader.units --build $(BUILD) --flags '$(LAB_CFLAGS)' $(UNIT)

# {staff
# An image with more in it: programs that were built elsewhere, with musl and with glibc.

FOREIGN_SOURCES  := $(wildcard user/tests/foreign/*.c)
FOREIGN_LIBRARIES = $(if $(shell command -v musl-gcc),musl) glibc
FOREIGN_PROGRAMS  = $(foreach library,$(FOREIGN_LIBRARIES), \
                      $(FOREIGN_SOURCES:user/tests/foreign/%.c=$(OUT)/foreign/%-$(library)))
BUSYBOX          := $(wildcard /bin/busybox)

$(OUT)/foreign/%-musl: user/tests/foreign/%.c
	@mkdir -p $(@D)
	$(Q)musl-gcc -O1 -static -o $@ $<

$(OUT)/foreign/%-glibc: user/tests/foreign/%.c
	@mkdir -p $(@D)
	$(Q)gcc -O1 -static -pthread -o $@ $<

$(OUT)/check/oracle: grader/oracle.c kern/syscall_table.h
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 $(WARNINGS) -I. -o $@ $<

$(OUT)/check/root.img: $(OUT)/root.img $(FOREIGN_PROGRAMS) $(BUSYBOX)
	$(SAY) '  IMAGE   $@'
	@rm -rf $(OUT)/check/root && mkdir -p $(OUT)/check && cp -a $(OUT)/root $(OUT)/check/root
	@mkdir -p $(OUT)/check/root/tests/foreign
	@for file in $(FOREIGN_PROGRAMS); do cp $$file $(OUT)/check/root/tests/foreign/ || exit 1; done
	@for file in $(BUSYBOX); do cp $$file $(OUT)/check/root/bin/busybox; done
	$(Q)user/make-image.sh $(OUT)/check/root $@ \
	    "$$(cd $(OUT)/check/root && find . -type f | sed 's,^\./,,')"

.PHONY: check-parts
check-parts: all $(OUT)/check/oracle $(OUT)/check/root.img

# pytest-xdist spreads the tests over the CPUs; without it they run one after the other.
spread = $(shell $(PYTHON) -c 'import xdist' 2>/dev/null && echo '-n auto --dist loadscope')

.PHONY: check lint bench explore-faults check-faults
check: check-parts ## All tests, on the host and on both machines (TESTS='-k NAME' for some)
	@$(PYTHON) -m pytest -c grader/pytest.ini $(spread) grader/tests $(value TESTS)

explore-faults: $(BUILD)/vkernel/duet $(OUT)/root.img ## Let each allocation, transfer, ... of CMD='...' fail, one run each
	@$(PYTHON) -m grader.explore_faults --build $(BUILD) --image $(OUT)/root.img \
	    --command "$$CMD" --kinds "$$KINDS" --jobs "$$JOBS" --every "$$EVERY" --cpus "$$CPUS" \
	    --memory "$$MEM" --kernel-arguments "$$KERNEL_ARGS" \
	    --disks "$$DISK" --seed "$$SEED" --timeout "$$TIMEOUT"

check-faults: check-parts ## explore-faults on a whole shell session and test programs: an hour
	@FAULTS=all $(PYTHON) -m pytest -c grader/pytest.ini grader/tests/test_explore_faults.py

lint: ## The habits that a program can check (clang-format, lengths, layering)
	@$(PYTHON) -m grader.lint

bench: ## What the basic operations cost: native, User-mode Linux, both machines (release builds)
	@$(MAKE) -s RELEASE=1 kernels root-image user
	@$(MAKE) -s RELEASE=0 all
	@$(PYTHON) -m grader.bench

.PHONY: bench-grader
bench-grader: $(OUT)/root.img ## What grading costs: one submission on each machine, and a class
	@$(PYTHON) -m grader bench_grader

.PHONY: handout
handout: ## What students of LAB=NAME get, as a git repository in TO=FOLDER
	@$(PYTHON) -m grader.handout "$(LAB)" "$(TO)"
# staff}
