#!/usr/bin/env bash
# What breaks cost: 1 GiB through a relay, twenty times, and each time sender, receiver or relay is killed (SIGKILL) at a byte that the seed draws, and
# the transfer gone on with. Prints the table of docs/channels.md ("What a break costs") with its seed; fails where one is not verified, or where more
# than what remained and 2 MiB went over the wire.
#
# Usage: scripts/breaks.sh [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
export CONFKIT_BREAKS_SEED=${1:-${CONFKIT_BREAKS_SEED:-$RANDOM}}
export CONFKIT_BREAKS_BYTES=${CONFKIT_BREAKS_BYTES:-1073741824} CONFKIT_BREAKS_COUNT=${CONFKIT_BREAKS_COUNT:-20}
"${CARGO:-cargo}" test --locked --all-features --test channel_breaks -- --exact a_transfer_goes_on_where_it_was_when_sender_receiver_or_relay_is_killed --nocapture
