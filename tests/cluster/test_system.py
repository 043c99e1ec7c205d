"""The system tests through the cluster, as through any running stack."""

import os
import re
import subprocess
import sys
from datetime import datetime

import pytest

from cluster.cluster import HOME, OURS, Cluster
from cluster.conftest import Note
from cluster.stack import ClusterStack
from manifests import ROOT

# They are about the sockets of clients: thousands at once, silent, half closed. A port-forward ends these by itself,
# and breaks down under so many.
BREAKING = "tests/system/test_problems.py::test_a_refused_body_is_not_read_to_its_end"
SOCKETS = ("tests/system/test_door.py", "tests/system/test_slow_clients.py", "tests/system/test_header_limits.py")


@pytest.mark.timeout(1500)
def test_system_tests_pass(stack: ClusterStack, note: Note) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"K8S_TEST", "IMGHOST_REQUIRE_ENGINE"}
    }
    # A tenth of the generated keys: each connection is one of a port-forward.
    environment["KEYS"] = "100"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-k",
        "named_stack",
        "tests/system",
        *(f"--ignore={file}" for file in SOCKETS),
    ]
    command.append(f"--deselect={BREAKING}")
    with (HOME / "system.txt").open("w") as file:
        done = subprocess.run(
            command, cwd=ROOT, env={**environment, **stack.settings()}, check=False, stdout=file, stderr=file
        )
    said = (HOME / "system.txt").read_text()
    assert done.returncode == 0, f"see {HOME / 'system.txt'}"
    found = re.findall(r"(\d+ passed.*) in ", said)[-1]
    note(f"{found}; without those about the sockets of clients ({len(SOCKETS)} files), which a port-forward hides")


def moment(text: str) -> datetime:
    """Return a time as Kubernetes writes it."""
    return datetime.fromisoformat(text)


def test_uids_and_start_times(cluster: Cluster, note: Note) -> None:
    ours = cluster.get("pods", "--selector=app.kubernetes.io/part-of=imghost")
    assert {pod["spec"]["securityContext"]["runAsUser"] for pod in ours} == {10001}
    took: dict[str, float] = {}
    for name in OURS:
        said = cluster.execute(f"deployment/{name}", "python", "-Ic", "import os; print(os.getuid(), os.getgid())")
        assert said.split() == ["10001", "10001"]
        cluster.kubectl("rollout", "restart", f"deployment/{name}")
    cluster.wait_until_ready()
    for name in OURS:
        for pod in cluster.pods(name):
            [status] = pod["status"]["containerStatuses"]
            assert status["restartCount"] == 0
            [ready] = [each for each in pod["status"]["conditions"] if each["type"] == "Ready"]
            seconds = moment(ready["lastTransitionTime"]) - moment(status["state"]["running"]["startedAt"])
            took[name] = max(took.get(name, 0), seconds.total_seconds())
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items())
    note(f"user and group 10001 everywhere; ready after the container has started: {times}")
