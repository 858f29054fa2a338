#!/usr/bin/env bash
# Runs every test that CI runs, in levels, fast ones first, and says per level how long it took.
#
#   scripts/test.sh [LEVEL...]     default: all, in this order
#
#   lint       rustfmt, clippy on everything, deny.toml where cargo-deny is there
#   unit       every crate's own tests: fake core, drivers, parsers, controllers, the agent in QEMU
#   fuzz       random input for whatever reads what others wrote, side by side: a minute each in CI, seconds elsewhere
#   databases  store and engine on SQLite and on a throw-away PostgreSQL
#   acceptance the provider under the real terraform, then under tofu
#   metal      network boot in QEMU: BIOS, UEFI, power through Redfish, IPMI and by hand, kill -9 of the server, unknown machines
#
# A level that this machine cannot run is named with the reason and skipped; under CI=true that fails.
# To add one: a function `level_NAME`, one `can_NAME` that prints why not (nothing when it can), and a
# word in LEVELS. Each level is run by itself, so it may use `set -e` and traps as if it were a script.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
self=$PWD/scripts/test.sh

CARGO_DENY=0.20.2
LEVELS=(lint unit fuzz databases acceptance metal)
# Tests of the package underlay-tests that need more than cargo, by level.
ACCEPTANCE=(acceptance brakes pools profiles forty import steps)
METAL=(adopted cleaning boot_uefi signed measured kill boot_bios machines redfish media ipmi manual frozen unknown taken_over full_ramdisk)

setup() { scripts/setup.sh "$@"; }

install_cargo_deny() { cargo install --quiet --locked --version "$CARGO_DENY" --root "$1/out" cargo-deny; }

# Whoever has it uses theirs. Building it takes minutes, so only CI does, once.
cargo_deny() {
    local kept=$UNDERLAY_CACHE/cargo-deny/$CARGO_DENY
    local program=$kept/bin/cargo-deny
    [ "${CI:-}" != true ] || once "$kept" install_cargo_deny
    [ -x "$program" ] || program=cargo-deny
    have "$program" || { say "cargo-deny is not installed, deny.toml is not checked here"; return; }
    "$program" --log-level warn check bans licenses sources
}

can_lint() { :; }
level_lint() {
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --quiet -- -D warnings
    cargo_deny
}

can_unit() { :; }
level_unit() {
    # Tests say by themselves what they lack and skip; CI lacks nothing.
    if [ "${CI:-}" = true ]; then
        setup metal redfish terraform ironic seeds postgres faults
        UNDERLAY_RAMDISK=$(scripts/ramdisk.sh)
        export UNDERLAY_RAMDISK
    fi
    TF_BIN=${TF_BIN:-$(command -v terraform || scripts/tofu.sh)}
    export TF_BIN
    cargo build --quiet -p tfplugin --examples
    cargo test --workspace --exclude underlay-tests --exclude underlay-store --exclude underlay-engine --quiet
    local file name args=(--lib)
    for file in tests/tests/*.rs tests/tests/*/main.rs; do
        name=${file#tests/tests/}
        name=${name%/main.rs}
        name=${name%.rs}
        case " * ${ACCEPTANCE[*]} ${METAL[*]} leftovers " in *" $name "*) ;; *) args+=(--test "$name") ;; esac
    done
    cargo test -p underlay-tests --quiet "${args[@]}"
}

can_fuzz() { :; }
level_fuzz() {
    [ "${CI:-}" = true ] || export FUZZ_SECONDS=${FUZZ_SECONDS:-5} PROPTEST_CASES=${PROPTEST_CASES:-500}
    scripts/fuzz.sh --at-once dhcp tftp http iso redfish ipmi inventory dmi lldp smart tpm events quote
}

# run_tests NAME...: runs these test files of underlay-tests; one that is not written yet is an error.
run_tests() {
    local name args=()
    for name in "$@"; do
        args+=(--test "$name")
    done
    cargo test -p underlay-tests "${args[@]}" -- --nocapture
}

# run_side_by_side NAME...: the same, as many at a time as there are processors for: a file has two, and runs two of its tests
# at a time. Longest first. What each said is shown when it has ended; one that fails fails all.
run_side_by_side() {
    local name lanes args=()
    lanes=$(($(nproc) / 2))
    for name in "$@"; do
        args+=(--test "$name")
    done
    cargo test -p underlay-tests --quiet --no-run "${args[@]}"
    said=$(mktemp -d)
    trap 'rm -rf "$said"' EXIT
    trap 'exit 130' INT TERM
    printf '%s\n' "$@" | xargs -P "$((lanes > 0 ? lanes : 1))" -I NAME bash "$self" --one NAME "$said"
    rm -rf "$said"
}

