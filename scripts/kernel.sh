#!/usr/bin/env bash
# Prints the path of the Debian kernel package that the agent's ramdisk is made from, fetched once into
# the cache and verified by apt's own signatures.
#
#   scripts/kernel.sh [FLAVOUR]    cloud-amd64 (virtual machines, default) or amd64 (real hardware)
#
# The version is the one apt would install now; `underlay ramdisk build --kernel-deb PATH` takes the file.
# Offline, the newest package fetched before is used.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
flavour=${1:-cloud-amd64}
store=$UNDERLAY_CACHE/kernels

# The package that the flavour's metapackage depends on, as NAME VERSION; the version is of one source.
newest() {
    apt-cache show --no-all-versions "linux-image-$flavour" |
        sed -n 's/^Depends:.*\(linux-image-[^ ,]*\) (= \([^)]*\)).*/\1 \2/p' | head -1
}

fetch() {
    local work=$1 name=$2 version=$3
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$name=$version")
    mv "$work/$name"_*.deb "$work/out"
}

need apt-get base
read -r name version < <(newest) || true
if [ -z "${name:-}" ]; then
    kept=$(find "$store" -name "linux-image-*-${flavour}_*.deb" 2>/dev/null | sort -V | tail -1)
    [ -n "$kept" ] || die "apt knows no linux-image-$flavour; run: apt-get update"
    printf '%s\n' "$kept"
    exit 0
fi
deb=$store/${name}_${version//[^A-Za-z0-9.+~-]/_}.deb
once "$deb" fetch "$name" "$version"
printf '%s\n' "$deb"
