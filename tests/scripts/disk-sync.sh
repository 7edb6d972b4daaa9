#!/usr/bin/env bash
# Lets a sync of the disk fail (EIO) under load. The kernel may call the next sync a success although
# pages were thrown away, so the gateway must answer nothing with OK until it is started anew.
#
#     tests/scripts/disk-sync.sh
#
# Exit status: 0 it is so, and nothing was lost, 1 not so, 2 strace is missing. Half a minute.
source "$(dirname "$0")/common.sh" "$@"
need strace strace

tests faults::disk::the_disk_fails_to_sync
