"""Rollouts, evictions, changed settings and migrations under load: nobody notices."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients import ValidatingClient
from cluster.cluster import NAMESPACE, OURS, Cluster
from cluster.conftest import Note
from cluster.stack import ClusterStack
from deadlines import until
from manifests import kubectl

SENDER = Path(__file__).with_name("sender.py")
LEAST = 5000


class Sent(dict[str, object]):
    """What the sender has printed."""


@contextmanager
def requests(image: tuple[str, str], least: int, base: str = "http://gateway:8000") -> Iterator[Sent]:
    """Send requests from within the cluster during the block, `least` at least; then say what became of them."""
    key, secret = image
    command = [kubectl(), "--namespace", NAMESPACE, "exec", "--stdin", "client", "--", "python", "-c"]
    command += [SENDER.read_text(), base, secret, key, str(least)]
    sent = Sent()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield sent
            said, _ = process.communicate("end\n", timeout=600)
        finally:
            process.kill()
    sent |= json.loads(said)


def test_rolling_restart_of_every_deployment_fails_no_request(
    cluster: Cluster, stack: ClusterStack, image: tuple[str, str], note: Note
) -> None:
    with requests(image, LEAST) as sent:
        for name in OURS:
            cluster.kubectl("rollout", "restart", f"deployment/{name}")
            cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=300s")
    assert sent["failed"] == 0, sent
    stack.reach_gateway()
    note(f"0 of {sent['sent']} requests failed")


def test_eviction_as_by_a_drain_fails_no_request(
    cluster: Cluster, stack: ClusterStack, image: tuple[str, str], note: Note
) -> None:
    with requests(image, 1000) as sent:
        for name in ("gateway", "auth", "catalog"):
            for pod in cluster.pods(name):
                cluster.evict(pod["metadata"]["name"])
                cluster.kubectl("wait", "--for=delete", f"pod/{pod['metadata']['name']}", "--timeout=120s")
                cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=300s")
    assert sent["failed"] == 0, sent
    stack.reach_gateway()
    note(f"6 pods evicted one after the other, 0 of {sent['sent']} requests failed")


def max_age(stack: ClusterStack, key: str) -> str:
    """Return what the gateway lets caches do with an image, as a new connection sees it."""
    stack.reach_gateway()
    client = ValidatingClient(stack.gateway_url())
    try:
        return str(client.get(f"/api/i/{key}").headers["Cache-Control"])
    finally:
        client.close()


def test_a_changed_setting_is_rolled_out_and_back_without_a_failed_request(
    cluster: Cluster, stack: ClusterStack, image: tuple[str, str], note: Note
) -> None:
    before = max_age(stack, image[0])
    with requests(image, 1000) as sent:
        cluster.prepare({"gateway": {"GATEWAY_PUBLIC_MAX_AGE_S": "7"}})
        cluster.apply()
        cluster.wait_until_ready()
        assert "max-age=7" in max_age(stack, image[0]) != before
        cluster.kubectl("rollout", "undo", "deployment/gateway")
        cluster.wait_until_ready()
        assert max_age(stack, image[0]) == before
    cluster.prepare()
    cluster.apply()
    cluster.wait_until_ready()
    stack.reach_gateway()
    assert sent["failed"] == 0, sent
    note(f"a new ConfigMap, a rollout, and its undo: 0 of {sent['sent']} requests failed")


def test_migrations_run_twice_and_change_nothing(cluster: Cluster, stack: ClusterStack, note: Note) -> None:
    def revisions() -> list[object]:
        return [stack.query(name, "SELECT version_num FROM alembic_version") for name in ("auth", "catalog")]

    before = revisions()
    cluster.kubectl("delete", "jobs", "--all", "--wait=true")
    cluster.apply()
    jobs = [job["metadata"]["name"] for job in cluster.get("jobs")]
    assert len(jobs) == 3
    for job in jobs:
        cluster.kubectl("wait", "--for=condition=Complete", f"job/{job}", "--timeout=120s")
    assert revisions() == before
    until(lambda: stack.users[0].get("/api/images").status == 200, 30, "no answer after the second migration")
    note(f"{', '.join(jobs)} completed again; the revisions are the same")
