#!/usr/bin/env bash
# Prints a directory with the programs of the network servers' peers, out of the distribution's own packages.
#
#   scripts/peers.sh
#
# The packages are unpacked into the cache and not installed: no daemon of theirs is started, two that exclude each other
# lie side by side, and nothing of them is on PATH. What their programs link to comes with `setup.sh network`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

PACKAGES=(kea-dhcp4-server tftpd-hpa atftpd nginx wrk libluajit-5.1-2)
PROGRAMS=(usr/sbin/kea-dhcp4 usr/sbin/in.tftpd usr/sbin/atftpd usr/sbin/nginx usr/bin/wrk)

unpack() {
    local work=$1 package program
    mkdir "$work/out" "$work/packages"
    cd "$work/packages"
    apt-get -qq -o APT::Sandbox::User=root download "${PACKAGES[@]}"
    for package in *.deb; do
        dpkg-deb --extract "$package" "$work/out"
    done
    for program in "${PROGRAMS[@]}"; do
        [ -x "$work/out/$program" ] || die "none of ${PACKAGES[*]} holds $program"
    done
}

have apt-get || die "the peers come out of Debian packages, and this machine has no apt-get"
peers=$UNDERLAY_CACHE/peers/$(apt-cache show --no-all-versions "${PACKAGES[@]}" | grep '^Version:' | sha256sum | cut -c1-12)
once "$peers" unpack
echo "$peers"
