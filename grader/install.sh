#!/bin/sh
# See that the tools for a target are here:
# install.sh run|qemu|gdb|qemu-gdb|replay|check|bench|handout
#
# What is missing is installed with apt, announced first; where that cannot be done, the one
# command to type is printed. A tool that is too old gets a sentence. Silent when all is well.
# With the check done, the file build/tools/TARGET keeps it from being repeated every time.
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
target=$1
stamp=build/tools/$target
[ -e "$stamp" ] && [ "$stamp" -nt "$0" ] && exit 0

say() { echo "duet: $*" >&2; }

missing=
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need_python() { # need_python MODULE PACKAGE
    /usr/bin/python3 -c "import $1" 2>/dev/null || missing="$missing $2"
}

need "${CC:-gcc}" gcc
need ld binutils
need awk mawk
need mke2fs e2fsprogs
need python3 python3
# The compiler alone does not bring the C library that the vkernel is linked with.
echo '#include <stdio.h>' | "${CC:-gcc}" -E - >/dev/null 2>&1 || missing="$missing libc6-dev"

case $target in
qemu | qemu-gdb | check | bench | grade | check-grader) need qemu-system-x86_64 qemu-system-x86 ;;
esac
case $target in
gdb | qemu-gdb | replay | check) need gdb gdb ;;
esac
case $target in
handout | package | check-grader | check)
    need unifdef unifdef
    need git git
    ;;
esac
case $target in
bench) need linux.uml user-mode-linux ;;
check | grade | check-grader)
    need_python pytest python3-pytest
    need bwrap bubblewrap
    /usr/bin/python3 -c 'import tomllib' 2>/dev/null || need_python tomli python3-tomli
    ;;
esac
case $target in
check)
    # A test opens a page in it, where it is packaged.
    apt-cache show chromium >/dev/null 2>&1 && need chromium chromium
    need_python xdist python3-pytest-xdist
    need clang clang
    need clang-format clang-format
    need musl-gcc musl-tools
    need man man-db
    need patch patch
    need mandoc mandoc
    [ -x /usr/bin/busybox ] || missing="$missing busybox-static"
    ;;
esac

if [ -n "$missing" ]; then
    missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
    install="apt-get install -y --no-install-recommends $missing"
    if ! command -v apt-get >/dev/null 2>&1; then
        say "please install: $missing"
        exit 1
    elif [ "$(id -u)" = 0 ]; then
        become=
    elif sudo -n true 2>/dev/null || { command -v sudo >/dev/null 2>&1 && [ -t 0 ]; }; then
        become=sudo
    else
        say "missing tools; type this once:"
        say "    sudo $install"
        exit 1
    fi
    say "installing what is missing: $missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    $become $install >&2 || { $become apt-get update >&2 && $become $install >&2; } || {
        say "that failed; $target needs: $missing"
        exit 1
    }
fi

too_old() { # too_old NAME HAVE WANTED
    if [ "$(printf '%s\n%s\n' "$2" "$3" | sort -V | head -n 1)" != "$3" ]; then
        say "$1 is version $2, which is too old: $3 or newer is needed."
        exit 1
    fi
}
number() { sed -n 's/[^0-9]*\([0-9][0-9.]*\).*/\1/p' | head -n 1; }

if "${CC:-gcc}" --version | grep -q clang; then
    too_old clang "$("${CC:-gcc}" -dumpversion)" 11
else
    too_old gcc "$("${CC:-gcc}" -dumpversion)" 9
fi
too_old e2fsprogs "$(mke2fs -V 2>&1 | number)" 1.43
too_old python3 "$(python3 --version | number)" 3.8
case $target in
qemu | qemu-gdb | check | bench | grade)
    too_old QEMU "$(qemu-system-x86_64 --version | sed -n 's/.*emulator version//p' | number)" 5
    ;;
esac

mkdir -p build/tools && : > "$stamp"
