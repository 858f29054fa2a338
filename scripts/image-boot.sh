#!/usr/bin/env bash
# Boots an image as a machine would after a deployment, and prints the seconds to each sign of life.
#
#   scripts/image-boot.sh bios|uefi [IMAGE.raw.zst]      default image: scripts/debian-image.sh's
#
# The disk is larger than the image and ends with a vfat partition CIDATA, a NoCloud seed as the agent
# writes it, with a user, a key and a network config whose static address sits on VLAN 77.
# It fails unless ssh logs in with that key, the root grew, the VLAN is up, and a cold power cycle
# boots again. No root, no tap: QEMU's user network. KEEP=1 leaves the work directory behind;
# CPU is the emulated model, LIMIT the seconds to wait for each sign.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
firmware=${1:?bios or uefi}
image=${2:-$("$(dirname "${BASH_SOURCE[0]}")/debian-image.sh")}
LIMIT=${LIMIT:-300}
DISK_MIB=4096
SEED_MIB=16

work=$(mktemp -d)
qemu=
stop() {
    [ -z "$qemu" ] || { kill "$qemu" 2>/dev/null && wait "$qemu" 2>/dev/null; } || true
    qemu=
}
cleanup() {
    stop
    if [ "${KEEP:-}" = 1 ]; then say "kept $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

seed() {
    ssh-keygen -q -t ed25519 -N '' -f "$work/key"
    cat >"$work/user-data" <<END
#cloud-config
hostname: seeded
users:
  - name: me
    shell: /bin/bash
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys: ["$(cat "$work/key.pub")"]
runcmd:
  - [touch, /run/seed-ran]
END
    printf 'instance-id: one\nlocal-hostname: seeded\n' >"$work/meta-data"
    cat >"$work/network-config" <<'END'
version: 2
ethernets:
  lan0:
    match: {macaddress: "52:54:00:00:00:01"}
    set-name: lan0
    dhcp4: true
vlans:
  lan0.77: {id: 77, link: lan0, addresses: [192.0.2.7/24]}
END
    truncate -s "${SEED_MIB}M" "$work/seed"
    mkfs.vfat -n CIDATA "$work/seed" >/dev/null
    mcopy -i "$work/seed" "$work"/{user-data,meta-data,network-config} ::/
}

disk() {
    local start=$(((DISK_MIB - SEED_MIB - 1) * 2048))
    zstd -q -d --sparse "$image" -o "$work/disk"
    truncate -s "${DISK_MIB}M" "$work/disk"
    sgdisk --move-second-header --new="4:$start:+${SEED_MIB}M" --typecode=4:0700 "$work/disk" >/dev/null
    dd if="$work/seed" of="$work/disk" bs=1M seek=$((start / 2048)) conv=notrunc,sparse status=none
}

start() {
    local args=(-M q35 -accel "tcg,thread=multi" -cpu "${CPU:-max}" -smp 1 -m 1024 -nodefaults -display none -vga none
        -monitor none -serial "file:$work/serial.$1"
        -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe"
        -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$port-:22"
        -device "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01")
    if [ "$firmware" = uefi ]; then
        [ -e "$work/vars" ] || cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/vars"
        args+=(-drive "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
            -drive "if=pflash,format=raw,unit=1,file=$work/vars")
    fi
    began=$EPOCHREALTIME
    qemu-system-x86_64 "${args[@]}" &
    qemu=$!
}

# await WHAT COMMAND...: retries until COMMAND succeeds, then prints when that was.
await() {
    local what=$1
    shift
    until "$@" 2>/dev/null; do
        kill -0 "$qemu" || die "QEMU ended before: $what"
        [ "$(elapsed)" -lt "$LIMIT" ] || { tail -n 20 "$work"/serial.*; die "no $what in $LIMIT s"; }
        sleep 0.3
    done
    printf '%s %-12s %5.1f s\n' "$firmware" "$what" "$(seconds_since)"
}
seconds_since() { awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'; }
elapsed() { echo $((${EPOCHREALTIME%.*} - ${began%.*})); }
# shellcheck disable=SC2016 # the inner bash expands $1
banner() { [[ "$(timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && head -c 4 <&3' _ "$port")" == SSH- ]]; }
on_machine() {
    ssh -q -i "$work/key" -p "$port" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o ConnectTimeout=10 -o BatchMode=yes me@127.0.0.1 "$@"
}

seed
disk
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
start first
await "kernel" grep -q . "$work/serial.first"
await "ssh banner" banner
await "login" on_machine true
await "cloud-init" on_machine 'sudo cloud-init status --wait >/dev/null; test -e /run/seed-ran'
# shellcheck disable=SC2016 # the machine's shell expands these
on_machine 'set -e
    test "$(hostname)" = seeded
    test "$(df --output=size -m / | tail -1)" -gt 2500
    ip -br addr show lan0.77 | grep -q 192.0.2.7/24
    systemd-analyze; systemd-analyze critical-chain ssh.service; systemd-analyze blame | head -25
    systemctl --failed --no-legend; sync'
stop
start second
await "cold banner" banner
on_machine 'ip -br addr show lan0.77 | grep -q 192.0.2.7/24'
