"""`catalog status` tells of every process of a running stack."""

import json
import shlex
import subprocess
from typing import Any

import pytest

from clients import Stack
from deadlines import until


def test_status_finds_all_processes_and_what_they_have_done(stack: Stack, ready_image: dict[str, object]) -> None:
    if "STATUS_COMMAND" not in stack:
        pytest.skip("the stack does not say how to run `catalog status` (STATUS_COMMAND)")
    assert ready_image["status"] == "ready"

    def status_of_well() -> dict[str, Any] | None:
        """On a busy machine a dependency may answer too late for a moment."""
        command = [*shlex.split(stack["STATUS_COMMAND"]), "--json"]
        told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        found: dict[str, Any] = json.loads(told.stdout)
        assert (told.returncode == 0) is found["well"]
        return found if found["well"] else None

    found = until(status_of_well, 60, "not all is well")
    processes = {name.removesuffix("-worker") for name in found["parts"]} - {"database", "broker"}
    assert processes == {"gateway", "auth", "catalog", "imaging"}
    assert found["queues"]["imaging.jobs"]["consumers"] > 0
    assert found["done"]["ready"]["15m"] > 0
    # Containers have a read-only file system, in which the metrics of several web processes need a place.
    if "docker" in stack["STATUS_COMMAND"]:
        assert found["parts"]["gateway"]["requests"] > 0
        assert found["parts"]["catalog"]["requests"] > 0
