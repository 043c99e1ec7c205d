#!/usr/bin/env bash
# Starts one of two PostgreSQL servers, as the primary or as its standby. Usage: server.sh postgres [OPTION...]
#
# The file `primary` of the shared volume names the primary. Only watch.sh (at the very first start) and failover.sh
# write it. A former primary finds another name there and does not start: with two primaries each would answer what the
# other one does not know.
set -Eeuo pipefail

refuse() {
    echo "$HOSTNAME: $*" >&2
    sleep 5 # the engine restarts the container at once
    exit 1
}

clone() {
    # An interrupted copy has no PG_VERSION yet, so that the next start begins again.
    find "$PGDATA" -mindepth 1 -delete
    until pg_basebackup --dbname="$upstream" --pgdata="$PGDATA/.copy" --checkpoint=fast --no-password; do
        echo "$HOSTNAME: waiting for $primary, to copy its data" >&2
        sleep 2
    done
    touch "$PGDATA/.copy/standby.signal"
    chmod 0700 "$PGDATA"
    find "$PGDATA/.copy" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv --target-directory="$PGDATA" {} +
    mv "$PGDATA/.copy/PG_VERSION" "$PGDATA"
    rmdir "$PGDATA/.copy"
}

if [[ $HOSTNAME != postgres ]]; then # which makes the databases
    until [[ -s /state/primary ]]; do sleep 1; done
fi
primary=$(cat /state/primary 2>/dev/null || echo postgres)
if [[ $primary == "$HOSTNAME" ]]; then
    if [[ -s /state/primary && ! -s $PGDATA/PG_VERSION ]]; then
        refuse "the data of the primary are gone; fail over to the standby, or restore a backup (docs/operations.md)"
    fi
    exec docker-entrypoint.sh "$@"
fi

export PGPASSWORD=$POSTGRES_REPLICATION_PASSWORD # for the process that receives changes, too
upstream="host=$primary user=replication connect_timeout=5"
if [[ ! -s $PGDATA/PG_VERSION ]]; then
    clone
elif [[ ! -e $PGDATA/standby.signal ]]; then
    refuse "$primary is the primary now, and this one was it before; remove its data to make it the standby" \
        "(docs/operations.md)"
fi
# By this name watch.sh and synchronous_standby_names know the standby; while it is copied it has another.
exec docker-entrypoint.sh "$@" -c primary_conninfo="$upstream application_name=$HOSTNAME"
