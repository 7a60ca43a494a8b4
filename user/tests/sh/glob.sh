# File names and patterns.
mkdir -p g/sub/deep g/other; cd g
touch a.c b.c c.h .hidden 'with space' sub/x.c sub/deep/y.c other/z.h '[b]' star\*
echo *; echo *.c; echo *.[ch]; echo ?.c; echo [ab].c; echo [!a]*.c; echo .h*; echo */*.c; echo */*
echo *.none
echo "*.c" '*.c' \*.c; x='*.c'; echo $x "$x"; echo */
for f in *' '*; do echo "<$f>"; done
echo [a-b]*; echo *[!c]; echo \[b]; echo "["b]*; echo star\**; echo st*'*'
echo ./*.c; echo sub/deep/*; echo sub/*/y.c; echo s*/d*/*; echo ../g/*.h
set -f; echo *.c; set +f; echo *.c
case a.c in *.c) echo c;; esac
case .hidden in *) echo dot;; esac
case a/b in a*b) echo slash;; esac
case 'a[b' in 'a['*) echo open;; esac
case abc in a[b]c) echo one;; esac
case '-' in [a\-z]) echo dash;; esac
case 5 in [[:digit:]]) echo digit;; esac
case x in [[:upper:][:digit:]]) echo no;; [[:alpha:]]) echo alpha;; esac
v='a*'; case 'a*' in "$v") echo quoted;; esac; case abc in $v) echo pattern;; esac
echo "x"*.c *"."c; echo $(echo *.h) "$(echo *.h)"
cd ..; rm -r g
