#!/usr/bin/env bash
# Tries what the README promises to a new user, in bare containers of Debian: after its one line that installs packages,
# `make run` serves, processes its sample picture and ends cleanly, and lint and the unit tests pass.
#
# Usage: tools/try-fresh.sh [SUITE...]    bookworm and trixie by default; any suite of Debian works
#
# The containers run at the same time. They get the files that git tracks, as they are in the work tree, and keep what pip
# downloads in the volume imghost-pip-cache.
set -euo pipefail
cd "$(dirname "$0")/.."

PATIENCE_S=600
AUTHORITIES=/etc/ssl/certs/ca-certificates.crt

began=$SECONDS
step() { printf -- '--- %s (%d s)\n' "$1" $((SECONDS - began)); }
fail() { echo "try-fresh: $*" >&2; exit 1; }

# --- on this machine --------------------------------------------------------------------------------------------------

image_of() {
    # Where stand-ins for the base images were built, no registry can be reached.
    if [[ -e .imghost/images.env ]]; then tools/debian-image.sh "$1"; else echo "debian:$1"; fi
}

try() { # IMAGE
    local trust=()
    # A machine with a certificate authority of its own needs it in the container, or pip refuses every connection.
    [[ ! -s $AUTHORITIES ]] || trust=(--volume "$AUTHORITIES:/authorities.crt:ro" --env PIP_CERT=/authorities.crt)
    git archive "${tree:-HEAD}" |
        docker run --rm --interactive --volume imghost-pip-cache:/root/.cache/pip "${trust[@]}" "$1" \
            bash -c 'mkdir /imghost && cd /imghost && tar --extract && exec tools/try-fresh.sh --inside'
}

# --- in the container -------------------------------------------------------------------------------------------------

try_readme() {
    local packages
    packages=$(sed -n 's/^\$ sudo apt install //p' README.md)
    step "apt install $packages"
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install $packages; } >/tmp/apt.log 2>&1 ||
        { tail -n 20 /tmp/apt.log >&2; fail "installing $packages failed"; }
    step "make run"
    try_run
    step "make test PYTEST=tests/unit"
    make test PYTEST="tests/unit --quiet"
    step "done"
}

try_run() {
    set -m # a process group of its own, which can be sent what Ctrl-C sends
    make run >/tmp/run.log 2>&1 &
    local run=$! deadline=$((SECONDS + PATIENCE_S))
    until grep -q '^Ctrl-C stops everything' /tmp/run.log; do
        kill -0 $run 2>/dev/null && ((SECONDS < deadline)) || { cat /tmp/run.log >&2; fail "make run is not ready"; }
        sleep 0.2
    done
    grep -E '^ +[0-9.]+ s ' /tmp/run.log
    grep -q '"status": "ready"' /tmp/run.log || { cat /tmp/run.log >&2; fail "the sample picture is not ready"; }
    kill -INT -- -$run
    wait $run || true
    grep -q '^SIGINT: everything is stopped$' /tmp/run.log || { cat /tmp/run.log >&2; fail "make run ended otherwise"; }
    ! grep -lsa IMGHOST_EMBEDDED_HOME /proc/[0-9]*/environ || fail "the processes above are left"
    set +m
}

if [[ ${1:-} == --inside ]]; then
    try_readme
    exit
fi
(($#)) || set -- bookworm trixie
tree=$(git stash create) # a commit of the tracked files as they are in the work tree; nothing if they are as in HEAD
declare -A tries
for suite; do
    image=$(image_of "$suite")
    try "$image" > >(sed --unbuffered "s/^/$suite: /") 2>&1 &
    tries[$suite]=$!
done
failed=()
for suite; do wait "${tries[$suite]}" || failed+=("$suite"); done
((${#failed[@]} == 0)) || fail "failed: ${failed[*]}"
