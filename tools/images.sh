#!/usr/bin/env bash
# Builds the images of a release, with a software bill of materials beside each, or pushes them to a registry.
#
# Usage: tools/images.sh build             as imghost-auth:VERSION and imghost-auth:VERSION-COMMIT, and so on
#        tools/images.sh push REGISTRY     as REGISTRY/imghost-auth:VERSION and so on
#
# The bills are in .imghost/sbom/, as CycloneDX. The base image is PYTHON_IMAGE: that of the environment, else that of
# .imghost/images.env, which `make base-images` writes, else the public one.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A DOCKERFILES=(
    [auth]=services/auth [catalog]=services/catalog [imaging]=services/imaging [gateway]=gateway
    [s3-setup]=containers/s3-setup)
NAMES=(auth catalog imaging gateway s3-setup)
SBOM=.imghost/sbom

fail() { echo "images: $*" >&2; exit 1; }

version() { cat VERSION; }

# A commit names what is in an image only if nothing was changed since.
revision() { git describe --always --abbrev=12 --exclude='*' --dirty 2>/dev/null || echo unknown; }

base() {
    local written=
    [[ ! -f .imghost/images.env ]] || written=$(sed -n 's/^PYTHON_IMAGE=//p' .imghost/images.env)
    echo "${PYTHON_IMAGE:-${written:-python:3.13-slim}}"
}

megabytes() { docker image inspect "$1" --format '{{.Size}}' | awk '{printf "%d MB", $1 / 1e6}'; }

build() {
    local name image said
    mkdir -p "$SBOM"
    for name in "${NAMES[@]}"; do
        image=imghost-$name
        said=$(docker build --quiet --file "${DOCKERFILES[$name]}/Dockerfile" --build-arg PYTHON_IMAGE="$(base)" \
            --build-arg VERSION="$VERSION" --build-arg REVISION="$REVISION" \
            --label org.opencontainers.image.base.name="$(base)" --label org.opencontainers.image.created="$COMMITTED" \
            --tag "$image:$VERSION" --tag "$image:$VERSION-$REVISION" . 2>&1) ||
            fail "building $image failed: $said"
        .venv/bin/python tools/sbom.py "$image:$VERSION" "$VERSION" >"$SBOM/$image-$VERSION.cdx.json" ||
            fail "$image has no bill of materials"
        printf '%-17s %s  %-23s %s  %s\n' "$image" "$VERSION" "$VERSION-$REVISION" "$(megabytes "$image:$VERSION")" \
            "$SBOM/$image-$VERSION.cdx.json"
    done
}

push() {
    local registry=${1%/} name tag
    [[ -n $registry ]] || fail "say where to: make push REGISTRY=registry.example/team"
    for name in "${NAMES[@]}"; do
        for tag in "$VERSION" "$VERSION-$REVISION"; do
            docker image inspect "imghost-$name:$tag" >/dev/null 2>&1 || fail "imghost-$name:$tag is missing: make images"
            docker tag "imghost-$name:$tag" "$registry/imghost-$name:$tag"
            docker push --quiet "$registry/imghost-$name:$tag"
        done
    done
}

VERSION=$(version)
REVISION=$(revision)
# When the commit was made, not the image: an image of the same commit has the same labels.
COMMITTED=$(git log -1 --format=%cI 2>/dev/null || echo unknown)
case ${1:-} in
    build) build ;;
    push) push "${2:-}" ;;
    *) fail "usage: tools/images.sh build | push REGISTRY" ;;
esac
