#!/usr/bin/env bash
# What a relay sees of terminals that do not seal. Builds an fshare that differs from the other in nothing but that (--cfg confkit_unsealed, which no
# release build takes), and has tests/channel_secrecy.rs look for name and plaintext of a file in the memory of the relay and in its traffic: between
# these two it must find what it does not find between others.
#
# Usage: scripts/relay-sees.sh [ARGUMENTS OF THE TEST]
set -euo pipefail

# As cargo's wrapper around the compiler, for this package alone.
if [ "${CONFKIT_UNSEALED_BUILD:-}" = yes ]; then
  exec "$@" --cfg confkit_unsealed
fi

cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-$PWD/target}
unsealed=$target/unsealed/fshare

# Into the same folder, where everything but this package is built already; cargo keeps the two apart. What it calls fshare is moved away at once,
# also when this is interrupted, and the test below puts the other one there again.
mkdir -p "$target/unsealed"
trap 'rm -f "$target/debug/fshare"' EXIT
CONFKIT_UNSEALED_BUILD=yes RUSTC_WORKSPACE_WRAPPER="$PWD/scripts/relay-sees.sh" "$cargo" build --locked --all-features --bin fshare
mv "$target/debug/fshare" "$unsealed"
trap - EXIT
CONFKIT_UNSEALED_FSHARE="$unsealed" "$cargo" test --locked --all-features --test channel_secrecy -- --include-ignored "$@"
