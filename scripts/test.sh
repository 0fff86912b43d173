#!/usr/bin/env bash
# The whole test suite with one verdict: the last line is `N passed, N failed`. Any failure, a test program that dies without a
# summary, a build that fails: all count as failed and make the exit status 1. Arguments go to `cargo test`.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
cargo=${CARGO:-cargo}

scripts/setup.sh || exit 1

# Where CI runs it, a test that the system keeps from showing anything fails instead of saying so.
[ "${CI:-}" = true ] && export CONFKIT_TESTS_MUST_RUN=1

mkdir -p target
log=target/test.log
lost=0

# The library alone must build without the feature of the programs: embedders use it so.
"$cargo" check --locked --quiet --lib --no-default-features || { echo "the library does not build with --no-default-features"; lost=1; }

"$cargo" test --locked --all-features --no-fail-fast "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

# Every test program is announced by a "Running" (or "Doc-tests") line and ends with a "test result" line. An announced one without
# a result has crashed.
read -r passed failed ignored suites results < <(awk '
  /^ +(Running|Doc-tests) / { suites++ }
  /^test result: / {
    results++
    for (i = 2; i <= NF; i++) {
      if ($i ~ /^passed/) passed += $(i - 1)
      if ($i ~ /^failed/) failed += $(i - 1)
      if ($i ~ /^ignored/) ignored += $(i - 1)
    }
  }
  END { print passed + 0, failed + 0, ignored + 0, suites + 0, results + 0 }' "$log")

[ "$suites" -gt "$results" ] && lost=$((lost + suites - results))
failed=$((failed + lost))
[ "$status" -ne 0 ] && [ "$failed" -eq 0 ] && failed=1

echo
grep -E '^test .* \.\.\. FAILED$' "$log" | sed 's/^test \(.*\) \.\.\. FAILED$/failed: \1/'
[ "$ignored" -ne 0 ] && grep -E '^test .* \.\.\. ignored' "$log" | sed 's/^test /not run: /'
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
