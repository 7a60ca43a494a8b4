# Duet: one entry for everything. `make help` lists the targets.
#
# Rules live with what they build: kern/kernel.mk (a kernel), arch/*/machine.mk (what is
# particular to a machine), user/user.mk (programs and the root image), grader/grader.mk
# (running and testing). Everything that is made lies in build/.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: all help clean FORCE

ALL_MACHINES := vkernel x86_64
MACHINE ?= $(ALL_MACHINES)
ifeq ($(MACHINE),both)
override MACHINE := $(ALL_MACHINES)
endif
ifneq ($(filter-out $(ALL_MACHINES),$(MACHINE)),)
$(error MACHINE is $(MACHINE): it must be one of $(ALL_MACHINES))
endif

# Everything that is made lies below OUT.
OUT ?= build

# SAN=address|undefined|thread: the vkernel checked by one of the compiler's sanitizers.
SAN ?=
ifneq ($(SAN),)
ifneq ($(filter-out address undefined thread,$(SAN)),)
$(error SAN is $(SAN): it must be address, undefined or thread)
endif
ifneq ($(filter qemu%,$(MAKECMDGOALS))$(filter x86_64,$(firstword $(MACHINE))),)
$(error SAN=$(SAN) is for MACHINE=vkernel: sanitizers need a host process to live in)
endif
ifeq ($(RELEASE),1)
$(error SAN=$(SAN) is for debug builds: leave RELEASE=1 out)
endif
override MACHINE := vkernel
endif

# RELEASE=1 is optimised and leaves the checks out. All builds live side by side.
ifeq ($(RELEASE),1)
BUILD    := $(OUT)/release
OPTIMISE := -O2 -g
else
BUILD    := $(OUT)$(SAN:%=/san-%)
OPTIMISE := -O1 -g -DDEBUG
endif

include labs/labs.mk

ifeq ($(origin CC),default)
CC := gcc
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            $(if $(filter 1,$(WERROR)),-Werror)

# e2fsprogs lives in /sbin, which is not in an ordinary user's PATH.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

# V=1 shows the commands; make -s shows nothing.
Q   := $(if $(filter 1,$(V)),,@)
SAY := @$(if $(filter 1,$(V))$(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),:,echo)

# Before anything else: are the tools here?
needing_tools := $(firstword $(filter check grade package check-grader bench handout qemu boot \
                     run explore replay gdb qemu-gdb,$(MAKECMDGOALS)))
ifneq ($(needing_tools),)
tools_message := $(shell grader/install.sh $(needing_tools))
ifneq ($(.SHELLSTATUS),0)
$(error Tools are missing)
endif
endif

# The compiler's own headers (stdint.h, stddef.h, ...): all that freestanding code may include.
COMPILER_HEADERS := $(shell $(CC) -print-file-name=include)

all: kernels root-image $(if $(filter build,$(OUT)$(SAN)),compile_commands.json) ## Build both kernels (or MACHINE=vkernel|x86_64) and the root image

include kern/kernel.mk user/user.mk grader/grader.mk grader/explore.mk grader/grade.mk kern/gdb/gdb.mk

help: ## Show this list
	@echo 'Duet: one kernel, two machines.  Usage: make TARGET [VARIABLE=VALUE ...]'
	@awk -F':.*## ' '/^[a-z_.-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@sed -n 's/^#v //p' $(MAKEFILE_LIST)

clean: ## Remove everything that was made
	rm -rf $(OUT) compile_commands.json

#v
#v Variables:
#v   MACHINE=vkernel|x86_64   only this machine (default: both; for boot: vkernel)
#v   RELEASE=1                optimised, without checks, in build/release/
#v   SAN=address|undefined|thread  the vkernel under a sanitizer, in build/san-*/  (run, boot, check)
#v   CC=clang                 another compiler;  WERROR=1 warnings are errors;  V=1 show commands

# compile_commands.json, for editors: one entry a source, with the command that compiles it.
json_entry = $(file >>$@,{"directory": "$(CURDIR)", "file": "$1", "command": "$2 -c $1"},)

all_sources = $(sort $(foreach m,$(MACHINE),$($m_all)) $(USER_SOURCES))

$(OUT)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(all_sources)' | cmp -s - $@ || echo '$(all_sources)' > $@

compile_commands.json: $(OUT)/sources $(MACHINE:%=$(BUILD)/%/commands) $(OUT)/user/commands
	@: $(file >$@,[)
	@: $(foreach m,$(MACHINE),$(foreach source,$(filter-out arch/$m/%,$($m_all)),\
	       $(call json_entry,$(source),$($m_kernel_command))))
	@: $(foreach m,$(MACHINE),$(foreach source,$(filter arch/$m/%,$($m_all)),\
	       $(call json_entry,$(source),$($m_own_command))))
	@: $(foreach source,$(USER_SOURCES),$(call json_entry,$(source),$(USER_COMMAND)))
	@: $(file >>$@,{"directory": "$(CURDIR)", "file": "Makefile", "command": "make"}])
