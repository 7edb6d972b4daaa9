#!/usr/bin/env bash
# Ends the gateway at each of its named points (src/point.rs), on both engines, starts it again and
# looks at the money.
#
#     tests/scripts/points.sh
#
# Exit status: 0 all is right after each, 1 it is not. About two minutes, with compiling.
source "$(dirname "$0")/common.sh" "$@"

cargo test --locked --features failpoints --test pagomensa -- faults::points --test-threads 6
