#!/usr/bin/env bash
# Prints the path of a Debian package that is taken apart and not installed, fetched once into the cache and verified by apt's
# own signatures. Offline, the newest one fetched before is used.
#
#   scripts/package.sh NAME
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
[ $# = 1 ] || die "usage: package.sh NAME"
name=$1
store=$UNDERLAY_CACHE/packages

fetch() {
    (cd "$1" && apt-get -qq -o APT::Sandbox::User=root download "$name=$2")
    mv "$1/$name"_*.deb "$1/out"
}

need apt-get base
version=$(apt-cache show --no-all-versions "$name" 2>/dev/null | sed -n 's/^Version: //p' | head -n 1)
if [ -z "$version" ]; then
    kept=$(find "$store" -name "$name-*.deb" 2>/dev/null | sort -V | tail -n 1)
    [ -n "$kept" ] || die "apt knows no $name; run: apt-get update"
    printf '%s\n' "$kept"
    exit 0
fi
deb=$store/$name-${version//[^A-Za-z0-9.+~-]/_}.deb
once "$deb" fetch "$version"
printf '%s\n' "$deb"
