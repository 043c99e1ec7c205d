# What watch.sh and failover.sh share. In the folder STATE:
#
# primary   the name of the primary
# alone     is there while the primary answers without waiting for its standby, which then lacks what was answered since
# lock      held by whoever changes one of these files, or the setting that they tell of

other() { [[ $1 == postgres ]] && echo postgres-2 || echo postgres; }

ask() { # SERVER STATEMENT...
    local server=$1
    shift
    psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 "${@/#/--command=}" \
        --dbname="host=$server user=postgres dbname=postgres connect_timeout=3 options='-c statement_timeout=5s'"
}

wait_for_nobody() { # SERVER
    ask "$1" "ALTER SYSTEM SET synchronous_standby_names = ''" "SELECT pg_reload_conf()" >/dev/null
}
