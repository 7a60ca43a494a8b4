# Programs take all memory; the system goes on.
/tests/exhaustion memory
/tests/exhaustion sharing
echo "the shell goes on: $(echo yes)"
/tests/cow | tail -n 1
