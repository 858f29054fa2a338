#!/usr/bin/env bash
# Prints the paths of the Debian packages with firmware for network and storage cards, one a line, fetched once into the
# cache and verified by apt's own signatures. Debian keeps them in the section non-free-firmware, which this asks for by
# itself: nothing is added to the system's own list of sources.
#
#   scripts/firmware.sh    DEBIAN_MIRROR names another mirror than that of the system's list
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
suite=bookworm
packages=(firmware-bnx2x firmware-qlogic firmware-misc-nonfree)
store=$UNDERLAY_CACHE/firmware/$suite

fetch() {
    local work=$1 mirror options
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" | head -n 1)}
    [ -n "$mirror" ] || die "apt knows no Debian $suite; name one with DEBIAN_MIRROR"
    mkdir -p "$work"/{out,lists/partial}
    printf 'deb %s %s non-free-firmware\n' "$mirror" "$suite" >"$work/sources.list"
    options=(-qq -o APT::Sandbox::User=root -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=")
    apt-get "${options[@]}" update
    (cd "$work/out" && apt-get "${options[@]}" download "${packages[@]}")
}

need apt-get base
once "$store" fetch
printf '%s\n' "$store"/*.deb
