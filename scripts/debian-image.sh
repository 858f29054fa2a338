#!/usr/bin/env bash
# Prints the path of the demo's Debian 12 image, built once into the cache by mmdebstrap.
#
#   scripts/debian-image.sh            .../images/debian-12-0123456789ab/debian-12.raw.zst
#   scripts/debian-image.sh storage    the same with lvm2 and mdadm in it, for machines that have volumes
#
# Beside it lies debian-12.raw.zst.sha256 in the format of sha256sum. The image is a raw GPT disk that
# BIOS and UEFI boot, with systemd, openssh-server, cloud-init and netplan; its root is the last
# partition and grows at first boot. It carries no host keys, no machine id, no user and no password.
#
# Needs the `metal` level of setup.sh. As an ordinary user it works in a user namespace
# (a range in /etc/subuid and unprivileged namespaces), as root it needs none.
# DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR, both set, name other mirrors than mmdebstrap's own choice.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
parts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/image

# Without a source mmdebstrap takes Debian's own, with updates and security.
SOURCES=()
if [ -n "${DEBIAN_MIRROR:-}" ] && [ -n "${DEBIAN_SECURITY_MIRROR:-}" ]; then
    SOURCES=("deb $DEBIAN_MIRROR bookworm main" "deb $DEBIAN_MIRROR bookworm-updates main"
        "deb $DEBIAN_SECURITY_MIRROR bookworm-security main")
fi
PACKAGES=(
    systemd-sysv systemd-resolved udev dbus linux-image-cloud-amd64 initramfs-tools zstd e2fsprogs kmod
    openssh-server sudo curl ca-certificates iproute2 iputils-ping netplan.io
    cloud-init cloud-guest-utils
)
flavour=${1:-}
case $flavour in
'') ;;
storage) PACKAGES+=(lvm2 mdadm) ;;
*) die "usage: debian-image.sh [storage]" ;;
esac

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        unshare --map-root-user --map-auto "$@"
    fi
}

build() {
    local work=$1 mode=root
    [ "$(id -u)" = 0 ] || mode=unshare
    say "building the Debian 12 image, once; this takes a minute or two"
    mmdebstrap --quiet --mode=$mode --variant=minbase --include="${PACKAGES[*]}" \
        --essential-hook="sync-in '$parts/root' /" \
        --customize-hook="$(cat "$parts/customize.sh")" \
        bookworm "$work/root.tar" "${SOURCES[@]}"
    as_root "$parts/disk.sh" "$work/root.tar" "$work/debian-12.raw"
    mkdir "$work/out"
    zstd -q -10 -T0 "$work/debian-12.raw" -o "$work/out/debian-12.raw.zst"
    (cd "$work/out" && sha256sum debian-12.raw.zst >debian-12.raw.zst.sha256)
}

key=$(cd "$parts/.." && { echo debian-image.sh; find image -type f | sort; } | xargs sha256sum | sha256sum | cut -c1-12)
image=$UNDERLAY_CACHE/images/debian-12-$key${flavour:+-$flavour}
if [ ! -d "$image" ]; then
    for tool in mmdebstrap sfdisk mkfs.ext4 mkfs.vfat mcopy grub-mkimage zstd; do
        need "$tool" metal
    done
    once "$image" build
fi
printf '%s\n' "$image/debian-12.raw.zst"
