#!/usr/bin/env bash
# Makes a bootable raw disk from a root file system: disk.sh ROOT.tar DISK.raw
#
# Runs as root, or as root of a user namespace: it mounts nothing, loops nothing and makes no device.
# The layout is GPT: BIOS boot partition, EFI system partition, and last the root, so that it can grow.
# GRUB's two core images are made by grub-mkimage and put where the firmware looks for them:
# BIOS reads boot.img in the first sector, which reads the core from the BIOS boot partition.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tar=$1
disk=$2
work=$(mktemp -d "$disk.XXXXXX")
trap 'rm -rf "$work"' EXIT

# In sectors of 512 bytes.
BIOS_START=2048
BIOS_SIZE=2048
ESP_START=4096
ESP_SIZE=131072
ROOT_START=135168
DISK_SIZE=3145728
END_RESERVED=2048

partition() {
    truncate -s $((DISK_SIZE * 512)) "$disk"
    sfdisk -q "$disk" <<END
label: gpt
start=$BIOS_START,size=$BIOS_SIZE,type=21686148-6449-6E6F-744E-656564454649,name=bios
start=$ESP_START,size=$ESP_SIZE,type=U,name=esp
start=$ROOT_START,size=$((DISK_SIZE - END_RESERVED - ROOT_START)),type=L,name=root
END
}

root_file_system() {
    mkdir "$work/root"
    # Device nodes cannot be made in a user namespace; the kernel brings its own /dev.
    tar -xpf "$tar" -C "$work/root" --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*'
    mkfs.ext4 -q -F -L root -m 1 -d "$work/root" -E "offset=$((ROOT_START * 512)),lazy_itable_init=0" \
        "$disk" "$(((DISK_SIZE - END_RESERVED - ROOT_START) / 2))k"
}

# grub_core FORMAT FILE [MODULE...]
grub_core() {
    local format=$1 file=$2
    shift 2
    grub-mkimage -O "$format" -o "$file" -p / -c "$here/grub.cfg" \
        part_gpt ext2 search search_label linux normal serial terminal "$@"
}

efi_boot() {
    local esp=$work/esp
    grub_core x86_64-efi "$work/bootx64.efi"
    truncate -s $((ESP_SIZE * 512)) "$esp"
    mkfs.vfat -F 32 -n ESP "$esp" >/dev/null
    mmd -i "$esp" ::/EFI ::/EFI/BOOT
    mcopy -i "$esp" "$work/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
    dd if="$esp" of="$disk" bs=1M seek=$((ESP_START / 2048)) conv=notrunc,sparse status=none
}

# little VALUE BYTES: VALUE as little-endian bytes on stdout.
little() {
    local value=$1 bytes=$2
    while [ "$bytes" -gt 0 ]; do
        printf '%b' "\\x$(printf %02x $((value & 255)))"
        value=$((value >> 8))
        bytes=$((bytes - 1))
    done
}

# patch FILE OFFSET: overwrites FILE from OFFSET with stdin.
patch() { dd of="$1" bs=1 seek="$(($2))" conv=notrunc status=none; }

bios_boot() {
    local boot=$work/boot.img core=$work/core.img sectors
    cp /usr/lib/grub/i386-pc/boot.img "$boot"
    grub_core i386-pc "$core" biosdisk
    sectors=$((($(stat -c %s "$core") + 511) / 512))
    [ "$sectors" -le "$BIOS_SIZE" ] || { echo "GRUB's core does not fit the BIOS boot partition" >&2; exit 1; }
    # boot.img: the sector the core starts at (0x5c), and no jump around "use the drive BIOS names" (0x66).
    little "$BIOS_START" 8 | patch "$boot" 0x5c
    printf '\x90\x90' | patch "$boot" 0x66
    # core.img: the block list at the end of its first sector: start, length, and load segment of the rest.
    { little $((BIOS_START + 1)) 8; little $((sectors - 1)) 2; little 0x820 2; } | patch "$core" 500
    dd if="$boot" of="$disk" bs=440 count=1 conv=notrunc status=none
    dd if="$core" of="$disk" bs=512 seek="$BIOS_START" conv=notrunc status=none
}

partition
root_file_system
efi_boot
bios_boot
