#!/usr/bin/env bash
# Creates the file system on the first start, then runs the server. It reads the variables of versitygw:
# ROOT_ACCESS_KEY_ID and ROOT_SECRET_ACCESS_KEY, VGW_PORT to listen on, VGW_BACKEND_ARG, the folder of the objects, and
# VGW_IAM_DIR, the folder of the accounts, where the index of the objects lies as well.
set -Eeuo pipefail

if [[ $# -gt 0 ]]; then exec "$@"; fi
: "${VGW_BACKEND_ARG:?}" "${VGW_IAM_DIR:?}" "${ROOT_ACCESS_KEY_ID:?}" "${ROOT_SECRET_ACCESS_KEY:?}"
export MINIO_ROOT_USER=$ROOT_ACCESS_KEY_ID MINIO_ROOT_PASSWORD=$ROOT_SECRET_ACCESS_KEY HOME=/tmp
port=${VGW_PORT:-:7070}
[[ $port != :* ]] || port=0.0.0.0$port
# A volume that began with SQLite goes on with it, which takes three times the CPU.
index=badger://$VGW_IAM_DIR/index
[[ ! -e $VGW_IAM_DIR/index.db ]] || index=sqlite3://$VGW_IAM_DIR/index.db

juicefs --quiet --no-color format --no-update --storage file --bucket "${VGW_BACKEND_ARG%/}/" --trash-days 0 "$index" imghost
# With some 300,000 objects its garbage and the pages of its index would fill the gibibyte that the container may take.
export GOMEMLIMIT=${GOMEMLIMIT:-700MiB}
# Without caches and a staging area, an object is on the volume before the server answers, and no answer is stale.
exec juicefs --quiet --no-color --no-agent gateway --multi-buckets --object-meta --keep-etag --no-banner --cache-size 0 \
    --cache-dir memory --backup-meta 0 --attr-cache 0 --entry-cache 0 --dir-entry-cache 0 "$index" "$port"
