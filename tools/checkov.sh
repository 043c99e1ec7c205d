#!/usr/bin/env bash
# Has checkov look at the manifests of k8s/, all components included. It gets an environment of its own in
# .imghost/checkov: it pins other versions of packages that the tests use.
set -euo pipefail
cd "$(dirname "$0")/.."

HOME_OF_CHECKOV=.imghost/checkov
# CKV_K8S_35: settings are read from variables only, so secrets are referenced by variables, not mounted as files.
# CKV_K8S_43: tags are fixed, and digests are those of a registry; who has one adds them in an overlay.
# CKV_K8S_15: nodes that have an image start pods while the registry is away. Tags are not moved.
EXCEPTIONS=CKV_K8S_35,CKV_K8S_43,CKV_K8S_15

if ! cmp -s tools/checkov.lock "$HOME_OF_CHECKOV/lock"; then
    echo "checkov: installing it ..."
    rm -rf "$HOME_OF_CHECKOV"
    "${PYTHON:-python3}" -m venv "$HOME_OF_CHECKOV"
    "$HOME_OF_CHECKOV/bin/pip" install --quiet --disable-pip-version-check --no-compile --require-hashes \
        --requirement tools/checkov.lock
    cp tools/checkov.lock "$HOME_OF_CHECKOV/lock"
fi
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
PYTHONPATH=tests .venv/bin/python -c '
import sys, yaml, manifests
for name in ("trial and all for CPU", "trial and all for KEDA", "production for CPU", "production for KEDA"):
    with open(f"{sys.argv[1]}/{name.replace(chr(32), chr(45))}.yaml", "w") as file:
        yaml.safe_dump_all(manifests.built()[name], file)
' "$built"
"$HOME_OF_CHECKOV/bin/checkov" --directory "$built" --framework kubernetes --skip-check "$EXCEPTIONS" \
    --compact --quiet --skip-download
echo "checkov: nothing was found"
