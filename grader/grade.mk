# Grading: labs/*/lab.toml says what is judged, the package grader/ does it.

.PHONY: grade start-grade

#v   SUBMISSION=PATH          what was handed in: a folder, archive, repository (grade)
#v   ONLY='TEST ...'          only these tests                                 (grade)
#v   CHALLENGE=HEX            the same random choices as another run           (grade)
$(foreach name,SUBMISSION ONLY CHALLENGE,$(eval $(call hand_over,$(name))))

ifneq ($(and $(SAN),$(filter grade check-grader,$(MAKECMDGOALS))),)
$(error SAN=$(SAN) is for make run and make boot: labs are judged without it)
endif

# On which machines: the vkernel, unless something is said.
grade_machines := $(if $(filter-out file default undefined,$(origin MACHINE)),$(MACHINE),vkernel)

# The tree in which one works is judged as it is; a submission, in a tree of its own.
grade: start-grade ## Judge LAB=NAME: points, and what is wrong (MACHINE=both, SUBMISSION=...)
	$(end)

ifeq ($(LAB)$(filter-out grade,$(MAKECMDGOALS)),)
ifneq ($(filter grade,$(MAKECMDGOALS)),)
$(error Say LAB=NAME: one of $(patsubst labs/%/lab.toml,%,$(wildcard labs/*/lab.toml)))
endif
endif

start-grade: $(OUT)/root.img $(if $(value SUBMISSION),,$(grade_machines:%=$(BUILD)/%/duet))
	@$(PYTHON) -m grader grade --lab $(LAB) --machine '$(grade_machines)' --image $(OUT)/root.img \
	    --cache $(OUT)/grade --submission "$$SUBMISSION" --build $(BUILD) --only "$$ONLY" \
	    --challenge "$$CHALLENGE"; $(keep_status)

# {staff
#v   FORMAT=gradescope        or autolab, prairielearn, github, plain               (package)
#v   ONLY='0[1-5]-* attack'    names, patterns, kinds: reference skeleton mutant attack  (check-grader)
#v   RESUME=1                 what was judged before, and is as it was, is not again (check-grader)
#v   BUSY=8                   that many processes compute meanwhile            (check-grader)
.PHONY: check-grader check-grader-table package
$(foreach name,FORMAT TO BUSY,$(eval $(call hand_over,$(name))))

package: ## An autograder of LAB=NAME for a platform, in TO=FOLDER (FORMAT=...)
	@$(PYTHON) -m grader package --lab '$(LAB)' --format "$$FORMAT" --to "$$TO" \
	    --machine '$(grade_machines)'

check-grader: $(OUT)/root.img ## Grade the grader on LAB=NAME: mutants and attacks, on both machines
	@DUET_SLOW=1 $(PYTHON) -m pytest -q -c grader/pytest.ini grader/tests/test_package.py
	@$(PYTHON) -m grader check_grader --lab '$(LAB)' --machine '$(MACHINE)' --only "$$ONLY" \
	    --jobs "$$JOBS" --busy "$$BUSY" $(if $(filter 1,$(RESUME)),--resume)

check-grader-table: ## What check-grader has found, into the tables of docs/instructor.md
	@$(PYTHON) -m grader check_table
# staff}
