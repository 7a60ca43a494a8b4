# Compound commands, functions, exit statuses.
if true; then echo yes; else echo no; fi
if false; then echo no; elif true; then echo elif; else echo no; fi
if false; then :; fi; echo $?
i=0; while [ $i -lt 5 ]; do i=$((i+1)); [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done
echo "after $i"
until [ $i -le 0 ]; do i=$((i-1)); done; echo $i
for a in 1 2 3; do
    for b in x y z; do
        [ $b = y ] && continue 2; [ $a = 3 ] && break 2; echo $a$b
    done
done
case hello in h*o) echo glob;; *) echo other;; esac
case x in a|b) echo ab;; x|y) echo xy;; esac
case "*" in \*) echo star;; esac; case ab in "a*") echo wrong;; a"b") echo right;; esac
case b in [!a-c]) echo no;; [a-c]) echo range;; esac; case ']' in []]) echo bracket;; esac
case nothing in x) ;; esac; echo $?
case a in (a) echo paren; esac
case in in in) echo in;; esac
f() { echo "f: $# $1"; return 3; }
f a b; echo $?
g() { local v=inner; v2=changed; echo $v; h; }
h() { echo "h sees $v"; }
v=outer; g; echo $v $v2
rec() { [ $1 -gt 0 ] && { rec $(($1-1)); echo -n "$1 "; }; }; rec 10; echo
set -- p q; f x; echo $1 $2
sub() (echo in subshell; v=lost; exit 4); sub; echo $? $v
{ echo group; false; }; echo $?
(exit 7); echo $?
! true; echo $?; ! false; echo $?
true && echo and; false && echo no; false || echo or; true || echo no
false && echo a || echo b; true || echo a && echo b
true; false | true; echo $?; true | false; echo $?
echo a | cat | cat | grep a
x=$(exit 5); echo $?; x=1; echo $?; x=$(false) y=$(true); echo $?
(echo one; echo two) | while read l; do echo "got $l"; done
echo 1 2 3 | { read a b; echo "$b-$a"; }
a=1; a=2 eval 'echo $a'; echo $a
eval 'echo "evaluated" ; x=9'; echo $x; eval; echo $?; eval false; echo $?
fn() { for i in 1 2 3; do case $i in 2) return 9;; esac; echo "loop $i"; done; }; fn; echo $?
while :; do break; done; echo $?
for i in a b; do false; done; echo $?
if ! false; then echo not; fi
if { true; false; }; then echo no; else echo group-condition; fi
while read x y; do echo "$y,$x"; done <<EOF
1 2
3 4 5
EOF
unset -f f; f 2>/dev/null; echo $?
nosuchcommand_here 2>/dev/null; echo $?
/ 2>/dev/null; echo $?
type cd; type f | head -n 1; command -v cd
false
echo $?
set -e; false || true; if false; then :; fi; ! true; echo still; (false; echo not); echo unreachable
