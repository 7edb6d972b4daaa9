#!/usr/bin/env bash
# Kills the gateway under load, on SQLite and on PostgreSQL, at random moments, and looks at the
# money afterwards. Says how many receipts were answered OK and how long each start took.
#
#     tests/scripts/kills.sh [KILLS]      1000 by default, half of them on each engine
#
# Exit status: 0 nothing lost and nothing twice, 1 something was, 2 it could not be run.
# About six minutes. PAGOMENSA_SEED gives the moments of an earlier run again.
source "$(dirname "$0")/common.sh" "$@"

PAGOMENSA_KILLS=$((${1:-1000} / 2)) tests faults::kill::killed_under_load
