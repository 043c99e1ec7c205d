"""The autoscalers by CPU: they see the CPU of our pods, and what they do under load loses nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from cluster.cluster import Cluster
from cluster.conftest import Note
from cluster.stack import ClusterStack
from cluster.test_losses import figures
from deadlines import until
from faults.trial import Trial

SCALED = ("catalog", "gateway", "imaging")
SEEN_S = 180.0
# The component's own: ups at once, downs after five minutes. This shows downs within the time of a test.
SOON = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


@pytest.fixture
def autoscalers(cluster: Cluster, stack: ClusterStack, note: Note) -> Iterator[None]:
    """The trial with the autoscalers by CPU; without them again at the end."""
    if "metrics.k8s.io" not in cluster.kubectl("api-versions"):
        note.not_run("the cluster has no metrics server")
    cluster.prepare(components=("network-policies", "autoscaling-hpa"))
    cluster.apply()
    try:
        yield
    finally:
        cluster.kubectl("delete", *(f"horizontalpodautoscaler/{name}" for name in SCALED))
        cluster.prepare()
        cluster.apply()
        cluster.wait_until_ready()
        stack.reach_gateway()


def used(cluster: Cluster, name: str) -> str | None:
    """Return the CPU per pod that an autoscaler sees; None if it sees none."""
    [scaler] = cluster.get("horizontalpodautoscaler", f"--field-selector=metadata.name={name}")
    status: dict[str, Any] = scaler.get("status", {})
    active = {each["type"]: each["status"] for each in status.get("conditions", [])}.get("ScalingActive")
    [metric] = status.get("currentMetrics") or [{}]
    cpu = metric.get("resource", {}).get("current", {}).get("averageValue")
    return str(cpu) if active == "True" and cpu else None


def pods_wanted(cluster: Cluster, name: str) -> int:
    """Return how many pods a deployment is to have."""
    return int(cluster.kubectl("get", f"deployment/{name}", "--output=jsonpath={.spec.replicas}"))


@contextmanager
def target(cluster: Cluster, name: str, cpu: str) -> Iterator[None]:
    """Have an autoscaler aim at another CPU per pod, and follow it at once, for the block."""
    patch = [
        {"op": "replace", "path": "/spec/metrics/0/resource/target/averageValue", "value": cpu},
        {"op": "replace", "path": "/spec/behavior/scaleDown", "value": SOON},
    ]
    with cluster.patched(f"horizontalpodautoscaler/{name}", patch):
        yield


@pytest.mark.usefixtures("autoscalers")
def test_autoscaled_by_cpu_up_and_down_under_load_loses_nothing(
    cluster: Cluster, stack: ClusterStack, trial: Trial, note: Note
) -> None:
    """Imaging is followed; the target is a small one, since the machine of a test may be small."""
    seen = {name: until(partial(used, cluster, name), SEEN_S, f"{name} has no CPU to go by") for name in SCALED}
    # An autoscaler that is added makes it one pod until it looks; the one that was reached may be gone.
    cluster.wait_until_ready()
    stack.reach_gateway()

    def scale() -> None:
        with target(cluster, "imaging", "50m"):
            until(lambda: pods_wanted(cluster, "imaging") >= 3, SEEN_S, "imaging is not scaled up")
            cluster.wait_until_ready(["imaging"])
        with target(cluster, "imaging", "100"):
            until(lambda: pods_wanted(cluster, "imaging") == 1, SEEN_S, "imaging is not scaled down")
            until(lambda: len(cluster.pods("imaging")) == 1, SEEN_S, "pods of imaging do not end")

    trial.survives(scale, hit=["imaging"])
    note(f"{figures(trial)}; seen at first: {json.dumps(seen)}")
