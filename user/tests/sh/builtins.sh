# Builtins.
cd /; pwd; cd /tmp && cd -; echo $OLDPWD; cd /bin/../tmp/./; pwd; cd "$OLDPWD"; pwd
cd /nonexistent_x 2>/dev/null; echo $?; pwd
(cd /tmp; pwd); pwd
x=1; export x; sh -c 'echo "child: $x"'; y=2; sh -c 'echo "child: <$y>"'; z=3 sh -c 'echo $z'
echo "<$z>"
export w=5; sh -c 'echo $w'; unset x; sh -c 'echo "<$x>"'; echo "${x-unset}"
readonly r=1; (r=2) 2>/dev/null; echo $? $r
set a b c; echo $1 $3 $#; set -- -x y; echo $1; set --; echo $#
test 1 -eq 1; echo $?; [ a = b ]; echo $?; [ -n "" ]; echo $?; [ -z "" ]; echo $?
[ 5 -gt 3 -a 2 -lt 1 ]; echo $?
[ ! a = b ]; echo $?; [ a ]; echo $?; [ "" ]; echo $?; [ ]; echo $?; [ ! ]; echo $?
[ '(' a = a ')' ]; echo $?
[ 1 -ne 1 -o 1 -le 1 ]; echo $?; [ -d / ]; echo $?; [ -f / ]; echo $?; [ -e /nope ]; echo $?
[ = ]; echo $?; [ = = = ]; echo $?; [ -f = -f ]; echo $?
[ x -eq 1 ] 2>/dev/null; echo $?
umask 022; umask; umask 077; umask; : >um; stat um >/dev/null
ls -l um | { read mode rest; echo $mode; }; rm um
type true; command -v nosuch_x; echo $?; command echo through
true() { false; }; command true; echo $?; true; echo $?; unset -f true
echo 'a\tb' 'c\\d' 'oct\0101' 'stop\c' no; echo; echo -n x; echo y; echo -e z; echo; echo "a   b"
printf '%s %d %05d|%-5s|%5s|%x %X %o %c %%\n' str 42 42 ab cd 255 255 8 char
printf '%s\n' a b c; printf '%s-%s\n' 1 2 3; printf 'no args\n'; printf '%d %d\n' 0x10 010
printf '%.2s|%*d\n' abcdef 5 42
printf '%b\n' 'x\ty' ; printf '\101\n'; printf "%d\n" "'A"; printf '%s\n'
: ignored; echo $?; false; : ; echo $?
getopts_test() {
    OPTIND=1
    while getopts ab:c o "$@"; do echo "$o ${OPTARG:-none}"; done
    echo "rest $OPTIND: $*"
}
getopts_test -a -b val -c file1 file2; getopts_test -acbjoined x; getopts_test -- -a
getopts_test plain
getopts_test -z 2>/dev/null; getopts_test -b 2>/dev/null
echo 'echo "sourced $1 $x"; x=from_file; return 6; echo no' >src.sh; x=before; . ./src.sh
echo $? $x; rm src.sh
trap 'echo exit trap $?' EXIT
trap 'echo caught USR1' USR1; kill -USR1 $$; echo after
trap '' USR1; kill -USR1 $$; echo ignored; trap - USR1
(trap 'echo sub exit' EXIT; echo in sub); sh -c 'trap "echo inner" EXIT; exit 3'; echo $?
sh -c 'kill -TERM $$'; echo $?; sh -c 'kill -9 $$' 2>/dev/null; echo $?
kill -l 9; kill -0 $$; echo $?
sleep 0 & wait $!; echo $?; (exit 5) & wait $!; echo $?; wait; echo $?; wait 999999; echo $?
false & p=$!; true; wait $p; echo "waited $?"
echo $(echo a; echo b) ; (exit 3) | (exit 4); echo $?
set -u; (echo $undefined_x) 2>/dev/null; echo $?; echo ${undefined_x-ok}; set +u
(: ${nope?message}) 2>/dev/null; echo $?; (: ${nope:?}) 2>/dev/null; echo $?
set -x 2>/dev/null; set +x
{ set -x; v=1; echo "traced  word" $v; v=2 true; set +x; } 2>&1
exec 2>&1; nosuchcmd_y 2>/dev/null; echo $?
exit 9
