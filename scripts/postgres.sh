#!/usr/bin/env bash
# A throw-away PostgreSQL for tests: its own cluster, its own port, no durability.
#
#   scripts/postgres.sh up DIR      makes and starts a cluster in the existing, empty DIR; prints its URL,
#                                   postgres://underlay@127.0.0.1:PORT/underlay
#   scripts/postgres.sh down DIR    stops it and removes the cluster; fine when it is already gone
#
# It listens on a free loopback port and on a unix socket in DIR, and trusts local connections.
# PostgreSQL refuses to run as root, so root runs it as `postgres`, or else as `nobody`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

bin_dir() {
    local newest
    newest=$(find /usr/lib/postgresql/*/bin -name initdb 2>/dev/null | sort -V | tail -1)
    [ -n "$newest" ] || newest=$(command -v initdb) || die "PostgreSQL is not installed; run: scripts/setup.sh postgres"
    dirname "$newest"
}

# Runs a command as the cluster's user.
as_owner() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
    elif id -u postgres >/dev/null 2>&1; then
        (cd / && runuser -u postgres -- "$@")
    else
        (cd / && runuser -u nobody -- "$@")
    fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
    as_owner "$bin/pg_ctl" -s -w -D "$1/data" -l "$1/data.log" \
        -o "-p $2 -k $1 -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200" start
}

up() {
    local dir bin port try
    dir=$(cd "$1" && pwd)
    bin=$(bin_dir)
    [ "$(id -u)" != 0 ] || chown "$(as_owner id -u)" "$dir"
    as_owner "$bin/initdb" -D "$dir/data" -U underlay -A trust -E UTF8 --no-locale --no-sync >/dev/null
    # The port is free when chosen, not reserved: another process may be faster.
    for try in 1 2 3; do
        port=$(free_port)
        if start "$dir" "$port" >&2; then
            "$bin/createdb" -h "$dir" -p "$port" -U underlay underlay
            printf 'postgres://underlay@127.0.0.1:%s/underlay\n' "$port"
            return 0
        fi
        say "port $port was taken (try $try)"
    done
    die "PostgreSQL did not start; see $dir/data.log"
}

down() {
    local dir bin
    dir=$(cd "$1" && pwd) || return 0
    [ -d "$dir/data" ] || return 0
    bin=$(bin_dir)
    [ ! -e "$dir/data/postmaster.pid" ] || as_owner "$bin/pg_ctl" -s -m immediate -D "$dir/data" stop >&2
    rm -rf "$dir/data" "$dir/data.log"
}

case ${1:-} in
up | down) [ -n "${2:-}" ] || die "usage: postgres.sh up DIR | down DIR" ;;
*) die "usage: postgres.sh up DIR | down DIR" ;;
esac
"$@"
