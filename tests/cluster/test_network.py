"""Every cell of the matrix of network policies, by real connections between pods."""

import json

from cluster.cluster import NAME, Cluster, plain_pod
from cluster.conftest import Note
from manifests import pods
from manifests.test_network_policies import table

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


def test_every_cell_of_the_network_matrix(cluster: Cluster, note: Note) -> None:
    """Who may come to the gateway from anywhere still has to be let out where they are: that is the next test."""
    sources = [*pods(), STRANGER]
    # They have the labels of the processes, but are never ready: no service leads to them.
    gate = [{"conditionType": "imghost.example/never"}]
    probes = [plain_pod(f"probe-{name}", {NAME: name}, readinessGates=gate) for name in sources]
    cluster.kubectl("apply", "--filename=-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": probes}))
    targets = [
        (name, cluster.pods(name)[0]["status"]["podIP"], port) for name, ports in SERVERS.items() for port in ports
    ]
    wrong, allowed = [], 0
    try:
        for name in sources:
            cluster.kubectl("wait", "--for=condition=ContainersReady", f"pod/probe-{name}", "--timeout=120s")
        for name in sources:
            found = json.loads(cluster.execute(f"probe-{name}", "python", "-c", CONNECT, json.dumps(targets)))
            for target, _, port in targets:
                due = (name, target, port) in table()
                allowed += due
                if found[f"{target}:{port}"] != due:
                    wrong.append(f"{name} to {target}:{port} is {'open' if found[f'{target}:{port}'] else 'closed'}")
    finally:
        names = [f"pod/probe-{name}" for name in sources]
        cluster.kubectl("delete", *names, "--ignore-not-found", "--wait=false")
    assert wrong == []
    cells = len(sources) * len(targets)
    note(f"{cells} cells: {allowed} connections made, {cells - allowed} refused, as the table says")


def test_anybody_reaches_the_gateway_by_name_and_nothing_else(cluster: Cluster, note: Note) -> None:
    targets = [
        (name, name, port) for name in ("gateway", "auth", "catalog", "postgres", "s3") for port in SERVERS[name][:1]
    ]
    found = json.loads(cluster.execute("client", "python", "-c", CONNECT, json.dumps(targets)))
    assert {name for name, is_open in found.items() if is_open} == {"gateway:8000"}
    note("names are resolved; gateway:8000 is open, all else closed")
