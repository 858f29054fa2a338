#!/usr/bin/env bash
# Prints the path of the test image's root file system as a directory tree, unpacked once into the cache: a Debian that
# systemd-nspawn boots, for tests of what lives on a system that is installed already.
#
#   scripts/debian-tree.sh    .../trees/debian-12-0123456789ab
#
# It is the image of debian-image.sh, read without mounting anything; cloud-init is switched off in it, since nothing is to
# be set up. Needs root, for the owners of files.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

image=$("$scripts/debian-image.sh")
tree=$UNDERLAY_CACHE/trees/$(basename "$(dirname "$image")")

unpack() {
    local disk=$1/disk.raw start
    zstd -q -d --sparse "$image" -o "$disk"
    # The root is the last partition.
    start=$(sfdisk -J "$disk" | jq '.partitiontable.partitions[-1].start')
    mkdir "$1/out"
    debugfs -R "rdump / $1/out" "$disk?offset=$((start * 512))" 2>"$1/said" || { cat "$1/said" >&2; return 1; }
    rm -f "$disk"
    touch "$1/out/etc/cloud/cloud-init.disabled"
    rmdir "$1/out/lost+found"
    # debugfs does not bring sticky and set-user-id bits along.
    chmod 1777 "$1/out/tmp" "$1/out/var/tmp"
    chmod u+s "$1/out/usr/bin/sudo"
}

if [ ! -d "$tree" ]; then
    [ "$(id -u)" = 0 ] || die "unpacking a system's root needs root"
    for tool in zstd sfdisk jq debugfs; do
        need "$tool" metal
    done
    once "$tree" unpack
fi
printf '%s\n' "$tree"
