"""The trial behind the edge: who reaches what then, what it keeps, and rollouts that nobody notices."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.cluster import Cluster
from cluster.conftest import Note
from cluster.stack import ClusterStack
from cluster.test_network import CONNECT, STRANGER, TARGETS, connections
from cluster.test_rollouts import LEAST, requests
from deadlines import until
from manifests import pods
from manifests.test_network_policies import ANYBODY, table

BASE = "https://edge:443"
MADE = ("deployment", "service", "poddisruptionbudget", "serviceaccount", "networkpolicy")
# Prints the status of each of some public reads.
READ = """
import ssl, sys, urllib.request
context = ssl._create_unverified_context()
for _ in range(int(sys.argv[2])):
    with urllib.request.urlopen(sys.argv[1], context=context, timeout=30) as answer:
        print(answer.status)
"""


@pytest.fixture(scope="module", autouse=True)
def edge(cluster: Cluster, stack: ClusterStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The edge with a certificate of its own; without it again at the end."""
    cluster.kubectl("delete", "secret/imghost-tls", "--ignore-not-found")
    cluster.kubectl("create", "secret", "tls", "imghost-tls", *_certificate(tmp_path_factory.mktemp("tls")))
    cluster.prepare(components=("network-policies", "edge"))
    cluster.apply()
    cluster.wait_until_ready(("gateway", "edge"))
    stack.reach_gateway()
    yield
    cluster.prepare()
    cluster.apply()
    cluster.kubectl("delete", *(f"{kind}/edge" for kind in MADE), "networkpolicy/edge-egress", "secret/imghost-tls")
    cluster.wait_until_ready()
    stack.reach_gateway()


def _certificate(folder: Path) -> tuple[str, str]:
    key, certificate = folder / "tls.key", folder / "tls.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=edge"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return f"--key={key}", f"--cert={certificate}"


def test_every_cell_of_the_network_matrix_behind_the_edge(cluster: Cluster, note: Note) -> None:
    sources, targets = [*pods("trial and edge"), STRANGER], [*TARGETS, ("edge", 8443)]
    made = connections(cluster, sources, targets)
    assert made ^ {edge for edge in table(edge=True) if edge[0] != ANYBODY} == set()
    cells = len(sources) * len(targets)
    asked = json.dumps([("edge", "edge", 443), ("gateway", "gateway", 8000)])
    found = json.loads(cluster.execute("client", "python", "-c", CONNECT, asked))
    assert found == {"edge:443": True, "gateway:8000": False}
    note(f"{cells} cells: {len(made)} connections made, {cells - len(made)} refused; anybody reaches the edge only")


def test_the_edge_keeps_public_answers(cluster: Cluster, image: tuple[str, str], note: Note) -> None:
    said = cluster.execute("client", "python", "-c", READ, f"{BASE}/api/i/{image[0]}", "20")
    assert said.split() == ["200"] * 20

    def hits() -> int:
        log = cluster.kubectl("logs", "--selector=app.kubernetes.io/name=edge", "--tail=-1")
        return sum(json.loads(line).get("cache") == "HIT" for line in log.splitlines() if line.startswith("{"))

    found = until(hits, 30, "no answer came from the cache")
    note(f"{found} of 20 answers came from the caches of two pods")


def test_rolling_restart_behind_the_edge_fails_no_request(
    cluster: Cluster, stack: ClusterStack, image: tuple[str, str], note: Note
) -> None:
    with requests(image, LEAST, BASE) as sent:
        for name in ("edge", "gateway", "edge"):
            cluster.kubectl("rollout", "restart", f"deployment/{name}")
            cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=300s")
    assert sent["failed"] == 0, sent
    stack.reach_gateway()
    note(f"the edge twice and the gateway: 0 of {sent['sent']} requests failed")
