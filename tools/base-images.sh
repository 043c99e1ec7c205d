#!/usr/bin/env bash
# Builds stand-ins for the public base images out of the distribution's packages, for machines that reach no registry,
# and writes their names to .imghost/images.env (read by the tests) and .env (read by docker compose).
#
# Run again it does only what is missing: the Debian base is kept, the others come from the engine's build cache.
set -euo pipefail
cd "$(dirname "$0")/.."

DEBIAN_IMAGE=imghost-standin/debian:trixie
AUTHORITIES=/etc/ssl/certs/ca-certificates.crt
declare -A TAGS=([python]=trixie [postgres]=17 [rabbitmq]=4 [s3]=juicefs-1.4)

fail() { echo "base-images: $*" >&2; exit 1; }

make_debian() {
    if docker image inspect "$DEBIAN_IMAGE" >/dev/null 2>&1; then return 0; fi
    if ! command -v mmdebstrap >/dev/null; then
        ((EUID == 0)) && command -v apt-get >/dev/null || fail "mmdebstrap is missing; on Debian or Ubuntu: apt install mmdebstrap"
        echo "base-images: installing mmdebstrap ..."
        # The keyring is there on Debian; elsewhere the base could not be verified without it.
        { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends \
            mmdebstrap debian-archive-keyring; } >/var/log/imghost-apt.log 2>&1 || fail "installing mmdebstrap failed; see /var/log/imghost-apt.log"
    fi
    echo "base-images: $DEBIAN_IMAGE ..."
    # A machine with a certificate authority of its own needs it inside builds too, or pip refuses every connection.
    # It goes into this base, which never leaves the machine, and nowhere into the project's own Dockerfiles.
    local trust=() change=()
    if [[ -s $AUTHORITIES ]]; then
        trust=("--customize-hook=copy-in $AUTHORITIES /etc/ssl/certs")
        change=(--change "ENV PIP_CERT=$AUTHORITIES")
    fi
    mmdebstrap --quiet --variant=minbase --include=ca-certificates "${trust[@]}" trixie - |
        docker import "${change[@]}" - "$DEBIAN_IMAGE" >/dev/null || fail "making $DEBIAN_IMAGE failed"
}

build() {
    local image=imghost-standin/$1:${TAGS[$1]} log
    echo "base-images: $image ..."
    log=$(docker build --quiet --build-arg DEBIAN_IMAGE="$DEBIAN_IMAGE" \
        --build-arg PYTHON_IMAGE="imghost-standin/python:${TAGS[python]}" --tag "$image" "containers/$1" 2>&1) ||
        fail "building $image failed: $log"
}

write_names() {
    local names file
    names=$(for name in python postgres rabbitmq s3; do echo "${name^^}_IMAGE=imghost-standin/$name:${TAGS[$name]}"; done)
    mkdir -p .imghost
    for file in .imghost/images.env .env; do
        # Other lines of .env are the developer's own.
        { [[ ! -f $file ]] || sed '/^\(PYTHON\|POSTGRES\|RABBITMQ\|S3\)_IMAGE=/d' "$file"; echo "$names"; } >"$file.new"
        mv "$file.new" "$file"
    done
}

make_debian
for name in python postgres rabbitmq s3; do build "$name"; done
write_names
echo "base-images: the names are in .imghost/images.env and .env"
