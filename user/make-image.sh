#!/bin/sh
# Make an ext2 image from a folder: make-image.sh FOLDER IMAGE 'FILE ...'
#
# Only the named files of the folder go in (a stale one stays out), and everything belongs to
# root whoever builds. The UUIDs are fixed, so that two images differ only where files do.
set -eu
folder=$1 image=$2 files=$3
uuid=64756574-0000-4000-8000-000000000001

# Remove what is there but not wanted any more.
(cd "$folder" && find . -type f | sed 's,^\./,,' | sort) > "$image.have"
printf '%s\n' $files | sort > "$image.want"
comm -23 "$image.have" "$image.want" | while read -r stale; do rm -f "$folder/$stale"; done

for directory in bin dev proc tmp etc root tests mnt; do
    mkdir -p "$folder/$directory"
done
chmod 755 "$folder"/* && chmod 1777 "$folder/tmp" && chmod 700 "$folder/root"

if [ -e "$folder/bin/test" ]; then
    ln -sf test "$folder/bin/["
fi

rm -f "$image.new"
truncate -s 32M "$image.new"
mke2fs -q -F -t ext2 -O none,filetype,sparse_super,large_file -b 4096 -I 256 -N 4096 -m 0 \
    -L duet -U "$uuid" -E "root_owner=0:0,hash_seed=$uuid" -d "$folder" "$image.new"

if [ "$(id -u)" != 0 ]; then
    (cd "$folder" && find . -mindepth 1 | sed 's,^\.,,') | while read -r path; do
        echo "set_inode_field $path uid 0"
        echo "set_inode_field $path gid 0"
    done | debugfs -w -f - "$image.new" >/dev/null 2>&1
fi
mv "$image.new" "$image"
rm -f "$image.have" "$image.want"
