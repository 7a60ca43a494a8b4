# Redirections and here-documents.
rm -f out1 out2 in
echo one >out1; echo two >>out1; cat <out1
{ echo a; echo b >&2; } >out1 2>out2; cat out1 out2
{ echo a; echo b >&2; } >out1 2>&1; cat out1
{ echo a; echo b >&2; } 2>&1 >out1 | { read x; echo piped:$x; }; cat out1
echo x 3>out1 >&3; cat out1
exec 4>out2; echo four >&4; echo more >&4; exec 4>&-; cat out2
{ echo closed >&4; } 2>/dev/null; echo $?
exec 5<out2; read l <&5; echo "$l"; read l <&5; echo "$l"; read l <&5; echo "$? <$l>"; exec 5<&-
cat <<EOF
var $0x=$((1+2)) `echo back` $(echo dollar) \$x \\ "quotes" 'single'
EOF
cat <<'EOF'
raw $x `no` \$
EOF
printf 'cat <<-EOF\n\ttabs gone\n\t\tall of them \t$((1+1))\n\tEOF\necho after\n' | sh
cat <<A; cat <<B
first
A
second
B
cat <<EOF | grep four
in a pipe of four
EOF
f() { cat; echo "f $1"; }
f arg <<EOF
for the function
EOF
if true; then cat; fi <<EOF
compound
EOF
while read a; do echo "<$a>"; done <out1
for i in 1 2; do echo $i; done >out1; cat out1
(echo sub; echo err >&2) >out1 2>&1; cat out1
cat <nofile 2>/dev/null; echo $?
: >out1; [ -s out1 ] || echo empty
echo a >out1; echo b <>out1 1>&0; cat out1
echo over >|out1; cat out1
>out2; wc -c <out2
x=$(cat <<EOF
inside substitution
EOF
); echo "$x"
echo "$(cat <out1)" '>' "<" \>
cat <<EOF >out1
to a file
EOF
cat out1
a=out1; echo named >$a; cat "$a"
echo no newline at end | { read x; echo "$x"; }
printf 'partial' | { read x; echo "$? $x"; }
printf 'a\\\nb\nc\\d\n' | { read x; echo "$x"; read x; echo "$x"; }
printf 'a\\b\n' | { read -r x; echo "$x"; }
echo ' lead : trail ' | { IFS=: read a b; echo "[$a][$b]"; }
echo 'a b c d' | { read a b c; echo "[$a][$b][$c]"; }
echo 'a:b:' | { IFS=: read a b; echo "[$a][$b]"; }
echo 'a:b:c:' | { IFS=: read a b; echo "[$a][$b]"; }
{ cat; } <<EOF
$(i=0; while [ $i -lt 300 ]; do echo "line $i of a long document"; i=$((i+1)); done | tail -n 2)
EOF
exec 3>&1; (echo saved >&3) >/dev/null; exec 3>&-
echo err 2>/dev/null >&2; echo end
rm -f out1 out2
