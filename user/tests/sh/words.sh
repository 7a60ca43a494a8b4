# Quotes, parameters and field splitting.
count() { echo "$# <$1> <$2> <$3>"; }
a='one two' e= s='  x  y '
echo "$a" $a '$a' \$a "\$a" "a\b" 'a\b' a\ b
count $a; count "$a"; count $e; count "$e"; count '' ""; count $s; count "$s"
count x$a; count $a$a; count "$a"$a; count pre"$a"post
echo ${a} ${e:-default} ${e-kept}. ${u:-d e f} ${u-d} "${u:-d  e}" ${a:+alt} ${u:+alt}. ${e+set}
echo ${n:=assigned} $n ${#a} ${#u} ${#}
count ${u:-a b c}; count "${u:-a b c}"; count ${u:-"a b" c}; count ${u-'x y'} z
p=/usr/lib/libc.so.6
echo ${p#*/} ${p##*/} ${p%.*} ${p%%.*} ${p%/*} "${p#'*'}" ${p#/usr} ${p%nothing}
q='*'; x='a*b*c'; echo ${x%"$q"*} "${x%%'*'*}" "${x#*\*}"
echo "${u:-"quoted  inside"}" "${u:-\}}" ${u:-\}} "a${u:+}b"
set -- 'a b' c ''
count $@; count "$@"; count $*; count "$*"; count "x$@y"; echo $# "$#"
for i; do echo "<$i>"; done
for i in "$@" end; do echo "[$i]"; done
for i in; do echo never; done
IFS=:; v=a:b::c: ; count $v; for i in $v; do echo "($i)"; done; echo "$*"; echo $*
IFS=' :'; v=' a : b  c:'; for i in $v; do echo "{$i}"; done
v=:; count $v; v=' : '; count $v; v='::'; count $v
IFS=; v='a b'; count $v; echo "$*"
unset IFS; count $v
set --; count "$@"; count "$*"; count $@; count x"$@"
set -- 1 2 3 4 5 6 7 8 9 ten eleven; echo $10 ${10} ${11} "$1"
shift 3; echo $1 $#; shift; echo $1 $#
echo ~nobody_here "~" x~ '~'; HOME=/h; echo ~ ~/x a=~ "~/x"; y=~/a:~/b; echo $y
echo a"b"'c'd\e"f'g"'h"i'
echo "line one
line two" 'three
four' five\
six
echo $'x' "a$" $ a$ "$%"
x=5; echo "$x$x" $x$x "${x}y" "$x y" $xy.
echo "`echo back "quote"`" `echo \`echo nested\`` "$(echo "inner  quotes")" $(echo two   words)
echo "$(printf 'trailing\n\n\n')|" "`printf 'x\n'`|"
echo $(echo ')' "(" \) ; echo x) # a comment with ' and (
echo a#b # comment
