#!/usr/bin/env bash
# Files through a relay, in one run: ours, the floors (loopback TCP, a bare relay, a bare sealed pipeline), wormhole-rs with the servers of magic-wormhole,
# an rsync daemon; and how soon, with how many system calls, with how many channels at once. The table at the end of each part stands beside what is
# wanted (docs/channels.md). It runs in a network that has nothing but loopback, where that is permitted, and says so where it is not.
#
# Usage: benches/side-by-side/relay.sh [WHAT] [OPTIONS]     as cargo bench --bench channels -- --help says
# Wants a quiet machine. Programs of others are got once, into PEERS (target/peers); with PEERS=none only those that WORMHOLE, TWIST and RSYNC name
# are measured. Debian's rsync, strace and iproute2 are used where they are installed.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
peers=${PEERS:-$target/peers}

missing() { echo "relay: $1 is not measured: $2" >&2; }

bench=$("${CARGO:-cargo}" bench --locked --bench channels --no-run --message-format=json 2>/dev/null |
  sed -n 's/.*"name":"channels".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[ -x "$bench" ] || { echo "relay: the bench did not build: cargo bench --bench channels --no-run tells why" >&2; exit 1; }

if [ "$peers" != none ]; then
  mkdir -p "$peers"
  if [ -z "${WORMHOLE:-}" ]; then
    [ -x "$peers/bin/wormhole-rs" ] ||
      nice "${CARGO:-cargo}" install magic-wormhole-cli --locked --quiet --root "$peers" --target-dir "$peers/build" >"$peers/wormhole.log" 2>&1 ||
      missing wormhole-rs "it did not build ($peers/wormhole.log)"
    rm -rf "$peers/build"
    [ -x "$peers/bin/wormhole-rs" ] && export WORMHOLE=$peers/bin/wormhole-rs
  fi
  if [ -z "${TWIST:-}" ]; then
    [ -x "$peers/python/bin/twist" ] ||
      { python3 -m venv "$peers/python" && "$peers/python/bin/pip" install magic-wormhole-mailbox-server magic-wormhole-transit-relay; } >"$peers/servers.log" 2>&1 ||
      missing wormhole-rs "its servers could not be installed ($peers/servers.log)"
    [ -x "$peers/python/bin/twist" ] && export TWIST=$peers/python/bin/twist
  fi
fi
command -v "${RSYNC:-rsync}" >/dev/null || missing "an rsync daemon" "as root: apt-get install --yes --no-install-recommends rsync"

apart=(unshare --net)
[ "$(id -u)" -eq 0 ] || apart=(unshare --map-root-user --net)
# shellcheck disable=SC2016 # the inner shell is to expand it
if "${apart[@]}" ip link set lo up 2>/dev/null; then
  exec "${apart[@]}" sh -c 'ip link set lo up && exec "$@"' relay "$bench" --bench "$@"
fi
echo "relay: no network of its own is permitted here: this machine's loopback is used" >&2
exec "$bench" --bench "$@"
