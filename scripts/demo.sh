#!/usr/bin/env bash
# Runs one of the examples as a story: scripts/demo.sh NAME, where examples/NAME/demo.sh tells it.
#
# It installs what demos need, builds the programs, makes the image and fetches the kernel (all cached),
# and hands them over by environment:
#   UNDERLAY, UNDERLAY_PROVIDER_DIR   the server program, and the directory that holds it and the provider
#   TF_BIN                            terraform, or tofu where there is none
#   DEMO_IMAGE, DEMO_IMAGE_SHA256     the Debian image and its checksum     (where the story needs "debian")
#   DEMO_RAMDISK                      the agent's kernel and initramfs      (the same)
#   DEMO_DIR                          an empty directory for the run, removed afterwards
# A line "# Needs: ..." in the story says what it needs beyond the programs: terraform, debian.
# The example's script ends with 0 only if everything it shows held. When it is interrupted, the whole
# process group it runs in is ended, so nothing stays behind.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=${1:-quickstart}
story=examples/$name/demo.sh
[ -f "$story" ] || die "no demo named $name; demos: $(printf '%s\n' examples/*/demo.sh | cut -d/ -f2 | tr '\n' ' ')"

needs=" $(sed -n 's/^# Needs: //p' "$story") "
case $needs in *" debian "*) parts=(base metal terraform) ;; *) parts=(base terraform) ;; esac
scripts/setup.sh "${parts[@]}"
say "building underlay"
cargo build --quiet -p underlay -p terraform-provider-underlay
case $needs in
*" debian "*)
    DEMO_IMAGE=$(scripts/debian-image.sh)
    DEMO_IMAGE_SHA256=$(cut -d ' ' -f 1 "$DEMO_IMAGE.sha256")
    DEMO_RAMDISK=$(scripts/ramdisk.sh)
    export DEMO_IMAGE DEMO_IMAGE_SHA256 DEMO_RAMDISK
    ;;
esac
TF_BIN=${TF_BIN:-$(command -v terraform || scripts/tofu.sh)}
UNDERLAY_PROVIDER_DIR=$CARGO_TARGET_DIR/debug
UNDERLAY=$UNDERLAY_PROVIDER_DIR/underlay
DEMO_DIR=$(mktemp -d)
export TF_BIN UNDERLAY UNDERLAY_PROVIDER_DIR DEMO_DIR

group=
finish() {
    if [ -n "$group" ]; then
        kill -TERM -- "-$group" 2>/dev/null || true
        for _ in {1..50}; do
            kill -0 -- "-$group" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-$group" 2>/dev/null || true
    fi
    rm -rf "$DEMO_DIR"
}
trap finish EXIT
trap 'exit 130' INT TERM
setsid bash "$story" </dev/null &
group=$!
wait "$group"
