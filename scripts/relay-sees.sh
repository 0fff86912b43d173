#!/usr/bin/env bash
# What a relay sees of terminals that do not seal. Builds an fshare that differs from the other in nothing but that (--cfg confkit_unsealed, which no
# release build takes), into a target folder of its own, and has tests/channel_secrecy.rs look for name and plaintext of a file in the memory of the
# relay and in its traffic: between these two it must find what it does not find between others.
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
CONFKIT_UNSEALED_BUILD=yes RUSTC_WORKSPACE_WRAPPER="$PWD/scripts/relay-sees.sh" CARGO_TARGET_DIR="$target/unsealed" "$cargo" build --bin fshare
CONFKIT_UNSEALED_FSHARE="$target/unsealed/debug/fshare" "$cargo" test --test channel_secrecy -- "$@"
