#!/usr/bin/env bash
# Builds the agent as one static program and prints its path, for `underlay ramdisk build`.
#
# The target must be named even where it is the host's own: else the static flag would reach build
# scripts and procedural macros, which cannot be linked that way.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=x86_64-unknown-linux-gnu
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"

cargo build --quiet -p underlay-agent --profile agent --target "$target" >&2
printf '%s\n' "$CARGO_TARGET_DIR/$target/agent/underlay-agent"
