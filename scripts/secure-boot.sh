#!/usr/bin/env bash
# Makes a site's own Secure Boot key into DIR: db.key and db.crt, and two variable stores of OVMF with Secure Boot on. vars.fd
# has that key as PK, KEK and db and nothing else. shim.vars.fd has Microsoft's, and the site's in the list of the shim (MokList);
# shim.efi is the shim, signed by Microsoft.
#
#   scripts/secure-boot.sh DIR
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
[ $# = 1 ] || die "usage: secure-boot.sh DIR"
owner=7b1f4f53-6f0a-4bb2-9d5e-2f1c3a8d9e10
empty=/usr/share/OVMF/OVMF_VARS_4M.fd
microsoft=/usr/share/OVMF/OVMF_VARS_4M.ms.fd
python=$(find "$UNDERLAY_CACHE/venv" -path '*/firmware-*/bin/python' 2>/dev/null | sort -V | tail -n 1)
[ -n "$python" ] || die "virt-firmware is not installed; run: scripts/setup.sh metal"
need openssl metal
[ -e "$empty" ] || die "OVMF is not installed; run: scripts/setup.sh metal"
shim=$("$(dirname "${BASH_SOURCE[0]}")/package.sh" shim-signed)

cd "$1"
(
    umask 077
    openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=underlay site" -keyout db.key -out db.crt 2>/dev/null
)
vars() { "$python" -m virt.firmware.vars --loglevel error "$@" >/dev/null; }
vars --input "$empty" --output vars.fd --set-pk "$owner" db.crt --add-kek "$owner" db.crt --add-db "$owner" db.crt --sb
vars --input "$microsoft" --output shim.vars.fd --add-mok "$owner" db.crt
dpkg-deb --fsys-tarfile "$shim" | tar -xO ./usr/lib/shim/shimx64.efi.signed >shim.efi
