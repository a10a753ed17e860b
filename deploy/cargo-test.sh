#!/usr/bin/env bash
# Runs the Rust tests with cargo-nextest, or with plain cargo test where nextest is missing, and
# ends with one line `N passed, N failed`. Arguments are passed on (filters, -p crate, ...).
set -uo pipefail
cd "$(dirname "$0")/.."
case " $* " in *" -p "*) scope=() ;; *) scope=(--workspace) ;; esac
# A failed test explains itself; a stack of the test runner adds nothing.
export RUST_BACKTRACE=${TEST_BACKTRACE:-0}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Sums the numbers that stand before a word, over the lines that match a pattern.
sum() { # pattern word...
  local pattern=$1; shift
  sed 's/\x1b\[[0-9;]*m//g' "$log" | awk -v pattern="$pattern" -v words=" $* " '
    $0 ~ pattern { for (i = 2; i <= NF; i++) { w = $i; gsub(/[^a-z]/, "", w);
      if ($i ~ /^[a-z]/ && index(words, " " w " ")) { n = $(i - 1); gsub(/[^0-9]/, "", n); total += n } } }
    END { print total + 0 }'
}

if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run "${scope[@]}" --no-fail-fast "$@" 2>&1 | tee "$log"
  rc=${PIPESTATUS[0]}
  pattern='tests? run:'        # Summary [ 12.3s] 120 tests run: 117 passed (1 slow), 2 failed, 1 timed out, 3 skipped
  passed=$(sum "$pattern" passed)
  failed=$(sum "$pattern" failed timed)
else
  # The end-to-end tests start programs on a small machine: one at a time within a file.
  cargo test "${scope[@]}" --no-fail-fast "$@" -- --test-threads=1 2>&1 | tee "$log"
  rc=${PIPESTATUS[0]}
  pattern='^test result:'
  passed=$(sum "$pattern" passed)
  failed=$(sum "$pattern" failed)
fi
# A run that never got to its tests (a build error) must not read as "0 failed".
if [ "$rc" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
printf '%s passed, %s failed\n' "$passed" "$failed"
exit "$rc"
