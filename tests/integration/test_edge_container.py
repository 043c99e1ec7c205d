"""The edge in its container: hardened as docker-compose.yml has it, and nothing else of the stack is started."""

import os
import subprocess

import pytest

from containers import ROOT, images

COMPOSE = ["docker", "compose", "--env-file", os.devnull, "--project-name", "imghost-edge-test", "--profile", "edge"]


def run_edge(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start the container of the edge with `words` for nginx."""
    command = [*COMPOSE, "run", "--rm", "--no-deps", "--no-TTY", "edge", *words]
    environment = {**os.environ, **images(), "EDGE_GATEWAY": "127.0.0.1:8000", **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=120)
    subprocess.run([*COMPOSE, "down"], cwd=ROOT, env=environment, check=True, capture_output=True)
    return done


@pytest.mark.usefixtures("engine")
def test_nginx_of_the_container_takes_the_configuration_on_a_read_only_root() -> None:
    done = run_edge("-t", GATEWAY_TRUSTED_PROXIES="1")
    assert "test is successful" in done.stderr, done.stderr
    assert done.returncode == 0


@pytest.mark.usefixtures("engine")
def test_container_ends_where_the_gateway_trusts_no_proxy() -> None:
    done = run_edge("-t", GATEWAY_TRUSTED_PROXIES="")
    assert done.returncode == 2
    assert "edge: set GATEWAY_TRUSTED_PROXIES=1" in done.stderr
