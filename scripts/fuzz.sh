#!/usr/bin/env bash
# Feeds random input to everything that reads what others wrote, for minutes where `make test` takes seconds.
#
#   scripts/fuzz.sh [--at-once] [TARGET...]    default: all, one after the other; FUZZ_SECONDS (60) is the time of each
#
# Random input is noise, and good messages (server/metal/corpus) with bytes lost, changed, doubled and mixed up.
# These are the property tests that `make test` runs too, repeated with fresh seeds until the time is up. A failure is
# shrunk and printed, with its seed. Fuzzing guided by coverage (cargo-fuzz) needs a nightly compiler, which is not part
# of this project's tools.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
FUZZ_SECONDS=${FUZZ_SECONDS:-60}
export PROPTEST_CASES=${PROPTEST_CASES:-20000}

# target: the package, what of it (--lib or --test NAME), and the tests whose names hold this.
declare -A targets=(
    [dhcp]="underlay-metal --lib dhcp::tests::malformed"
    [dhcp-answers]="underlay-metal --lib dhcp::probe::tests"
    [tftp]="underlay-metal --lib tftp::tests"
    [http]="underlay-metal --lib http::tests::hostile"
    [iso]="underlay-metal --lib http::iso::tests::hostile"
    [http-range]="underlay-metal --lib http::ranges::tests"
    [redfish]="underlay-metal --lib bmc::redfish::tests::hostile"
    [ipmi]="underlay-metal --lib bmc::ipmi::tests::parts"
    [msgpack]="tfplugin --lib cty::msgpack::tests"
    [qcow2]="underlay-image --lib qcow2::tests"
    [segment]="underlay-image --lib segment::tests"
    [formats]="underlay-image --test formats"
    [deb]="underlay-cli --lib ramdisk::tests::hostile"
    [wire]="underlay-api --lib convert::tests"
    [inventory]="underlay-api --lib convert::inventory::tests"
    [dmi]="underlay-agent --lib inventory::dimms::tests"
    [smart]="underlay-agent --lib inventory::health"
    [tpm]="underlay-agent --lib tpm::tests"
    [events]="underlay-agent --lib tpm::log::tests"
    [quote]="underlay-api --lib attest::tests"
    [lldp]="underlay-agent --lib net::lldp::tests"
)

fuzz() {
    local name=$1 what began rounds=0 log
    read -ra what <<<"${targets[$name]}"
    log=$(mktemp)
    cargo test --quiet --no-run -p "${what[@]}"
    began=$SECONDS
    while [ $((SECONDS - began)) -lt "$FUZZ_SECONDS" ]; do
        cargo test -p "${what[@]}" >"$log" 2>&1 || { cat "$log"; die "$name failed in round $((rounds + 1))"; }
        grep -q '[1-9][0-9]* passed' "$log" || die "$name runs no test: ${targets[$name]}"
        rounds=$((rounds + 1))
    done
    printf '%-10s %3d rounds in %d s, nothing found\n' "$name" "$rounds" $((SECONDS - began))
    rm -f "$log"
}

at_once='' running=()
[ "${1:-}" != --at-once ] || { at_once=yes; shift; }
[ $# -gt 0 ] || mapfile -t chosen < <(printf '%s\n' "${!targets[@]}" | sort)
[ $# -eq 0 ] || chosen=("$@")
for name in "${chosen[@]}"; do
    [ -n "${targets[$name]:-}" ] || die "no target named $name; targets: ${!targets[*]}"
    if [ -n "$at_once" ]; then
        fuzz "$name" &
        running+=($!)
    else
        fuzz "$name"
    fi
done
failed=0
for one in "${running[@]}"; do
    wait "$one" || failed=1
done
exit "$failed"
