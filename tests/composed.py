"""What docker compose makes of its files and variables; nothing is started."""

import os
import subprocess
from typing import Any

import yaml

from containers import ROOT

# ha.yml has no defaults for these.
OF_HA = {"POSTGRES_REPLICATION_PASSWORD", "RABBITMQ_ERLANG_COOKIE"}


def compose_config(env_file: str = os.devnull, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `docker compose config` with no other variables than those given, and those of `env_file`."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | variables
    command = ["docker", "compose", "--env-file", env_file, "config"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def services(**variables: str) -> dict[str, Any]:
    """Return the services that docker compose makes of the variables."""
    done = compose_config(**variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found
