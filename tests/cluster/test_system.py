"""The system tests through the cluster, as through any running stack."""

import os
import re
import subprocess
import sys
from datetime import datetime

import pytest

from cluster.cluster import OURS, Cluster, keep
from cluster.conftest import Note
from cluster.stack import ClusterStack
from manifests import ROOT


@pytest.mark.timeout(1500)
def test_system_tests_pass(stack: ClusterStack, note: Note) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"K8S_TEST", "IMGHOST_REQUIRE_ENGINE"}
    }
    command = [sys.executable, "-m", "pytest", "-q", "tests/system"]
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, **stack.settings()}, check=False, capture_output=True, text=True
    )
    file = keep("system.txt", done.stdout)
    assert done.returncode == 0, f"see {file}"
    note(re.findall(r"(\d+ passed.*) in ", done.stdout)[-1])


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
