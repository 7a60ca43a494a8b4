# Forks until nothing is left, from a program and from the shell.
/tests/exhaustion processes
/tests/exhaustion processes
echo "the shell goes on: $(echo yes)"
