#!/usr/bin/env bash
# A boot segment of its own: a network namespace with a bridge, cut off from every other network.
#
#   scripts/netns.sh up NAME [TAP...]    namespace NAME; br0 has 10.77.0.1/24 and fd00:77::1/64;
#                                        each TAP is a tap device on the bridge, for a QEMU in there
#   scripts/netns.sh down NAME           removes it with all it holds; fine when it is already gone
#
# Needs root. Put a pid into NAME, and run what belongs to the segment with `ip netns exec NAME ...`.
# Addresses are the same in each namespace, so tests run side by side.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

up() {
    local name=$1 tap
    shift
    ip netns add "$name"
    ip -n "$name" link set lo up
    ip -n "$name" link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    ip netns exec "$name" sysctl -qw net.ipv6.conf.br0.accept_dad=0 net.ipv6.conf.br0.accept_ra=0
    ip -n "$name" address add 10.77.0.1/24 dev br0
    ip -n "$name" address add fd00:77::1/64 dev br0 nodad
    ip -n "$name" link set br0 up
    for tap in "$@"; do
        ip -n "$name" tuntap add "$tap" mode tap
        ip -n "$name" link set "$tap" master br0 up
    done
}

down() {
    [ ! -e "/run/netns/$1" ] || ip netns delete "$1"
}

[ "$(id -u)" = 0 ] || die "a network namespace needs root"
need ip metal
case ${1:-} in
up | down) [ -n "${2:-}" ] || die "usage: netns.sh up NAME [TAP...] | down NAME" ;;
*) die "usage: netns.sh up NAME [TAP...] | down NAME" ;;
esac
"$@"
