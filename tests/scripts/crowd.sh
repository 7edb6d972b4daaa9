#!/usr/bin/env bash
# Opens idle connections to the node's door and looks whether the node is still answered within two
# seconds, how much memory that takes, and whether all of them are closed.
#
#     tests/scripts/crowd.sh [CONNECTIONS]      10000 by default
#
# Exit status: 0 nobody was kept out, 1 somebody was, 2 it could not be run. About half a minute.
source "$(dirname "$0")/common.sh" "$@"

count=${1:-10000}
# One address has about 28,000 ports to call from.
if ! [[ $count =~ ^[1-9][0-9]{0,4}$ ]] || ((count > 25000)); then
    printf 'CONNECTIONS is a number from 1 to 25000, not %s\n' "$count" >&2
    exit 2
fi
ulimit -n "$((count + 1000))" 2>/dev/null || {
    printf 'only %s files may be open; %s are needed\n' "$(ulimit -Hn)" "$((count + 1000))" >&2
    exit 2
}
PAGOMENSA_CROWD=$count tests faults::crowd
