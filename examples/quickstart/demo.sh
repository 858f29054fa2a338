#!/usr/bin/env bash
# Tells the main story: one `terraform apply` turns a powered-off machine into a Debian that answers over the network,
# another image is laid on it in place, and all of it is destroyed again. Run it with `make demo`, which sets the
# environment (scripts/demo.sh lists it). Every number it prints was just measured. Needs no root.
# Needs: terraform debian
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$DEMO_DIR
data=$work/data
began=$(date +%s)

chapter() { printf '\n[%3d s] %s\n' $(($(date +%s) - began)) "$*"; }
tell() { printf '        %s\n' "$*"; }
fail() {
    printf '\ndemo failed: %s\n' "$*" >&2
    tail -n 20 "$work/server.log" >&2 || true
    exit 1
}
underlay() { "$UNDERLAY" "$@" --endpoint "$UNDERLAY_ENDPOINT"; }

server=
finish() {
    status=$?
    # Machines outlive the server on purpose; an interrupted demo ends its own.
    for pidfile in "$data"/qemu/*/qemu.pid; do
        [ ! -e "$pidfile" ] || kill -KILL "$(cat "$pidfile")" 2>/dev/null || true
    done
    [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# A second release of the image: the same Debian with a file RELEASE on its EFI partition.
second_release() {
    local raw=$work/second.raw
    zstd -q -d --sparse "$DEMO_IMAGE" -o "$raw"
    echo "release 2" >"$work/RELEASE"
    mcopy -o -i "$raw@@2M" "$work/RELEASE" ::/RELEASE
    zstd -q -3 --rm "$raw" -o "$work/images/debian-release-2.raw.zst"
    sha256sum "$work/images/debian-release-2.raw.zst" | cut -d ' ' -f 1
}

chapter "A server with an empty store, and two releases of a Debian image"
mkdir -p "$work/images"
ln "$DEMO_IMAGE" "$work/images/debian.raw.zst" 2>/dev/null || cp "$DEMO_IMAGE" "$work/images/debian.raw.zst"
second_sha256=$(second_release)
tell "image: $(du -h "$DEMO_IMAGE" | cut -f 1) compressed; agent and its kernel: $(du -shL "$DEMO_RAMDISK" | cut -f 1)"
"$UNDERLAY" serve --data "$data" --ramdisk "$DEMO_RAMDISK" --image-root "$work/images" \
    --listen 127.0.0.1:0 --boot-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
    --qemu-unsafe-cache >"$work/server.log" 2>&1 &
server=$!
export UNDERLAY_ENDPOINT=unix://$data/api.sock
for _ in {1..150}; do
    [ -S "$data/api.sock" ] && underlay get hosts >/dev/null 2>&1 && break
    kill -0 "$server" 2>/dev/null || fail "the server ended"
    sleep 0.2
done
tell "underlay serve is up, process $server"

ssh-keygen -q -t ed25519 -N '' -C demo -f "$work/key"
cat >"$work/cli.tfrc" <<RC
provider_installation {
  dev_overrides {
    "registry.terraform.io/underlay/underlay" = "$UNDERLAY_PROVIDER_DIR"
    "registry.opentofu.org/underlay/underlay" = "$UNDERLAY_PROVIDER_DIR"
  }
  direct {}
}
RC
cp "$here/main.tf" "$work/main.tf"
cd "$work"
export TF_CLI_CONFIG_FILE=$work/cli.tfrc CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_INPUT=0
export TF_VAR_ssh_key
TF_VAR_ssh_key=$(cat "$work/key.pub")
release() {
    export TF_VAR_image_url=file://$work/images/$1 TF_VAR_image_sha256=$2
}

# applied: terraform apply with the machine's work shown beside it as it happens.
applied() {
    (
        until underlay get machine/web-0 >/dev/null 2>&1; do sleep 0.5; done
        exec "$UNDERLAY" watch machine/web-0 --endpoint "$UNDERLAY_ENDPOINT"
    ) > >(sed -u 's/^/          > /') &
    local watcher=$!
    local status=0
    "$TF_BIN" apply -auto-approve -no-color >"$work/apply.log" 2>&1 || status=$?
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    [ "$status" = 0 ] || { cat "$work/apply.log" >&2; fail "terraform apply ended with $status"; }
    grep -E 'Apply complete' "$work/apply.log" | sed 's/^/        | /'
}

empty_plan() {
    local status=0
    "$TF_BIN" plan -detailed-exitcode -no-color >"$work/plan.log" 2>&1 || status=$?
    [ "$status" = 0 ] || { cat "$work/plan.log" >&2; fail "the plan after an apply is not empty ($status)"; }
    tell "plan again: no changes"
}

on_machine() {
    local address
    address=$("$TF_BIN" output -json ssh | jq -r .address)
    "$TF_BIN" output -json ssh | jq -r --arg at "[${address%:*}]:${address#*:}" '.host_keys[] | "\($at) \(.)"' >"$work/known_hosts"
    ssh -i "$work/key" -p "${address#*:}" -o UserKnownHostsFile="$work/known_hosts" -o StrictHostKeyChecking=yes \
        -o LogLevel=ERROR -o ConnectTimeout=60 root@"${address%:*}" "$@"
}

chapter "terraform apply: a machine that is off becomes a Debian"
release debian.raw.zst "$DEMO_IMAGE_SHA256"
applied
tell "it answers: $(on_machine 'echo "$(hostname), $(. /etc/os-release && echo "$PRETTY_NAME"), up $(cut -d. -f1 /proc/uptime) s"')"
tell "its SSH host key is the one the installed system announced"
fingerprint() { "$TF_BIN" output -json ssh | jq -r '.host_keys[0]' | ssh-keygen -lf - | cut -d ' ' -f 2; }
first=$(fingerprint)
empty_plan

chapter "Another release of the image: the plan says what it costs"
release debian-release-2.raw.zst "$second_sha256"
"$TF_BIN" plan -no-color >"$work/plan.log" 2>&1 || { cat "$work/plan.log" >&2; fail "plan"; }
grep -E '~ disruption|Warning: web-0|~ image |Plan:' "$work/plan.log" | sed 's/^/        | /'
grep -q '"none" -> "erase_root' "$work/plan.log" || fail "the plan does not announce erase_root"

chapter "terraform apply: laid on the same machine, in place"
applied
tell "on its EFI partition: $(on_machine 'mount -o ro /dev/vda2 /mnt && cat /mnt/RELEASE')"
second=$(fingerprint)
[ "$second" != "$first" ] || fail "the host key is the one of the system before"
tell "its host key was $first"
tell "          it is now $second"
deployments=$(underlay describe machine/web-0 -o json | jq -r .status.deployments)
[ "$deployments" = 2 ] || fail "imaged $deployments times instead of twice"
empty_plan

chapter "terraform destroy"
"$TF_BIN" destroy -auto-approve -no-color >"$work/destroy.log" 2>&1 || { cat "$work/destroy.log" >&2; fail "destroy"; }
grep -E 'Destroy complete' "$work/destroy.log" | tail -n 1 | sed 's/^/        | /'
[ -z "$(ls -A "$data/qemu" 2>/dev/null)" ] || fail "a machine is left in $data/qemu"
kill -TERM "$server" && wait "$server" || fail "the server did not stop cleanly"
server=
tell "no machine is left, the server has stopped"
chapter "Done: powered off, installed, answering, installed anew in place, gone"
