#!/usr/bin/env bash
# Our mixer beside Janus AudioBridge and beside two floors, at 50, 200, 400 and 1,000 talkers, by one load generator in one run: CPU of each server, and
# whether every leg received its packets and ten legs' spectra hold all others and not themselves (docs/mixing.md).
#
# Usage: benches/side-by-side/mixers.sh [TALKERS...]
# RUNS=3 repeats. Wants a quiet machine and two cores; Debian's janus, without which only our own rows are printed, and says so.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
[ $# -gt 0 ] || set -- 50 200 400 1000
mixing=$("${CARGO:-cargo}" bench --locked --bench mixing --no-run --message-format=json 2>/dev/null |
  sed -n 's/.*"name":"mixing".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[ -x "$mixing" ] || { echo "mixers: the bench did not build: cargo bench --bench mixing --no-run tells why" >&2; exit 1; }
peer=janus
command -v janus >/dev/null || { peer=; echo "mixers: Janus is not measured; as root: apt-get install --yes --no-install-recommends janus" >&2; }

for talkers in "$@"; do
  "$mixing" --bench --talkers "$talkers" --runs "${RUNS:-1}"
  [ -z "$peer" ] || for _ in $(seq "${RUNS:-1}"); do benches/side-by-side/janus.py "$mixing" "$talkers"; done
done
