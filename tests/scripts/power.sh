#!/usr/bin/env bash
# Cuts the power under load, as far as that can be done without a plug: the database lies on a disk
# image, and each cut is a clone of that image, mounted anew and examined. A second run over a disk
# that lies about its syncs must lose something, or the test would prove nothing.
#
#     tests/scripts/power.sh [CUTS]      100 by default
#
# Exit status: 0 nothing lost in the first run and something in the second, 1 not so, 2 root or a
# tool is missing. About five minutes. It needs 2 GB in TMPDIR.
source "$(dirname "$0")/common.sh" "$@"
need_root
need mkfs.xfs xfsprogs
need mkfs.ext4 e2fsprogs
liar=$(find /usr/lib -name 'libeatmydata.so*' -print -quit)
[[ -n $liar ]] || need eatmydata eatmydata

place=$(mktemp -d)
finish() {
    for folder in outer/cut outer/disk outer; do
        if mountpoint -q "$place/$folder"; then umount "$place/$folder"; fi
    done
    rm -rf "$place"
}
trap finish EXIT
cd "$place"
truncate -s 2G outer.img
mkfs.xfs -q -m reflink=1 outer.img
mkdir outer
mount -o loop outer.img outer

fresh_disk() {
    cd "$place/outer"
    if mountpoint -q disk; then umount disk; fi
    rm -f disk.img
    truncate -s 600M disk.img
    mkfs.ext4 -q disk.img
    mkdir -p disk cut
    mount -o loop disk.img disk
    cd "$OLDPWD"
}
export PAGOMENSA_FAULT_DIR="$place/outer" PAGOMENSA_CUTS="${1:-100}"
project=$OLDPWD
fresh_disk
cd "$project"
tests faults::disk::the_power_fails
fresh_disk
cd "$project"
echo 'and now with a disk that lies, which must be seen:'
PAGOMENSA_CUTS=10 PAGOMENSA_LIAR="$liar" tests faults::disk::the_power_fails
