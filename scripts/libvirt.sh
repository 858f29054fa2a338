#!/usr/bin/env bash
# Machines with a Redfish BMC: a private libvirtd and a sushy-tools emulator inside a boot segment.
#
#   scripts/libvirt.sh up NETNS DIR         starts both in the namespace NETNS (see netns.sh); DIR, which must
#                                           exist and be empty, takes all state. Returns when Redfish answers, and
#                                           DIR/bmc.env then says REDFISH_URL, REDFISH_CA, REDFISH_USER,
#                                           REDFISH_PASSWORD (mode 0600, sourceable)
#   scripts/libvirt.sh define DIR NAME MAC bios|uefi [DISK_MIB [MEMORY_MIB]]
#                                           defines a powered-off machine with one virtio disk (DIR/NAME.raw), one
#                                           virtio NIC on br0 and its console in DIR/NAME.serial; prints its UUID,
#                                           which is its Redfish id: REDFISH_URL/redfish/v1/Systems/UUID
#   scripts/libvirt.sh virsh DIR ARG...     virsh in there
#   scripts/libvirt.sh down DIR             stops everything, machines included; DIR stays, for its logs
#
# Needs root and the `redfish` level of setup.sh. REDFISH_URL is https://10.77.0.1:8000, reachable from
# NETNS only. Everything runs in PID and mount namespaces of its own, with /etc, /run, /var/lib, /var/cache and
# /var/log of libvirt bound to DIR: no other libvirt is touched, and ending one process ends them all.
# The emulator has no sessions (Basic auth only) and reports a boot override of Once as Continuous.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

PYTHON=$UNDERLAY_CACHE/venv/sushy-2.2.0/bin/python
OVMF=/usr/share/OVMF
ADDRESS=10.77.0.1
PORT=8000

credentials() {
    local dir=$1 password
    umask 077
    password=$(head -c 18 /dev/urandom | base64 | tr '+/' 'ab')
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=bmc" -addext "subjectAltName=IP:$ADDRESS" \
        -keyout "$dir/bmc.key" -out "$dir/bmc.pem" 2>/dev/null
    printf '%s' "$password" | "$PYTHON" -c \
        'import bcrypt, sys; print("admin:" + bcrypt.hashpw(sys.stdin.buffer.read(), bcrypt.gensalt(4)).decode())' \
        >"$dir/bmc.htpasswd"
    printf 'REDFISH_URL=https://%s:%s\nREDFISH_CA=%s\nREDFISH_USER=admin\nREDFISH_PASSWORD=%s\n' \
        "$ADDRESS" "$PORT" "$dir/bmc.pem" "$password" >"$dir/bmc.env"
}

settings() {
    local dir=$1
    cat >"$dir/etc/qemu.conf" <<END
security_driver = "none"
user = "root"
group = "root"
cgroup_controllers = []
namespaces = []
END
    cat >"$dir/sushy.conf" <<END
SUSHY_EMULATOR_LISTEN_IP = '$ADDRESS'
SUSHY_EMULATOR_LISTEN_PORT = $PORT
SUSHY_EMULATOR_LIBVIRT_URI = 'qemu:///system'
SUSHY_EMULATOR_OS_CLOUD = None
SUSHY_EMULATOR_STATE_DIR = '$dir/sushy'
SUSHY_EMULATOR_FEATURE_SET = 'full'
SUSHY_EMULATOR_AUTH_FILE = '$dir/bmc.htpasswd'
SUSHY_EMULATOR_SSL_CERT = '$dir/bmc.pem'
SUSHY_EMULATOR_SSL_KEY = '$dir/bmc.key'
SUSHY_EMULATOR_BOOT_LOADER_MAP = {'UEFI': {'x86_64': '$OVMF/OVMF_CODE_4M.fd'}, 'Legacy': {'x86_64': '/usr/share/seabios/bios-256k.bin'}}
SUSHY_EMULATOR_SECURE_BOOT_ENABLED_NVRAM = '$OVMF/OVMF_VARS_4M.ms.fd'
SUSHY_EMULATOR_SECURE_BOOT_DISABLED_NVRAM = '$OVMF/OVMF_VARS_4M.fd'
END
}

# The first process of the PID namespace: binds, starts, and waits; when it goes, all go.
inside() {
    local dir=$1 name
    for name in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log/libvirt; do
        mkdir -p "${name#*:}"
        mount --bind "$dir/${name%%:*}" "${name#*:}"
    done
    # By default these are in /run itself, which all share, and hold a lock.
    virtlogd --pid-file "$dir/run/virtlogd.pid" &
    libvirtd --pid-file "$dir/run/libvirtd.pid" &
    until virsh -q -c qemu:///system version; do
        jobs -r %2 >/dev/null || exit 1
        sleep 0.1
    done
    virsh -q -c qemu:///system pool-define-as default dir --target "$dir/pool"
    virsh -q -c qemu:///system pool-start default
    "$PYTHON" -m sushy_tools.emulator.main --config "$dir/sushy.conf" &
    wait
}

