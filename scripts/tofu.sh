#!/usr/bin/env bash
# Prints the path of an OpenTofu `tofu`, built once into the cache from its Go module.
#
#   scripts/tofu.sh            /home/me/.cache/underlay/tofu/1.11.6/tofu
#
# The module has a `replace` directive, so `go install` refuses it from outside. It is built where the
# module cache unpacked it, as its own main module, with the dependencies of its own go.mod and go.sum.
# The Go that builds it is found by go.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

VERSION=1.11.6
MODULE=github.com/opentofu/opentofu

# module_dir MODULE@VERSION: downloads and verifies a module, prints where it was unpacked.
module_dir() {
    (cd / && "$go" mod download -json "$1" || true) | jq -r '.Dir // ((.Error + "\n") | halt_error)'
}

build_tofu() {
    local work=$1 source
    say "building tofu $VERSION, once; this takes minutes"
    source=$(module_dir "$MODULE@v$VERSION")
    mkdir "$work/out"
    (cd "$source" && CGO_ENABLED=0 "$go" build -trimpath -buildvcs=false \
        -ldflags "-s -w -X $MODULE/version.dev=no" -o "$work/out/tofu" ./cmd/tofu 2> >(grep -v '^go: downloading' >&2))
    env -u TF_CLI_CONFIG_FILE "$work/out/tofu" version | head -1
}

tofu=$UNDERLAY_CACHE/tofu/$VERSION/tofu
if [ ! -x "$tofu" ]; then
    go=$("$(dirname "${BASH_SOURCE[0]}")/go.sh")
    export GOTOOLCHAIN=local
    once "$UNDERLAY_CACHE/tofu/$VERSION" build_tofu
fi
printf '%s\n' "$tofu"