# run_one NAME DIRECTORY: one of them; what it says goes through a file there, so that nothing is mixed.
run_one() {
    local began=$SECONDS ended=0
    cargo test -p underlay-tests --test "$1" -- --nocapture --test-threads 2 >"$2/$1" 2>&1 || ended=$?
    printf 'file %s: ended with %d after %d s\n' "$1" "$ended" $((SECONDS - began)) >>"$2/$1"
    cat "$2/$1"
    [ "$ended" = 0 ]
}

can_databases() { reachable postgres postgres; }
level_databases() {
    setup postgres
    postgres_dir=$(mktemp -d)
    trap 'scripts/postgres.sh down "$postgres_dir"; rm -rf "$postgres_dir"' EXIT
    trap 'exit 130' INT TERM
    UNDERLAY_TEST_POSTGRES=$(scripts/postgres.sh up "$postgres_dir")
    export UNDERLAY_TEST_POSTGRES
    cargo test -p underlay-store -p underlay-engine --quiet
}

# Under terraform and under tofu; both at once where there are processors for it, since each waits for machines most of the
# time.
can_acceptance() { :; }
level_acceptance() {
    local binary binaries lanes
    setup terraform
    cargo build --quiet -p underlay -p terraform-provider-underlay
    mapfile -t binaries < <(have terraform && command -v terraform; scripts/tofu.sh)
    lanes=$(($(nproc) / 2))
    cargo test -p underlay-tests --quiet --no-run "${ACCEPTANCE[@]/#/--test=}"
    said=$(mktemp -d)
    trap 'rm -rf "$said"' EXIT
    trap 'exit 130' INT TERM
    printf '%s\n' "${binaries[@]}" | xargs -P "$((lanes > 0 ? lanes : 1))" -I BINARY bash "$self" --under BINARY "$said"
    rm -rf "$said"
}

# run_under BINARY DIRECTORY: the acceptance tests with that program; what they say goes through a file there.
run_under() {
    local ended=0 file
    file=$(mktemp "$2/XXXXXX")
    TF_BIN=$1 run_tests "${ACCEPTANCE[@]}" >"$file" 2>&1 || ended=$?
    printf 'with %s\n' "$1"
    cat "$file"
    [ "$ended" = 0 ]
}

can_metal() {
    [ "$(id -u)" = 0 ] || { echo "network namespaces need root"; return; }
    [ -e /dev/net/tun ] || { echo "there is no /dev/net/tun"; return; }
    reachable qemu metal
}
level_metal() {
    setup metal redfish
    cargo build --quiet -p underlay
    UNDERLAY_RAMDISK=$(scripts/ramdisk.sh)
    export UNDERLAY_RAMDISK
    # Each segment is a namespace of its own, so they run side by side; leftovers looks behind the others.
    run_side_by_side "${METAL[@]}"
    run_tests leftovers
}

# reachable WHAT LEVEL: silent when the packages of LEVEL are there or can be installed without a prompt.
reachable() {
    [ "$(id -u)" != 0 ] || return 0
    scripts/setup.sh --check "$2" >/dev/null 2>&1 && return 0
    sudo -n true 2>/dev/null || echo "$1 is not installed and this user cannot install it: scripts/setup.sh $2"
}

# run LEVEL: prints its heading, its time, and stops the script when it fails.
run() {
    local level=$1 why began=$SECONDS
    why=$("can_$level")
    if [ -n "$why" ]; then
        printf 'level %s: skipped (%s)\n' "$level" "$why"
        [ "${CI:-}" != true ] || die "level $level may not be skipped under CI=true"
        return 0
    fi
    printf '\nlevel %s\n' "$level"
    bash "$self" --in "$level" || die "level $level failed after $((SECONDS - began)) s"
    printf 'level %s: passed in %d s\n' "$level" $((SECONDS - began))
}

if [ "${1:-}" = --one ]; then
    run_one "$2" "$3"
    exit
fi
if [ "${1:-}" = --under ]; then
    run_under "$2" "$3"
    exit
fi
if [ "${1:-}" = --in ]; then
    "level_$2"
    exit
fi
[ $# -gt 0 ] || set -- "${LEVELS[@]}"
scripts/setup.sh base
for level in "$@"; do
    declare -F "level_$level" >/dev/null || die "no level named $level; levels: ${LEVELS[*]}"
    run "$level"
done
printf '\nall levels done in %d s\n' "$SECONDS"
