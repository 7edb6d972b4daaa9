#!/usr/bin/env bash
# Puts a meal ledger behind the gateway that is slow, down, lost in the middle and answers nonsense.
# Says whether each receipt was credited once, how fast what is owed is delivered afterwards, and how
# long receipts took with a good ledger and with a tired one.
#
#     tests/scripts/tired-ledger.sh [RECEIPTS]      10000 by default
#
# Exit status: 0 each is credited once, under one key and to the cent, 1 not so. About ten minutes.
source "$(dirname "$0")/common.sh" "$@"

PAGOMENSA_RECEIPTS=${1:-10000} tests faults::tired_ledger::each_receipt
tests faults::tired_ledger::receipts_do_not
