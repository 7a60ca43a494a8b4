# A shell that reads its commands from standard input takes no more than it needs; missing files.
echo 'echo from stdin; read x; echo "<$x>"
input line
echo rest' | sh
printf 'read line\nfor read\necho "for the shell: $line"\n' | sh
sh nosuchfile 2>/dev/null; echo $?
sh -c '. ./nosuchfile; echo no' 2>/dev/null; echo $?
echo 'cat
all the rest' | sh
