#!/usr/bin/env bash
# Prints the path of a Go that builds what needs GO_VERSION or newer.
#
#   scripts/go.sh            /usr/bin/go
#
# The machine's own where it is new enough. An older one (Debian's) fetches that toolchain, which is itself a module, and
# steps aside.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

GO_VERSION=1.25.9

# new_enough GO: whether this Go can build such a module without changing toolchains.
new_enough() {
    local has
    has=$("$1" env GOVERSION)
    [ "$(printf '%s\n' "$GO_VERSION" "${has#go}" | sort -V | head -1)" = "$GO_VERSION" ]
}

fetch_go() {
    local work=$1 source
    source=$( (cd / && go mod download -json "golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-amd64" || true) |
        jq -r '.Dir // ((.Error + "\n") | halt_error)')
    cp -r "$source" "$work/out"
    chmod -R u+w "$work/out"
    chmod +x "$work"/out/bin/* "$work"/out/pkg/tool/*/*
}

need go terraform
need jq base
export GOTOOLCHAIN=local
if new_enough go; then
    command -v go
else
    once "$UNDERLAY_CACHE/go/$GO_VERSION" fetch_go
    printf '%s\n' "$UNDERLAY_CACHE/go/$GO_VERSION/bin/go"
fi
