"""Every cell of the matrix of network policies, by real connections between pods."""

import json
from collections.abc import Collection

from cluster.cluster import NAME, Cluster, plain_pod
from cluster.conftest import Note
from manifests import pods
from manifests.test_network_policies import ANYBODY, Edge, table

SERVERS = {
    "gateway": (8000, 9000),
    "auth": (8000, 9000),
    "catalog": (8000, 9000),
    "postgres": (5432,),
    "rabbitmq": (5672,),
    "s3": (5000,),
    "auth-worker": (9000,),
    "catalog-worker": (9000,),
    "imaging": (9000,),
}
TARGETS = [(name, port) for name, ports in SERVERS.items() for port in ports]
STRANGER = "stranger"
# What a pod that is let through finds open; what is refused answers at once or never.
CONNECT = """
import json, socket, sys, threading
found = {}
def connect(name, address, port):
    try:
        socket.create_connection((address, port), 3).close()
        found[f"{name}:{port}"] = True
    except OSError:
        found[f"{name}:{port}"] = False
threads = [threading.Thread(target=connect, args=each) for each in json.loads(sys.argv[1])]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(found))
"""


def connections(cluster: Cluster, sources: Collection[str], targets: Collection[tuple[str, int]]) -> set[Edge]:
    """Return the edges on which connections are made, of all from `sources` to `targets`."""
    # The probes have the labels of the processes, but are never ready: no service leads to them.
    gate = [{"conditionType": "imghost.example/never"}]
    probes = [plain_pod(f"probe-{name}", {NAME: name}, readinessGates=gate) for name in sources]
    cluster.kubectl("apply", "--filename=-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": probes}))
    addresses = {name: cluster.pods(name)[0]["status"]["podIP"] for name, _ in targets}
    asked = json.dumps([(name, addresses[name], port) for name, port in targets])
    made: set[Edge] = set()
    try:
        for name in sources:
            cluster.kubectl("wait", "--for=condition=ContainersReady", f"pod/probe-{name}", "--timeout=120s")
        for name in sources:
            found = json.loads(cluster.execute(f"probe-{name}", "python", "-c", CONNECT, asked))
            made |= {(name, target, port) for target, port in targets if found[f"{target}:{port}"]}
    finally:
        names = [f"pod/probe-{name}" for name in sources]
        cluster.kubectl("delete", *names, "--ignore-not-found", "--wait=true")
    return made


def test_every_cell_of_the_network_matrix(cluster: Cluster, note: Note) -> None:
    """Who may come to the gateway from anywhere still has to be let out where they are: that is the next test."""
    sources = [*pods(), STRANGER]
    made = connections(cluster, sources, TARGETS)
    wanted = {edge for edge in table() if edge[0] != ANYBODY}
    assert made ^ wanted == set()
    cells = len(sources) * len(TARGETS)
    note(f"{cells} cells: {len(made)} connections made, {cells - len(made)} refused, as the table says")


def test_anybody_reaches_the_gateway_by_name_and_nothing_else(cluster: Cluster, note: Note) -> None:
    targets = [
        (name, name, port) for name in ("gateway", "auth", "catalog", "postgres", "s3") for port in SERVERS[name][:1]
    ]
    found = json.loads(cluster.execute("client", "python", "-c", CONNECT, json.dumps(targets)))
    assert {name for name, is_open in found.items() if is_open} == {"gateway:8000"}
    note("names are resolved; gateway:8000 is open, all else closed")
