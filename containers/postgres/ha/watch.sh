#!/usr/bin/env bash
# Decides whether the primary waits for its standby: as long as that follows, and for PATIENCE_S after it was lost.
#
# While it waits, each commit that was answered is on both servers, so that a failover loses none. Without a standby no
# commit would ever be answered, so that the primary then goes on alone. The file `alone` says so before it does, and
# failover.sh refuses to promote a standby while the file is there.
set -Eeuo pipefail
. /ha/common.sh
PATIENCE_S=${PATIENCE_S:-5}
EVERY_S=1

exec 9>"$STATE/lock"

begin() {
    until ask postgres "SELECT 1" >/dev/null 2>&1; do sleep $EVERY_S; done
    touch "$STATE/alone"
    echo postgres >"$STATE/primary.new"
    sync "$STATE"
    mv "$STATE/primary.new" "$STATE/primary"
}

# The role with which the standby logs in. Its password is that of the settings, also after they were changed.
make_role() { # PRIMARY
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
        --set=password="$POSTGRES_REPLICATION_PASSWORD" \
        --dbname="host=$1 user=postgres dbname=postgres connect_timeout=3" <<'SQL'
SET synchronous_commit = local;
SELECT 'CREATE ROLE replication' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'replication') \gexec
ALTER ROLE replication LOGIN REPLICATION PASSWORD :'password';
SQL
}

# Returns 1 where the primary does not answer, and leaves all as it was: `alone` would forbid the failover.
follow() { # PRIMARY STANDBY
    local found waited_for state flushed
    # `state` is empty unless the standby follows; `sync` says that commits wait for it.
    found=$(ask "$1" "SELECT current_setting('synchronous_standby_names'), sync_state, flush_lsn >= '${due:-0/0}'::pg_lsn
        FROM (SELECT) AS one LEFT JOIN pg_stat_replication ON application_name = '$2' AND state = 'streaming'
        ORDER BY backend_start DESC LIMIT 1") || return 1
    IFS='|' read -r waited_for state flushed <<<"$found"
    if [[ -z $state ]]; then
        due=
        lost_s=${lost_s:-$SECONDS}
        if [[ -e $STATE/alone ]]; then
            [[ -z $waited_for ]] || wait_for_nobody "$1"
        elif ((SECONDS - lost_s >= PATIENCE_S)); then
            touch "$STATE/alone"
            sync "$STATE"
            wait_for_nobody "$1" || return 1
            echo "$2 does not follow; $1 goes on alone, and must not be failed over from"
        fi
        return
    fi
    lost_s=
    [[ -e $STATE/alone ]] || return 0
    if [[ -z $waited_for || $state != sync ]]; then
        due=
        ask "$1" "ALTER SYSTEM SET synchronous_standby_names = '\"$2\"'" "SELECT pg_reload_conf()" >/dev/null || return 1
    elif [[ -z $due ]]; then
        due=$(ask "$1" "SELECT pg_current_wal_insert_lsn()") || return 1 # whatever was answered without the standby is before it
    elif [[ $flushed == t ]]; then
        rm "$STATE/alone"
        sync "$STATE"
        due=
        echo "$2 has all that $1 has answered"
    fi
}

[[ -s $STATE/primary ]] || begin
seen='' lost_s='' due=''
while sleep $EVERY_S; do
    flock 9
    primary=$(cat "$STATE/primary")
    if [[ $primary != "$seen" ]]; then
        seen='' lost_s='' due=''
        if [[ $(ask "$primary" "SELECT pg_is_in_recovery()" 2>/dev/null) == f ]] && make_role "$primary"; then
            seen=$primary
        fi
    else
        follow "$primary" "$(other "$primary")" 2>/dev/null || due=''
    fi
    flock --unlock 9
done
