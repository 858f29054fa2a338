#!/usr/bin/env bash
# Runs what is too slow for every run: whole deployments of Debian in a network namespace, with a server that is killed
# every few seconds, and with the store on PostgreSQL.
#
#   scripts/e2e-full.sh [FILTER]    only the tests whose names hold FILTER
#
# These are the tests in tests/tests/slow.rs. Needs root, like the `metal` level of test.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "$(id -u)" = 0 ] || die "network namespaces need root"
scripts/setup.sh base metal postgres
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test -p underlay-tests --test slow -- --ignored --nocapture --test-threads 1 "$@" 2>&1 | tee "$log"
grep -q '[1-9][0-9]* passed' "$log" || die "no test is that slow${1:+ and named $1}"