up() {
    local netns=$1 dir tries=0
    dir=$(cd "$2" && pwd)
    [ -e "/run/netns/$netns" ] || die "no network namespace $netns; run: scripts/netns.sh up $netns"
    { [ -x "$PYTHON" ] && have libvirtd; } || die "libvirt or sushy-tools is missing; run: scripts/setup.sh metal redfish"
    mkdir "$dir"/{etc,run,lib,cache,log,pool,sushy}
    (credentials "$dir")
    settings "$dir"
    setsid ip netns exec "$netns" unshare --mount --pid --fork --mount-proc --kill-child \
        bash "${BASH_SOURCE[0]}" inside "$dir" </dev/null >"$dir/daemons.log" 2>&1 &
    echo $! >"$dir/pid"
    until ip netns exec "$netns" curl -sf --cacert "$dir/bmc.pem" -o "$dir/root.json" "https://$ADDRESS:$PORT/redfish/v1/"; do
        if [ ! -e "/proc/$(cat "$dir/pid")/exe" ] || [ $((tries += 1)) -ge 300 ]; then
            tail -n 20 "$dir/daemons.log" >&2
            die "the Redfish emulator did not start; see $dir/daemons.log"
        fi
        sleep 0.2
    done
}

# enter DIR COMMAND...: runs COMMAND in the namespaces of DIR's daemons.
enter() {
    local pid
    pid=$(cat "$1/pid")
    pid=$(cut -d ' ' -f 1 "/proc/$pid/task/$pid/children")
    [ -n "$pid" ] || die "nothing runs for $1"
    shift
    nsenter --target "$pid" --mount --net --pid -- "$@"
}

domain() {
    local dir=$1 name=$2 mac=$3 firmware=$4 memory=$5 uuid=$6 os='' rom=''
    if [ "$firmware" = uefi ]; then
        os="<loader readonly='yes' type='pflash'>$OVMF/OVMF_CODE_4M.fd</loader>
            <nvram template='$OVMF/OVMF_VARS_4M.fd'>$dir/$name.vars</nvram>"
        # Without the option ROM the firmware's own PXE and HTTP stack is used.
        rom="<rom enabled='no'/>"
    fi
    cat <<END
<domain type='qemu'>
  <name>$name</name><uuid>$uuid</uuid>
  <memory unit='MiB'>$memory</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>$os<boot dev='hd'/></os>
  <features><acpi/><apic/></features>
  <cpu mode='maximum'/>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe'/><source file='$dir/$name.raw'/>
      <target dev='vda' bus='virtio'/><serial>$name-disk</serial>
    </disk>
    <interface type='bridge'><source bridge='br0'/><mac address='$mac'/><model type='virtio'/>$rom</interface>
    <serial type='file'><source path='$dir/$name.serial'/></serial>
  </devices>
</domain>
END
}

define() {
    local dir name=$2 mac=$3 firmware=$4 disk=${5:-4096} memory=${6:-1024} uuid
    case $firmware in bios | uefi) ;; *) die "firmware is bios or uefi, not $firmware" ;; esac
    dir=$(cd "$1" && pwd)
    uuid=$(cat /proc/sys/kernel/random/uuid)
    truncate -s "${disk}M" "$dir/$name.raw"
    domain "$dir" "$name" "$mac" "$firmware" "$memory" "$uuid" >"$dir/$name.xml"
    enter "$dir" virsh -q -c qemu:///system define "$dir/$name.xml" >&2
    printf '%s\n' "$uuid"
}

virsh_in() {
    local dir=$1
    shift
    enter "$dir" virsh -c qemu:///system "$@"
}

down() {
    local pid
    [ -e "$1/pid" ] || return 0
    pid=$(cat "$1/pid")
    kill -KILL "$pid" 2>/dev/null || true
    # A zombie has no executable: whoever inherited it may be slow to reap it.
    while [ -e "/proc/$pid/exe" ]; do sleep 0.1; done
    rm -f "$1/pid"
}

[ "$(id -u)" = 0 ] || die "libvirt in a namespace needs root"
verb=${1:-}
[ $# -ge 2 ] || die "usage: libvirt.sh up NETNS DIR | define DIR NAME MAC bios|uefi [DISK_MIB [MEMORY_MIB]] | virsh DIR ARG... | down DIR"
shift
case $verb in
up | define | down | inside) "$verb" "$@" ;;
virsh) virsh_in "$@" ;;
*) die "no verb named $verb" ;;
esac
