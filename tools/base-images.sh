#!/usr/bin/env bash
# Builds stand-ins for the public base images from the distribution's packages, for machines that reach no registry, and
# writes their names to .imghost/images.env (read by the tests) and .env (read by docker compose).
#
# The second time it is quick: the Debian base is kept, and the others come from the engine's build cache.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A TAGS=([python]=trixie [postgres]=17 [rabbitmq]=4 [s3]=juicefs-1.4 [nginx]=trixie)

fail() { echo "base-images: $*" >&2; exit 1; }

build() {
    local image=imghost-standin/$1:${TAGS[$1]} log
    echo "base-images: $image ..."
    log=$(docker build --quiet --build-arg DEBIAN_IMAGE="$DEBIAN_IMAGE" \
        --build-arg PYTHON_IMAGE="imghost-standin/python:${TAGS[python]}" --tag "$image" "containers/$1" 2>&1) ||
        fail "building $image failed: $log"
}

write_names() {
    local names file
    names=$(for name in python postgres rabbitmq s3 nginx; do echo "${name^^}_IMAGE=imghost-standin/$name:${TAGS[$name]}"; done)
    mkdir -p .imghost
    for file in .imghost/images.env .env; do
        # The other lines of .env are the developer's own, and some of them are secrets.
        install --mode=600 /dev/null "$file.new"
        { [[ ! -f $file ]] || sed '/^\(PYTHON\|POSTGRES\|RABBITMQ\|S3\|NGINX\)_IMAGE=/d' "$file"; echo "$names"; } >"$file.new"
        [[ ! -f $file ]] || chmod --reference="$file" "$file.new"
        mv "$file.new" "$file"
    done
}

DEBIAN_IMAGE=$(tools/debian-image.sh trixie)
for name in python postgres rabbitmq s3 nginx; do build "$name"; done
write_names
echo "base-images: the names are in .imghost/images.env and .env"
