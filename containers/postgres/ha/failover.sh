#!/usr/bin/env bash
# Makes the standby the primary, once the former primary is stopped. Running it again after an interruption goes on.
#
# Usage: failover.sh [--lose-what-the-standby-lacks]
set -Eeuo pipefail
. /ha/common.sh

refuse() {
    echo "not failed over: $*" >&2
    exit 1
}

[[ $# == 0 || $* == --lose-what-the-standby-lacks ]] || refuse "unknown argument: $*"
exec 9>"$STATE/lock"
flock 9
former=$(cat "$STATE/primary")
case $(ask "$former" "SELECT pg_is_in_recovery()" 2>/dev/null || true) in
    f) refuse "$former is the primary, and answers; stop it first: docker compose stop $former" ;;
    t) chosen=$former former=$(other "$former") ;; # an earlier call has come as far as this
    *)
        chosen=$(other "$former")
        if [[ -e $STATE/alone && $# == 0 ]]; then
            refuse "$former has gone on alone since $(date --utc --reference="$STATE/alone" +%FT%TZ), and $chosen lacks" \
                "what was answered since; start $former again, or give that up by --lose-what-the-standby-lacks"
        fi
        [[ $(ask "$chosen" "SELECT pg_is_in_recovery()") == t ]] || refuse "$chosen does not answer as a standby"
        echo "$chosen" >"$STATE/primary.new"
        sync "$STATE"
        mv "$STATE/primary.new" "$STATE/primary" # from now on the former primary does not start as one
        sync "$STATE"
        ;;
esac
touch "$STATE/alone"
wait_for_nobody "$chosen"
[[ $(ask "$chosen" "SELECT pg_promote(wait_seconds => 60)") == t ]] || refuse "$chosen does not become the primary; try again"
echo "$chosen is the primary; $former may be made its standby (docs/operations.md)"
