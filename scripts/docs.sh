#!/usr/bin/env bash
# Writes the provider's documentation, docs/provider, from its schemas and the examples.
#
#   scripts/docs.sh            writes it
#   scripts/docs.sh --check    writes nothing; fails, with the difference, when it is stale
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
trap 'exit 130' INT TERM
cargo run --quiet -p terraform-provider-underlay -- docs --out "$fresh/provider" --examples examples
if [ "${1:-}" = --check ]; then
    diff -ru docs/provider "$fresh/provider" || die "docs/provider is stale; run: make docs"
    exit 0
fi
mkdir -p docs
rm -rf docs/provider
mv "$fresh/provider" docs/provider
find docs/provider -type f | sort
