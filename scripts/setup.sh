#!/usr/bin/env bash
# Installs what a level needs and the machine lacks, through the distribution's own package client.
#
#   scripts/setup.sh [LEVEL...]     default: base terraform
#
#   base       build and download tools, a Rust toolchain is checked for
#   terraform  `terraform` on PATH, or else `tofu` built into the cache; with UNDERLAY_TOFU=1 both
#   metal      QEMU, firmware, iPXE, an IPMI BMC and its client, a software TPM, and what makes a Debian image and a boot ramdisk
#   redfish    a private libvirt; the sushy-tools Redfish emulator, Ironic's client sushy and DMTF's protocol validator, in
#              venvs of the cache (needs metal)
#   ironic     a standalone Ironic in a venv of the cache, with an empty database of its own
#   mariadb    the MariaDB server's programs, no service
#   seeds      what reads the seeds that are made for installers and Ignition: ksvalidator, ignition-validate
#   postgres   the PostgreSQL server binaries
#   faults     what sets the clock of a process: libfaketime
#   network    what the benchmarks of the network servers run beside: clients, and libraries of the peers
#
#   scripts/setup.sh --check LEVEL...    installs nothing; fails when a package is missing
#
# Silent when everything is there. As an ordinary user it goes through sudo; where it cannot, it prints
# the command that an administrator has to run, and fails.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

SUSHY_TOOLS=2.2.0
SUSHY=5.14.0
PROTOCOL_VALIDATOR=1.3.2
BCRYPT=5.0.0
VIRT_FIRMWARE=26.10
PYKICKSTART=3.78
IGNITION=2.20.0

packages_of() {
    case $1 in
    base) echo build-essential pkg-config git curl ca-certificates jq util-linux ;;
    terraform) have terraform || have go || [ -d "$UNDERLAY_CACHE/tofu" ] || echo golang-go ;;
    metal) echo busybox-static kea-admin dnsmasq-base qemu-system-x86 qemu-utils ovmf ipxe ipxe-qemu seabios mmdebstrap uidmap dosfstools mtools xorriso gdisk \
        fdisk e2fsprogs grub-efi-amd64-bin grub-pc-bin grub-common debian-archive-keyring cpio kmod zstd xz-utils iproute2 \
        openssh-client socat tcpdump curl python3 dnsmasq-base openipmi ipmitool systemd-container \
        swtpm swtpm-tools sbsigntool binutils openssl python3-venv ;;
    redfish) echo libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients python3-libvirt \
        python3-venv openssl ;;
    ironic) echo python3-venv ;;
    mariadb) echo mariadb-server-core mariadb-client-core ;;
    seeds)
        echo python3-venv debconf
        have go || [ -x "$UNDERLAY_CACHE/ignition-validate/$IGNITION/validate" ] || echo golang-go
        ;;
    postgres) echo postgresql ;;
    faults) echo libfaketime ;;
    network) echo kea-admin dnsmasq-base iproute2 util-linux libwrap0 libpcre2-8-0 ;;
    *) die "no level named $1; levels: base terraform metal redfish ironic mariadb seeds postgres faults network" ;;
    esac
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# pinned PACKAGE: PACKAGE, or PACKAGE=VERSION where an installed copy from a source that is no longer
# configured (a backport, say) would keep the others from being installed.
pinned() {
    local candidate
    case $1 in
    qemu-utils)
        candidate=$(apt-cache madison qemu-system-x86 | awk 'NR == 1 { print $3 }')
        echo "qemu-utils${candidate:+=$candidate}"
        ;;
    *) echo "$1" ;;
    esac
}

