#!/usr/bin/env bash
# Tells the story of a rack: a server and ten simulated machines on loopback; one `terraform apply` enrols them and puts
# eight machines on hosts that two pools choose; a disk fails, its host is set aside and another one taken; all is
# destroyed. Run it with `make demo-rack`. Every number it prints was just measured. Needs no root, no QEMU and no image:
# the machines are simulated, what talks to them is not.
# Needs: terraform
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$DEMO_DIR
began=$(date +%s)

chapter() { printf '\n[%3d s] %s\n' $(($(date +%s) - began)) "$*"; }
tell() { printf '        %s\n' "$*"; }
fail() {
    printf '\ndemo failed: %s\n' "$*" >&2
    tail -n 20 "$work/dev.log" >&2 || true
    exit 1
}
underlay() { "$UNDERLAY" "$@"; }

dev=
watch=
finish() {
    status=$?
    [ -z "$watch" ] || { kill "$watch" && wait "$watch"; } 2>/dev/null || true
    [ -z "$dev" ] || { kill -TERM "$dev" 2>/dev/null && wait "$dev" 2>/dev/null; } || true
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

chapter "underlay dev: a server, and ten machines in two racks, all off"
"$UNDERLAY" dev --machines 10 --per-rack 5 --data "$work/dev" >"$work/dev.log" 2>&1 &
dev=$!
for _ in {1..150}; do
    [ -f "$work/dev/env" ] && break
    kill -0 "$dev" 2>/dev/null || fail "underlay dev ended"
    sleep 0.2
done
. "$work/dev/env"
tell "$(underlay sim list | grep -c ' off ') machines are off; their BMCs speak Redfish on 127.16.0.0/16"

cat >"$work/cli.tfrc" <<RC
provider_installation {
  dev_overrides {
    "registry.terraform.io/underlay/underlay" = "$UNDERLAY_PROVIDER_DIR"
    "registry.opentofu.org/underlay/underlay" = "$UNDERLAY_PROVIDER_DIR"
  }
  direct {}
}
RC
cp "$here/main.tf" "$here/chrony.conf" "$work"
cd "$work"
export TF_CLI_CONFIG_FILE=$work/cli.tfrc CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_INPUT=0

applied() {
    "$TF_BIN" apply -auto-approve -no-color "$@" >"$work/apply.log" 2>&1 || { cat "$work/apply.log" >&2; fail "terraform apply"; }
    grep -E 'Apply complete' "$work/apply.log" | sed 's/^/        | /'
}

empty_plan() {
    local status=0
    "$TF_BIN" plan -detailed-exitcode -no-color "$@" >"$work/plan.log" 2>&1 || status=$?
    [ "$status" = 0 ] || { cat "$work/plan.log" >&2; fail "the plan after an apply is not empty ($status)"; }
    tell "plan again: no changes"
}

# shown KIND COLUMNS: a table of these columns, indented.
shown() { underlay get "$1" | awk -v columns="$2" '{ n = split(columns, c, ","); line = ""; for (i = 1; i <= n; i++) line = line sprintf("%-14s", $c[i]); print "        | " line }'; }

chapter "terraform apply: hosts enrolled, eight machines on hosts that the pools choose"
"$UNDERLAY" watch machines >"$work/watch.log" 2>&1 &
watch=$!
applied
kill "$watch" && wait "$watch" || true
watch=
tell "underlay watch told meanwhile, of web-0 ($(wc -l <"$work/watch.log") lines of all):"
grep -w web-0 "$work/watch.log" | awk '!seen[$0]++' | head -n 6 | cut -c1-110 | sed 's/^/        | /'
shown machines 1,2,3
tell "web over the racks: $("$TF_BIN" output -json placed | jq -r '[to_entries[] | select(.key | startswith("web")) | .value[0:2]] | group_by(.) | map("\(.[0]) \(length)") | join(", ")')"
empty_plan

chapter "What each machine knows of its surroundings, and who says so"
for machine in web-0 db-0; do
    tell "$machine:"
    underlay explain "machine/$machine" --values | sed 's/^/        | /'
done
told=$(underlay explain machine/db-0 --values)
grep -q '10.0.0.9.*machine' <<<"$told" && grep -q '9000.*pool/db' <<<"$told" || fail "db-0 has other values than it was given"
host=$(underlay describe machine/db-0 -o json | jq -r .status.host)
underlay sim show "$host" | jq -e '.files["/etc/chrony/chrony.conf"] and .files["/etc/app.env"].mode == "0600"' >/dev/null ||
    fail "the files of its profile are not on $host"
tell "on $host: $(underlay sim show "$host" | jq -r '.files | keys | join(", ")')"

chapter "A disk dies: the host is set aside, another one taken"
spare=$(underlay get hosts -o json | jq -rs '[.[] | select(.spec.pool == "general" and (.status.machine // "") == "") | .meta.key.name] | sort | first')
underlay sim fault "$spare" --disk-failure >/dev/null
tell "the disk of $spare fails from now on, and nobody knows it yet"
applied -var web=6
underlay get hosts | grep quarantined | sed 's/^/        | /' || fail "no host is quarantined"
given_up=$(underlay describe machine/web-5 -o json | jq -r '.status.given_up | join(" ")')
[ "$given_up" = "$spare" ] || fail "web-5 gave up \"$given_up\" instead of $spare"
tell "web-5 gave up $spare and is ready on $(underlay describe machine/web-5 -o json | jq -r .status.host)"
empty_plan -var web=6

chapter "terraform destroy"
"$TF_BIN" destroy -auto-approve -no-color -var web=6 >"$work/destroy.log" 2>&1 || { cat "$work/destroy.log" >&2; fail "destroy"; }
grep -E 'Destroy complete' "$work/destroy.log" | tail -n 1 | sed 's/^/        | /'
[ "$(underlay sim list | grep -c ' off ')" = 10 ] || fail "a machine is still on"
kill -TERM "$dev" && wait "$dev" || fail "underlay dev did not stop cleanly"
dev=
chapter "Done: enrolled, chosen, broken, replaced, gone"
