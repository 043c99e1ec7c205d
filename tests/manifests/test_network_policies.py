"""Who may talk to whom: the network policies, the table in k8s/README.md and the networks of compose say the same."""

import re

import pytest
import yaml

from manifests import K8S, ROOT, VARIANTS, documents, pods

VARIANT = "trial and network-policies"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
ANYBODY = "anybody"
# The names that compose has for the same processes.
IN_COMPOSE = {"catalog-reconcile": "reconcile"}

Edge = tuple[str, str, int]


def table(*, edge: bool = False) -> set[Edge]:
    """Return the edges of the table in the README; with the edge, its rows are in place of the first."""
    text = (K8S / "README.md").read_text()
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([a-z0-9-]+) \| (\d+) \| .* \|$", text, re.MULTILINE)
    edges = {(source, target, int(port)) for source, target, port in rows}
    of_the_edge = {each for each in edges if "edge" in each}
    return edges - {(ANYBODY, "gateway", 8000)} if edge else edges - of_the_edge


def label(peer: dict[str, dict[str, dict[str, str]]]) -> str:
    """Return the pod that a peer of a policy names."""
    assert set(peer) == {"podSelector"}
    return peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]


def allowed(direction: str, variant: str = VARIANT) -> set[Edge]:
    """Return the edges that the policies allow in one direction, without those to the cluster's DNS."""
    edges: set[Edge] = set()
    for name, policy in documents("NetworkPolicy", variant=variant).items():
        if name in {"default-deny", "dns"}:
            continue
        here = label({"podSelector": policy["spec"]["podSelector"]})
        for rule in policy["spec"].get(direction, []):
            [port] = rule["ports"]
            peers = rule.get("from" if direction == "ingress" else "to")
            for other in map(label, peers) if peers else [ANYBODY]:
                edges.add((other, here, port["port"]) if direction == "ingress" else (here, other, port["port"]))
    return edges


def test_what_a_pod_may_send_another_may_receive_and_the_table_says_so() -> None:
    assert allowed("egress") == {edge for edge in allowed("ingress") if edge[0] != ANYBODY}
    assert allowed("ingress") == table()
    assert (ANYBODY, "gateway", 8000) in table()
    assert len(table()) == 17


def test_with_the_edge_it_is_the_door_and_the_table_says_so() -> None:
    variant = "trial and edge"
    assert allowed("egress", variant) == {edge for edge in allowed("ingress", variant) if edge[0] != ANYBODY}
    assert allowed("ingress", variant) == table(edge=True)
    assert {edge for edge in table(edge=True) if edge[0] == ANYBODY} == {(ANYBODY, "edge", 8443)}
    assert len(table(edge=True)) == 18


@pytest.mark.parametrize("variant", [VARIANT, "trial and edge"])
def test_nothing_else_is_allowed(variant: str) -> None:
    policies = documents("NetworkPolicy", variant=variant)
    assert policies["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    [rule] = policies["dns"]["spec"]["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 53), ("TCP", 53)}
    by_pod: dict[str, list[str]] = {}
    for name in set(policies) - {"default-deny", "dns"}:
        spec = policies[name]["spec"]
        by_pod.setdefault(label({"podSelector": spec["podSelector"]}), []).extend(spec["policyTypes"])
    assert {pod: sorted(types) for pod, types in by_pod.items()} == {
        pod: ["Egress", "Ingress"] for pod in pods(variant)
    }


def test_edges_are_those_that_the_networks_of_compose_allow() -> None:
    """Compose connects by networks, not by direction: a pair that has an edge here must have a network there."""

    def networks(pod: str) -> set[str]:
        return set(COMPOSE[IN_COMPOSE.get(pod, pod)]["networks"]) - {"published"}

    for source, target, port in table():
        if source == ANYBODY:
            assert COMPOSE[target]["ports"] == [f"127.0.0.1:${{PORT:-8080}}:{port}"]
        else:
            assert networks(source) & networks(target), (source, target)
    # The other way round: who is in the network in which a server serves talks to it.
    serving = {
        "auth": {"web"},
        "catalog": {"web"},
        "postgres": {"database"},
        "rabbitmq": {"broker"},
        "s3": {"storage", "uploads"},
    }
    for pod in pods():
        reachable = {server for server, of_server in serving.items() if of_server & networks(pod)}
        if pod not in {"auth", "catalog"}:  # they are in `web` to serve
            assert {target for source, target, _ in table() if source == pod} == reachable - {pod}
        else:
            assert {target for source, target, _ in table() if source == pod} == {"postgres"}


def test_components_that_need_an_edge_more_bring_it() -> None:
    for variant in VARIANTS:
        policies = documents("NetworkPolicy", variant=variant)
        assert ("catalog-worker-metrics" in policies) == ("keda" in variant.lower())