install_packages() {
    local missing=() wanted=() package
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ -z "$check" ] || die "missing: ${missing[*]}"
    have apt-get || die "this machine has no apt-get; please install: ${missing[*]}"
    if [ "$(id -u)" != 0 ] && ! { have sudo && sudo -v; }; then
        die "these packages are missing and need root: apt-get install ${missing[*]}"
    fi
    say "installing ${missing[*]}"
    as_root apt-get -qq update
    # A plain install of qemu-system-x86 fails where another version of qemu-utils stays in place.
    case " ${missing[*]} " in *" qemu-system-x86 "*) missing+=(qemu-utils) ;; esac
    for package in "${missing[@]}"; do
        wanted+=("$(pinned "$package")")
    done
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        --allow-downgrades -o Dpkg::Use-Pty=0 "${wanted[@]}" >"$UNDERLAY_CACHE/apt.log" 2>&1 || {
        tail -20 "$UNDERLAY_CACHE/apt.log" >&2
        die "apt-get install failed; the whole log is $UNDERLAY_CACHE/apt.log"
    }
}

make_venv() {
    /usr/bin/python3 -m venv --system-site-packages "$1/out"
    "$1/out/bin/python" -m pip install -q "sushy-tools==$SUSHY_TOOLS" "bcrypt==$BCRYPT"
}

make_firmware() {
    /usr/bin/python3 -m venv "$1/out"
    "$1/out/bin/python" -m pip install -q "virt-firmware==$VIRT_FIRMWARE"
}

make_sushy() {
    /usr/bin/python3 -m venv "$1/out"
    "$1/out/bin/python" -m pip install -q "sushy==$SUSHY"
}

make_protocol_validator() {
    /usr/bin/python3 -m venv "$1/out"
    "$1/out/bin/python" -m pip install -q "redfish-protocol-validator==$PROTOCOL_VALIDATOR"
}

# The database of a start without history, so that nobody has to wait for the schema.
make_ironic() {
    /usr/bin/python3 -m venv "$1/out"
    "$1/out/bin/python" -m pip install -q --no-deps -r "$here/peers/ironic/requirements.txt"
    sed "s|@DIR@|$1|; s|@CONNECTION@|sqlite:///$1/out/empty.sqlite|" "$here/peers/ironic/ironic.conf" >"$1/ironic.conf"
    "$1/out/bin/python" "$1/out/bin/ironic-dbsync" --config-file "$1/ironic.conf" create_schema
}

make_kickstart() {
    /usr/bin/python3 -m venv "$1/out"
    "$1/out/bin/python" -m pip install -q "pykickstart==$PYKICKSTART"
}

make_ignition() {
    local go
    go=$("$here/go.sh")
    mkdir "$1/out"
    GOBIN=$1/out GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-mod=mod "$go" install "github.com/coreos/ignition/v2/validate@v$IGNITION"
}

after() {
    case $1 in
    base)
        have cargo || die "cargo is not installed; see https://rustup.rs, then run this again"
        ;;
    terraform)
        if [ "${UNDERLAY_TOFU:-}" = 1 ] || ! have terraform; then
            "$here/tofu.sh" >/dev/null
        fi
        ;;
    metal)
        once "$UNDERLAY_CACHE/venv/firmware-$VIRT_FIRMWARE" make_firmware
        ;;
    redfish)
        once "$UNDERLAY_CACHE/venv/sushy-$SUSHY_TOOLS" make_venv
        once "$UNDERLAY_CACHE/venv/client-$SUSHY" make_sushy
        once "$UNDERLAY_CACHE/venv/protocol-$PROTOCOL_VALIDATOR" make_protocol_validator
        ;;
    seeds)
        once "$UNDERLAY_CACHE/venv/kickstart-$PYKICKSTART" make_kickstart
        once "$UNDERLAY_CACHE/ignition-validate/$IGNITION" make_ignition
        ;;
    ironic)
        once "$UNDERLAY_CACHE/venv/ironic-$(digest "$here/peers/ironic/requirements.txt")" make_ironic
        ;;
    esac
}

check=
if [ "${1:-}" = --check ]; then
    check=1
    shift
fi
[ $# -gt 0 ] || set -- base terraform
packages=()
for level in "$@"; do
    read -ra of_level <<<"$(packages_of "$level")"
    packages+=("${of_level[@]}")
done
install_packages "${packages[@]}"
[ -z "$check" ] || exit 0
for level in "$@"; do
    after "$level"
done
