#!/usr/bin/env bash
# Makes a bare image of a Debian release from the distribution's packages, for machines that reach no registry, and
# prints its name. It does nothing else if the image exists.
#
# Usage: tools/debian-image.sh SUITE    such as bookworm or trixie
set -euo pipefail

SUITE=$1
IMAGE=imghost-standin/debian:$SUITE
AUTHORITIES=/etc/ssl/certs/ca-certificates.crt
APT_LOG=/var/log/imghost-apt.log

fail() { echo "debian-image: $*" >&2; exit 1; }

install_mmdebstrap() {
    ((EUID == 0)) && command -v apt-get >/dev/null ||
        fail "mmdebstrap is missing; on Debian or Ubuntu: apt install mmdebstrap"
    echo "debian-image: installing mmdebstrap ..." >&2
    # The keyring is there on Debian; elsewhere the packages could not be verified without it.
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends \
        mmdebstrap debian-archive-keyring; } >$APT_LOG 2>&1 || fail "installing mmdebstrap failed; see $APT_LOG"
}

make_image() {
    command -v mmdebstrap >/dev/null || install_mmdebstrap
    echo "debian-image: $IMAGE ..." >&2
    # If the machine has a certificate authority of its own, pip needs it inside builds too, or it refuses to connect. It
    # is put into this image, which never leaves the machine, and not into the project's own Dockerfiles.
    local trust=() change=()
    if [[ -s $AUTHORITIES ]]; then
        trust=("--customize-hook=copy-in $AUTHORITIES /etc/ssl/certs")
        change=(--change "ENV PIP_CERT=$AUTHORITIES")
    fi
    mmdebstrap --quiet --variant=minbase --include=ca-certificates "${trust[@]}" "$SUITE" - |
        docker import "${change[@]}" - "$IMAGE" >/dev/null || fail "making $IMAGE failed"
}

docker image inspect "$IMAGE" >/dev/null 2>&1 || make_image
echo "$IMAGE"
