# shellcheck shell=bash
# The cache that every script shares: where it lies, and how a thing is built into it once.
#
# Source it, do not run it:   . "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
# It sets  UNDERLAY_CACHE    root of everything slow to make (images, kernels, tofu, venv)
#          CARGO_TARGET_DIR  inside that cache unless the caller chose one, so that clones share their builds
# and gives  say, die, have, need, digest, once.
#
# Invariant: a path under UNDERLAY_CACHE is either absent or complete. A build works in a directory
# beside its destination, under a lock, and is renamed into place; a killed build leaves no half.

shopt -s inherit_errexit

UNDERLAY_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/underlay"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$UNDERLAY_CACHE/target}"
# Where an ordinary user's shell does not look, and mkfs and sfdisk live.
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$UNDERLAY_CACHE"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# need COMMAND LEVEL: stop unless COMMAND is there, naming the setup level that brings it.
need() { have "$1" || die "$1 is not installed; run: scripts/setup.sh $2"; }

# digest FILE...: twelve hex digits over the files' bytes, the usual version key of what a script builds.
digest() { cat -- "$@" | sha256sum | cut -c1-12; }

# once PATH FUNCTION [ARG...]: unless PATH exists, run `FUNCTION DIR ARG...` where DIR is an empty
# directory on the same file system, then rename DIR/out (a file or a directory) to PATH.
# Callers that come meanwhile wait for the lock and find PATH there. Put the version in PATH.
# FUNCTION runs in a subshell and its stdout goes to stderr. Never call `once` in a condition
# (`if`, `||`): bash would then run FUNCTION on after a failed command.
once() {
    local path=$1 function=$2
    shift 2
    [ ! -e "$path" ] || return 0
    mkdir -p "$(dirname "$path")"
    (
        flock 9
        [ ! -e "$path" ] || exit 0
        work=$(mktemp -d "$path.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        trap 'exit 130' INT TERM
        "$function" "$work" "$@" 1>&2
        mv -T "$work/out" "$path"
    ) 9>"$path.lock"
}
