# Scripts, sh -c, options, syntax errors.
cat >s1 <<'EOF'
echo "script $# $1 $2"; exit 3
EOF
sh s1 a 'b c'; echo $?
chmod +x s1; ./s1 x y; echo $?
printf '#!/bin/sh\necho "hashbang $1"\n' >s2; chmod +x s2; ./s2 arg; echo $?
sh -c 'echo "$0 $1 $#"' name arg; sh -c 'exit 4'; echo $?; sh -c 'echo a; echo b'; sh -c ''; echo $?
sh -e -c 'echo one; false; echo two'; echo $?
sh -c 'false; echo $?; (exit 3)'; echo $?
printf 'echo no newline' | sh
sh -c 'if' 2>/dev/null; echo $?; sh -c 'echo "unterminated' 2>/dev/null; echo $?
sh -c 'fi' 2>/dev/null; echo $?
sh -c 'echo a; )' 2>/dev/null; echo $?; sh -c 'for 1 in a; do :; done' 2>/dev/null; echo $?
sh -c 'case x in' 2>/dev/null; echo $?
sh -c 'echo ${x' 2>/dev/null; echo $?; sh -c '( echo' 2>/dev/null; echo $?
sh -c 'a && ' 2>/dev/null; echo $?; sh -c '| a' 2>/dev/null; echo $?
sh -c 'echo before
if true; then
  echo x
' 2>/dev/null; echo $?
sh -c nosuchfile 2>/dev/null; echo $?; : >noexec; ./noexec 2>/dev/null; echo $?; chmod +x noexec
./noexec; echo $?
sh -s a b <<'EOF'
echo "$# $1"
EOF
sh -c 'set -- 1 2; echo $@; shift; echo $@'
sh -u -c 'echo $nope' 2>/dev/null; echo $?
sh -n -c 'echo not run'; echo $?
sh -c 'f() { f2() { echo nested $1; }; f2 a; }; f; f2 b'
sh -c 'while true; do echo once; exit 5; done; echo no'; echo $?
sh -c 'x=a; (x=b; echo $x); echo $x; { x=c; }; echo $x; echo z | { x=d; cat; }; echo $x'
sh -c 'set -ef; case $- in *e*f*|*f*e*) echo options;; esac'
sh -c 'kill -9 $$; echo no' 2>/dev/null; echo $?
sh -c 'sh -c "kill -15 \$\$"; echo $?' 2>/dev/null
sh -c 'echo a & wait; echo b'; sh -c 'x=$(echo sub; exit 2); echo $? $x'
sh -c 'cat <<E; echo after
doc
E'
sh -c 'echo "$@"' x 1 '2 3'; sh -c 'for a in "$@"; do echo "[$a]"; done' x '' 'y z'
sh -c 'echo a \
b; echo "c \
d"; echo '"'e \\
f'"
sh -c 'true&&echo x||echo y;false||echo z'; sh -c '(echo a);(echo b)'
sh -c '{ echo a;};{ echo b; }'
sh -c 'exec echo replaced; echo no'; sh -c 'exec nosuch_z' 2>/dev/null; echo $?
rm -f s1 s2 noexec
sh -c 'echo $(case x in (x) echo "in a substitution";; esac)'; sh -c 'echo $(case )' 2>/dev/null
echo $?
