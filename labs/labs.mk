# Labs: LAB=NAME builds a lab's kernel in a folder of its own. That is the kernel as it is, with what
# labs/NAME/lab.mk adds for the tests; or with SKELETON=1 what students begin with: without the
# solution, which is the code under `#if SOL_NAME` (kern/solutions.h).

LAB      ?=
SKELETON ?=

#v   LAB=NAME SKELETON=1      the kernel of a lab, without its solution, in build/lab-NAME-skeleton/

# A handout is no build: it is written to TO, or to what OUT is said to be.
ifneq ($(filter handout,$(MAKECMDGOALS)),)
TO := $(or $(TO),$(if $(filter command,$(firstword $(origin OUT))),$(OUT)))
ifeq ($(and $(LAB),$(TO)),)
$(error Usage: make handout LAB=NAME TO=FOLDER)
endif
override OUT := build
else ifneq ($(LAB),)
ifeq ($(wildcard labs/$(LAB)/lab.toml),)
$(error LAB is $(LAB): it must be one of $(patsubst labs/%/lab.toml,%,$(wildcard labs/*/lab.toml)))
endif
upper_case := $(shell echo $(LAB) | tr a-z A-Z)
LAB_CFLAGS := $(if $(filter 1,$(SKELETON)),-DSOL_$(upper_case)=0)
BASE_BUILD := $(BUILD)
BUILD      := $(BUILD)/lab-$(LAB)$(if $(filter 1,$(SKELETON)),-skeleton)

# Nearly all is the same as in the kernel that was built without LAB, if it was.
define adopt
if [ -d $(BASE_BUILD)/$1 ] && [ ! -d $(BUILD)/$1 ]; then mkdir -p $(BUILD); \
cp -a $(BASE_BUILD)/$1 $(BUILD)/ && rm -f $(BUILD)/$1/root.img && \
find $(BUILD)/$1 -name '*.d' -exec sed -i 's,$(BASE_BUILD)/$1/,$(BUILD)/$1/,g' {} +; fi;
endef
$(shell $(foreach machine,$(MACHINE),$(call adopt,$(machine))))
-include labs/$(LAB)/lab.mk
else ifeq ($(SKELETON),1)
$(error SKELETON=1 needs LAB=NAME: the skeleton of which lab?)
endif
