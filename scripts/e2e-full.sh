#!/usr/bin/env bash
# Runs what is too slow for every run, each part with its real numbers. docs/long-runs.md says what came of it last.
#
#   scripts/e2e-full.sh [PART...]    default: all, in this order
#
#   lives    random lives of machines until a million faults were injected (UNDERLAY_FAULTS, UNDERLAY_SEED)
#   kills    200 deaths of the server during 200 simulated deployments (UNDERLAY_KILLS, UNDERLAY_SEED)
#   servers  two servers on one PostgreSQL, of which each dies
#   pace     the simulated rack at the pace of metal
#   debian   whole deployments of Debian in a network namespace: the server killed every few seconds, on PostgreSQL, by IPMI,
#            by UEFI HTTP Boot, by virtual media, and with volumes on four disks
#
# Needs root, like the `metal` level of test.sh. A part in which no test ran is a failure.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PARTS=(lives kills servers pace debian)

setup() { scripts/setup.sh base "$@"; }

# tests PACKAGE TARGET... FILTER: runs those tests, ignored ones too; none is an error.
tests() {
    local log
    log=$(mktemp)
    cargo test -p "$1" "${@:2:$#-2}" -- "${@: -1}" --include-ignored --nocapture --test-threads 1 2>&1 | tee "$log"
    grep -q '[1-9][0-9]* passed' "$log" || die "no test ran"
    rm -f "$log"
}

part_lives() {
    setup
    UNDERLAY_FAULTS=${UNDERLAY_FAULTS:-1000000} UNDERLAY_EVENTS=${UNDERLAY_EVENTS:-300} \
        tests underlay-metal --release --lib machine::tests::random::lives::whatever
}
part_kills() {
    setup
    UNDERLAY_KILLS=${UNDERLAY_KILLS:-200} tests underlay-tests --test simulator kills::
}
part_servers() {
    setup postgres
    tests underlay-tests --test simulator servers::
}
part_pace() {
    setup faults
    tests underlay-tests --test simulator pace::
}
part_debian() {
    [ "$(id -u)" = 0 ] || die "network namespaces need root"
    setup metal redfish postgres
    tests underlay-tests --test slow debian
}

[ $# -gt 0 ] || set -- "${PARTS[@]}"
for part in "$@"; do
    declare -F "part_$part" >/dev/null || die "no part named $part; parts: ${PARTS[*]}"
    began=$SECONDS
    printf '\npart %s\n' "$part"
    "part_$part"
    printf 'part %s: passed in %d s\n' "$part" $((SECONDS - began))
done
