#!/usr/bin/env bash
# Builds the agent's kernel and initramfs once per agent and kernel, and prints the directory that holds them:
# vmlinuz, initrd, boot.efi, manifest.json and, where its programs are installed, boot.iso, as `underlay serve --ramdisk` wants them.
#
#   scripts/ramdisk.sh [small|full]    small: a kernel for virtual machines (default); full: every server's drivers, and
#                                      firmware for their cards
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

firmware=()
case ${1:-small} in
small) kernel=$(scripts/kernel.sh) ;;
full)
    kernel=$(scripts/kernel.sh amd64)
    mapfile -t firmware < <(scripts/firmware.sh | sed 's/^/--firmware-deb=/')
    [ ${#firmware[@]} -gt 0 ] || die "there is no firmware"
    ;;
*) die "usage: ramdisk.sh [small|full]" ;;
esac
agent=$(scripts/agent.sh)
stub=$(scripts/package.sh systemd-boot-efi)
cargo build --quiet -p underlay >&2
underlay=$CARGO_TARGET_DIR/debug/underlay

build() {
    "$underlay" ramdisk build --kernel-deb "$kernel" "${firmware[@]}" --stub-deb "$stub" --agent "$agent" --out "$1/out"
}

# Without the programs there is no boot.iso; with them there has to be one.
iso=''
! { have grub-mkrescue && have xorriso && have mformat; } || iso=-$(digest server/cli/src/ramdisk/iso.rs)
built=$UNDERLAY_CACHE/ramdisks/$(basename "$kernel" .deb)-$(digest "$agent" "$stub" server/cli/src/ramdisk/uki.rs)$iso
once "$built" build
printf '%s\n' "$built"
