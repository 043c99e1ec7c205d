#!/bin/sh
# Fills in nginx.conf.template from the environment, and becomes nginx, with the arguments of this script.
set -eu

if [ "${GATEWAY_TRUSTED_PROXIES:-0}" = 0 ]; then
    echo "edge: set GATEWAY_TRUSTED_PROXIES=1, or else the gateway takes all clients for one" >&2
    exit 2
fi

export EDGE_LISTEN="${EDGE_LISTEN:-8443}"
export EDGE_GATEWAY="${EDGE_GATEWAY:-gateway:8000}"
export EDGE_TEMPORARY="${EDGE_TEMPORARY:-/tmp}"
export EDGE_CACHE="${EDGE_CACHE:-/var/cache/edge}"
export EDGE_CACHE_SIZE="${EDGE_CACHE_SIZE:-96m}"
export EDGE_CONNECTIONS_PER_ADDRESS="${EDGE_CONNECTIONS_PER_ADDRESS:-200}"
export EDGE_CERTIFICATE=""
if [ -n "${EDGE_TLS:-}" ]; then
    EDGE_LISTEN="$EDGE_LISTEN ssl http2"
    EDGE_CERTIFICATE="ssl_certificate $EDGE_TLS/tls.crt; ssl_certificate_key $EDGE_TLS/tls.key;"
fi

# What a client sends just when nginx ends is answered, where nginx can do that: since 1.27.4.
EDGE_KEEPALIVE="keepalive_min_timeout 2s;"
version=$(nginx -v 2>&1)
if [ "$(printf '%s\n' 1.27.4 "${version##*/}" | sort -V | head -n 1)" != 1.27.4 ]; then EDGE_KEEPALIVE=""; fi
export EDGE_KEEPALIVE

umask 077
# Of all that begins with a dollar sign, only these are filled in: the others are variables of nginx.
envsubst '$EDGE_LISTEN $EDGE_GATEWAY $EDGE_TEMPORARY $EDGE_CACHE $EDGE_CACHE_SIZE
    $EDGE_CONNECTIONS_PER_ADDRESS $EDGE_CERTIFICATE $EDGE_KEEPALIVE' <"${0%/*}/nginx.conf.template" >"$EDGE_TEMPORARY/nginx.conf"
exec nginx -e stderr -c "$EDGE_TEMPORARY/nginx.conf" "$@"
