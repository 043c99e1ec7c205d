#!/usr/bin/env bash
# Creates the database cluster on the first start, as the public image does, then runs the given command.
#
# While the scripts of /docker-entrypoint-initdb.d run, the server listens on its Unix socket only, so that a health
# check over TCP does not take it for ready.
set -Eeuo pipefail

run_script() {
    echo "$0: running $1"
    case $1 in
        *.sh) if [[ -x $1 ]]; then "$1"; else . "$1"; fi ;;
        *.sql) psql --file "$1" ;;
        *) echo "$0: ignoring $1" ;;
    esac
}

make_cluster() {
    local user=${POSTGRES_USER:-postgres} script
    export POSTGRES_USER=$user POSTGRES_DB=${POSTGRES_DB:-$user}
    if [[ -z ${POSTGRES_PASSWORD:-} ]]; then
        echo "$0: POSTGRES_PASSWORD is not set; the superuser needs one" >&2
        exit 1
    fi
    install -d -m 0700 "$PGDATA"
    initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-local=trust >/dev/null
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"

    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" --wait --silent start
    export PGUSER=$user PGDATABASE=postgres PGOPTIONS=
    psql() { command psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet "$@"; }
    if [[ $POSTGRES_DB != postgres ]]; then
        psql --set=name="$POSTGRES_DB" <<<'CREATE DATABASE :"name"'
    fi
    export PGDATABASE=$POSTGRES_DB
    shopt -s nullglob
    for script in /docker-entrypoint-initdb.d/*; do run_script "$script"; done
    pg_ctl -D "$PGDATA" --mode=fast --wait --silent stop
    unset PGUSER PGDATABASE PGOPTIONS
}

[[ ${1:-} != -* ]] || set -- postgres "$@"
if [[ ${1:-} == postgres && ! -s $PGDATA/PG_VERSION ]]; then make_cluster; fi
exec "$@"
