#!/usr/bin/env bash
# Runs the gateway on a file system of 24 MB until it is full, and makes room again.
#
#     tests/scripts/disk-full.sh
#
# Exit status: 0 no OK without room, reads went on, OK again within five seconds, nothing lost;
# 1 not so; 2 it needs root. Half a minute.
source "$(dirname "$0")/common.sh" "$@"
need_root

PAGOMENSA_FAULT_DIR=$(mktemp -d)
export PAGOMENSA_FAULT_DIR
finish() {
    umount "$PAGOMENSA_FAULT_DIR" && rmdir "$PAGOMENSA_FAULT_DIR"
}
mount -t tmpfs -o size=24m tmpfs "$PAGOMENSA_FAULT_DIR"
trap finish EXIT
tests faults::disk::the_disk_is_full
