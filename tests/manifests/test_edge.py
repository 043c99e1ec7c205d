"""The edge in Kubernetes: started by the files of edge/, before a gateway that knows of it, and what it may fill up."""

import re
import subprocess

import pytest
import yaml

from manifests import K8S, ROOT, Document, containers, copied, documents, environment, kubectl, pods, write_overlay
from manifests.test_hardening import numbers

VARIANT = "trial and edge"
FOLDER = K8S / "components" / "edge"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["edge"]
TEMPLATE = (ROOT / "edge" / "nginx.conf.template").read_text()


def container() -> Document:
    """Return the container of the edge."""
    [found] = [each for name, each in containers(VARIANT) if name == "edge"]
    return found


def test_files_are_those_of_the_edge_of_compose() -> None:
    [files] = [data for name, data in documents("ConfigMap", variant=VARIANT).items() if name.startswith("edge-files-")]
    assert set(files["data"]) == {"nginx.conf.template", "start.sh"}
    for name, text in files["data"].items():
        assert text == (ROOT / "edge" / name).read_text()
        assert text == (FOLDER / name).read_text()
    assert container()["command"] == COMPOSE["entrypoint"]
    assert f":-{container()['image']}}}" in COMPOSE["image"]


def test_start_script_knows_all_that_it_is_given() -> None:
    read = set(re.findall(r"\$\{([A-Z_]+):", (ROOT / "edge" / "start.sh").read_text()))
    given = environment(container(), VARIANT)
    assert set(given) <= read
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    assert given["EDGE_TLS"] == mounts["tls"]
    assert set(mounts.values()) >= {"/tmp", "/var/cache/edge", "/etc/edge"}  # noqa: S108 - in the container


def test_the_gateway_trusts_one_proxy_and_nobody_else_reaches_it() -> None:
    [gateway] = [each for name, each in containers(VARIANT) if name == "gateway"]
    trusted = environment(gateway, VARIANT)["GATEWAY_TRUSTED_PROXIES"]
    assert trusted == environment(container(), VARIANT)["GATEWAY_TRUSTED_PROXIES"] == "1"
    [rule] = documents("NetworkPolicy", variant=VARIANT)["gateway"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "edge"}}}]


@pytest.mark.parametrize("components", [("edge",), ("edge", "network-policies")])
def test_without_policies_to_narrow_it_does_not_build(components: tuple[str, ...]) -> None:
    """Named last, the policies would let anybody come to a gateway that believes who reaches it."""
    with copied() as copy:
        overlay = write_overlay(copy, "unsafe", components)
        done = subprocess.run([kubectl(), "kustomize", overlay], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "NetworkPolicy" in done.stderr


def test_what_clients_fill_is_memory_that_refuses_and_never_a_disk_for_which_the_pod_is_evicted() -> None:
    volumes = pods(VARIANT)["edge"]["spec"]["volumes"]
    folders = {volume["name"]: volume["emptyDir"] for volume in volumes if "emptyDir" in volume}
    assert {folder["medium"] for folder in folders.values()} == {"Memory"}
    sizes = {name: numbers(folder["sizeLimit"]) for name, folder in folders.items()}
    there = dict(re.findall(r"(/[a-z/]+):size=(\d+)m", " ".join(COMPOSE["tmpfs"])))
    assert {mount: int(size) * 2**20 for mount, size in there.items()} == {
        "/tmp": sizes["tmp"],  # noqa: S108 - in the container
        "/var/cache/edge": sizes["cache"],
    }
    # Beside them, each of the requests that nginx takes at a time may wait with a body and an answer.
    connections = 2 * int(re.findall(r"worker_connections (\d+)", TEMPLATE)[0]) // 2  # one of two is to the gateway
    a_request = (64 + 16 + 4 * 16) * 2**10
    limit = numbers(container()["resources"]["limits"]["memory"])
    assert limit == numbers(COMPOSE["mem_limit"].replace("g", "Gi"))
    assert sum(sizes.values()) + connections * a_request <= limit


def test_one_who_is_ended_answers_what_was_asked() -> None:
    spec = pods(VARIANT)["edge"]["spec"]
    [finishes_s] = map(int, re.findall(r"worker_shutdown_timeout (\d+)s", TEMPLATE))
    wait_s = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert wait_s >= 5
    assert spec["terminationGracePeriodSeconds"] >= wait_s + finishes_s + 10


def test_a_client_is_known_by_its_own_address() -> None:
    service = documents("Service", variant=VARIANT)["edge"]["spec"]
    assert service["externalTrafficPolicy"] == "Local"
