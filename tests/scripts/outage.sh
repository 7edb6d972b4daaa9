#!/usr/bin/env bash
# Takes the database away under load: PostgreSQL crashes three times, falls silent, and an SQLite
# file is locked by another process. Says how long answers took, and how soon they were good again.
#
#     tests/scripts/outage.sh [SECONDS]      60 by default, for each of the three crashes
#
# Exit status: 0 nothing lost and every answer in time, 1 not so. About five minutes.
source "$(dirname "$0")/common.sh" "$@"

PAGOMENSA_OUTAGE_S=${1:-60} tests faults::outage
