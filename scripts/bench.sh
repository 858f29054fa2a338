#!/usr/bin/env bash
# Prints the figures that the project holds itself to, each beside its peer, measured in turn in one run.
#
#   scripts/bench.sh [provider] [agent] [network] [fleet]    default: all
#
#   provider   start, memory, and plans and refreshes of 1, 100 and 1000 machines beside the built-in terraform_data
#   agent      image write beside `zstd -dc | tee >(b3sum) | dd oflag=direct`
#   network    DHCP beside Kea, TFTP beside tftpd-hpa, atftpd and dnsmasq, HTTP beside nginx, in network namespaces of
#              the run; needs root. BENCH_FIGURES="dhcp flood tftp http" chooses, BENCH_ROUNDS=3 says how often
#   fleet      simulated machines from enrolled to active, and at rest: CPU, memory and database reads of the server.
#              BENCH_MACHINES=1000 says how many. The peer is Ironic with as many, measured before ours; BENCH_IRONIC=FILE
#              names what it took in a run of its own, BENCH_IRONIC=none leaves it out
#
# Programs are of the release profile. The machine should be idle otherwise: ratios survive load, times do not.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
B3SUM_VERSION=1.8.7

bench_provider() {
    scripts/setup.sh base terraform
    TF_BIN=${TF_BIN:-$(command -v terraform || scripts/tofu.sh)}
    export TF_BIN UNDERLAY UNDERLAY_PROVIDER=$CARGO_TARGET_DIR/release/terraform-provider-underlay
    cargo build --quiet --release -p terraform-provider-underlay
    cargo bench --quiet -p underlay-tests --bench provider
}

install_b3sum() { cargo install --quiet --locked --version "$B3SUM_VERSION" --root "$1/out" b3sum; }

# The image is imported into a server of this run, which re-encodes it; the agent fetches it from there.
bench_agent() {
    local id json
    scripts/setup.sh base metal
    once "$UNDERLAY_CACHE/b3sum/$B3SUM_VERSION" install_b3sum
    UNDERLAY_AGENT=$(scripts/agent.sh)
    BENCH_IMAGE=$(scripts/debian-image.sh)
    export UNDERLAY_AGENT BENCH_IMAGE B3SUM=$UNDERLAY_CACHE/b3sum/$B3SUM_VERSION/bin/b3sum
    data=$(mktemp -d)
    trap 'stop_server; rm -rf "$data"' EXIT
    trap 'exit 130' INT TERM
    "$UNDERLAY" serve --data "$data" --listen 127.0.0.1:0 --boot-listen 127.0.0.1:0 \
        --metrics-listen 127.0.0.1:0 >"$data/log" 2>&1 &
    export BENCH_SERVER_PID=$!
    await 'the server' test -e "$data/addresses"
    . "$data/addresses"
    export UNDERLAY_ENDPOINT=unix://$data/api.sock
    id=$("$UNDERLAY" image import --name bench "$BENCH_IMAGE" 2>/dev/null)
    await 'the import' imported
    json=$("$UNDERLAY" get image/bench -o json)
    BENCH_SIZE=$(zstd -dc "$BENCH_IMAGE" | wc -c)
    BENCH_DIGEST=$(jq -r .status.manifest_digest <<<"$json")
    BENCH_MANIFEST=http://127.0.0.1:$UNDERLAY_BOOT_PORT/v1/images/${id#*@sha256:}/manifest.json
    BENCH_DATA=http://127.0.0.1:$UNDERLAY_BOOT_PORT/v1/images/${id#*@sha256:}/data
    export BENCH_SIZE BENCH_DIGEST BENCH_MANIFEST BENCH_DATA
    cargo bench --quiet -p underlay-tests --bench agent
}

bench_network() {
    [ "$(id -u)" = 0 ] || die "the network figures need root, for network namespaces and the real-time scheduler"
    scripts/setup.sh base network
    BENCH_PEERS=$(scripts/peers.sh)
    export BENCH_PEERS UNDERLAY
    cargo bench --quiet -p underlay-tests --bench network
}

bench_fleet() {
    local peer
    ulimit -n "$(ulimit -Hn)"
    case ${BENCH_IRONIC-} in
    none) unset BENCH_IRONIC ;;
    '')
        peer=$(mktemp)
        # shellcheck disable=SC2064 # the file of now
        trap "rm -f '$peer'" EXIT
        scripts/peers/ironic.sh "${BENCH_MACHINES:-1000}" | tee "$peer"
        export BENCH_IRONIC=$peer
        ;;
    esac
    UNDERLAY_BIN=$UNDERLAY cargo bench --quiet -p underlay-tests --bench fleet
}

imported() { [ "$("$UNDERLAY" get image/bench -o json | jq -r .standing.phase)" = ready ]; }

# await WHAT COMMAND...: until COMMAND succeeds; fails after a minute, or when the server ends.
await() {
    local what=$1
    shift
    for _ in {1..600}; do
        kill -0 "$BENCH_SERVER_PID" 2>/dev/null || break
        "$@" && return
        sleep 0.1
    done
    cat "$data/log" >&2
    die "no sign of $what"
}

stop_server() {
    [ -z "${BENCH_SERVER_PID:-}" ] || { kill "$BENCH_SERVER_PID" && wait "$BENCH_SERVER_PID"; } 2>/dev/null || true
}

UNDERLAY=$CARGO_TARGET_DIR/release/underlay
[ $# -gt 0 ] || set -- provider agent network fleet
cargo build --quiet --release -p underlay
printf 'load before: %s, %s CPUs\n' "$(cut -d ' ' -f 1-3 /proc/loadavg)" "$(nproc)"
for figure in "$@"; do
    declare -F "bench_$figure" >/dev/null || die "no figures named $figure; there are: provider agent network fleet"
    "bench_$figure"
done
