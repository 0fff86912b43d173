#!/usr/bin/env bash
# Makes sure that the real clients which the tests talk to are installed: sipp, baresip, sox, tshark; and ip, by which they make networks.
# Missing ones are installed by apt-get as root or through sudo; where that cannot be, the one line to run is printed and
# this fails. Tests are never skipped for want of a program.
set -u

# program:Debian package
needed=(sipp:sip-tester baresip:baresip-core sox:sox tshark:tshark ip:iproute2)
# Without a recommended package there is less to fetch; the programs do not need them.
install=(apt-get install --yes --no-install-recommends)

missing=()
for entry in "${needed[@]}"; do
  command -v "${entry%%:*}" >/dev/null 2>&1 || missing+=("${entry##*:}")
done
if ! command -v cc >/dev/null 2>&1 && ! command -v gcc >/dev/null 2>&1 && ! command -v clang >/dev/null 2>&1; then
  missing+=(gcc libc6-dev)
fi
if ! command -v cargo >/dev/null 2>&1; then
  echo "setup: cargo is missing: install the Rust toolchain (https://rustup.rs), then run this again" >&2
  exit 1
fi
[ ${#missing[@]} -eq 0 ] && exit 0

# tshark asks a debconf question (may other users capture?); noninteractive takes the safe default, no.
line="apt-get update && DEBIAN_FRONTEND=noninteractive ${install[*]} ${missing[*]}"

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  # sudo may ask for a password only where somebody can answer it.
  if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=(sudo)
  else
    echo "setup: missing: ${missing[*]}. Run this as root, then try again:" >&2
    echo "  $line" >&2
    exit 1
  fi
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "setup: missing: ${missing[*]} (names of Debian packages). Install these with your system's package manager, then try again." >&2
  exit 1
fi

echo "setup: installing ${missing[*]}" >&2
# A stale or partly unreachable list is not yet a failure: the installation tells.
"${as_root[@]}" apt-get update -qq >&2 || echo "setup: apt-get update had errors; trying the installation all the same" >&2
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" -qq "${missing[@]}" >&2 </dev/null; then
  echo "setup: could not install ${missing[*]}. Run this as root, then try again:" >&2
  echo "  $line" >&2
  exit 1
fi
for entry in "${needed[@]}"; do
  command -v "${entry%%:*}" >/dev/null 2>&1 || { echo "setup: ${entry##*:} is installed, but ${entry%%:*} is not found in PATH" >&2; exit 1; }
done
