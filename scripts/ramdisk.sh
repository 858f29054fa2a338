#!/usr/bin/env bash
# Builds the agent's kernel and initramfs once per agent and kernel, and prints the directory that holds them:
# vmlinuz, initrd and manifest.json, as `underlay serve --ramdisk` wants them.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kernel=$(scripts/kernel.sh)
agent=$(scripts/agent.sh)
cargo build --quiet -p underlay >&2
underlay=$CARGO_TARGET_DIR/debug/underlay

build() { "$underlay" ramdisk build --kernel-deb "$kernel" --agent "$agent" --out "$1/out"; }

built=$UNDERLAY_CACHE/ramdisks/$(basename "$kernel" .deb)-$(digest "$agent")
once "$built" build
printf '%s\n' "$built"
