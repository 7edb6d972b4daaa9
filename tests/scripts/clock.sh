#!/usr/bin/env bash
# Runs the gateway with a clock that is a year ahead, a year behind, goes back an hour, and passes
# the changes of summer time, 29 February and 19 January 2038, under load.
#
#     tests/scripts/clock.sh
#
# Exit status: 0 nothing lost, no panic, 1 not so, 2 libfaketime is missing. One minute.
source "$(dirname "$0")/common.sh" "$@"
need faketime faketime

tests faults::clock
