#!/usr/bin/env bash
# What Ironic takes to bring machines from enrolled to active: the peer of the fleet benchmark.
#
#   scripts/peers/ironic.sh [N] [AT_ONCE]     default: 300 machines, 16 requests under way at a time
#
# On stdout one line of JSON, on stderr everything else:
#   {"machines":300,"wall_s":..,"cpu_s":..,"db_cpu_s":..,"peer":"ironic X fake-hardware, mariadb Y"}
# cpu_s is that of Ironic's processes, db_cpu_s that of MariaDB; what they take to start is in neither.
#
# Ironic is one process with API and conductor and no message bus, the setting that costs it least, and its machines are
# of `fake-hardware`, which do everything at once. Both daemons are this run's alone, on unix sockets in a directory that
# goes with it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../cache.sh"
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
peer=$scripts/peers/ironic

machines=${1:-300}
at_once=${2:-16}
[[ $machines =~ ^[1-9][0-9]*$ && $at_once =~ ^[1-9][0-9]*$ ]] || die "usage: ironic.sh [N] [AT_ONCE]"

"$scripts/setup.sh" ironic mariadb 1>&2
venv=$UNDERLAY_CACHE/venv/ironic-$(digest "$peer/requirements.txt")
export PYTHONWARNINGS=ignore

dir=$(mktemp -d)
ironic='' mariadb='' client=''
stop() {
    [ -z "$client" ] || kill "$client" 2>/dev/null || true
    # Ironic's worker outlives the process that started it, so all of its group is ended.
    [ -z "$ironic" ] || kill -KILL -- "-$ironic" "$ironic" 2>/dev/null || true
    [ -z "$mariadb" ] || kill -KILL "$mariadb" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

# await PID LOG COMMAND...: until COMMAND succeeds; fails after a minute, or when the process ends.
await() {
    local pid=$1 log=$2
    shift 2
    for _ in {1..600}; do
        kill -0 "$pid" 2>/dev/null || break
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    tail -n 20 "$log" >&2
    die "in vain: $*"
}

sql() { mariadb --no-defaults --socket="$dir/db.sock" --user=root --batch --skip-column-names --execute="$1"; }

# Durable as it comes: innodb_flush_log_at_trx_commit is 1 by default.
mkdir "$dir/tmp"
mariadb-install-db --no-defaults --datadir="$dir/data" --user="$(id -un)" --auth-root-authentication-method=normal \
    --skip-test-db >"$dir/mariadb.log" 2>&1 || { cat "$dir/mariadb.log" >&2; die "mariadb-install-db failed"; }
mariadbd --no-defaults --user="$(id -un)" --datadir="$dir/data" --socket="$dir/db.sock" --pid-file="$dir/db.pid" \
    --tmpdir="$dir/tmp" --skip-networking --innodb-buffer-pool-size=512M --max-connections=500 \
    </dev/null >>"$dir/mariadb.log" 2>&1 &
mariadb=$!
await "$mariadb" "$dir/mariadb.log" sql 'select 1'
sql 'create database ironic character set utf8mb3'

connection="mysql+pymysql://root@localhost/ironic?unix_socket=$dir/db.sock\\&charset=utf8mb3"
sed "s|@DIR@|$dir|; s|@CONNECTION@|$connection|" "$peer/ironic.conf" >"$dir/ironic.conf"
"$venv/bin/python" "$venv/bin/ironic-dbsync" --config-file "$dir/ironic.conf" create_schema >"$dir/out.log" 2>&1 || {
    tail -n 20 "$dir/out.log" >&2
    die "Ironic's schema could not be made"
}
setsid "$venv/bin/python" "$venv/bin/ironic" --config-file "$dir/ironic.conf" </dev/null >"$dir/out.log" 2>&1 &
ironic=$!
await "$ironic" "$dir/ironic.log" curl -sf --unix-socket "$dir/api.sock" http://ironic/v1/drivers/fake-hardware

version="ironic $(sed -n "s/^ironic==//p" "$peer/requirements.txt")"
version="$version fake-hardware, mariadb $(sql 'select version()')"
say "$version: $machines machines, $at_once requests at a time; load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
# In the background, so that a signal to this script is not kept waiting.
"$venv/bin/python" "$peer/fleet.py" --socket "$dir/api.sock" --machines "$machines" --at-once "$at_once" \
    --group "$ironic" --database "$mariadb" --peer "$version" &
client=$!
if ! wait "$client"; then
    client=
    tail -n 20 "$dir/ironic.log" >&2
    die "the run failed"
fi
