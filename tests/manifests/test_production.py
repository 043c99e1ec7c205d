"""Production: the processes alone, three pods of each over zones, settings that they start with, and no secret."""

import re
from typing import Any

import pytest
import yaml

from manifests import (
    K8S,
    KEY_MAKERS,
    POD_OWNERS,
    PRODUCTION,
    copied,
    documents,
    kustomize,
    our_pods,
    pod_template,
    pods,
)
from manifests.test_hardening import secrets_of
from manifests.test_network_policies import table
from manifests.test_rollouts import LONG_RUNNING
from manifests.test_settings import PROCESSES, given

FOLDER = K8S / "overlays" / "production"
README = (FOLDER / "README.md").read_text()
EVERYWHERE = pytest.mark.parametrize("variant", PRODUCTION)


@EVERYWHERE
def test_there_are_no_data_services_and_no_secrets(variant: str) -> None:
    assert set(pods(variant)) - KEY_MAKERS == set(PROCESSES)
    for secret in documents("Secret", variant=variant).values():
        assert not {"data", "stringData"} & set(secret)
    assert "secretGenerator" not in yaml.safe_load((FOLDER / "kustomization.yaml").read_text())


@EVERYWHERE
def test_pods_are_even_over_the_zones_that_have_nodes(variant: str) -> None:
    deployments = documents("Deployment", variant=variant)
    assert set(deployments) == LONG_RUNNING
    for name, deployment in deployments.items():
        zone, node = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert zone["topologyKey"] == "topology.kubernetes.io/zone", name
        assert (zone["maxSkew"], zone["whenUnsatisfiable"], zone["nodeTaintsPolicy"]) == (1, "DoNotSchedule", "Honor")
        assert node["whenUnsatisfiable"] == "ScheduleAnyway", name


def test_each_process_that_keeps_running_has_three_pods() -> None:
    replicas = {name: each["spec"]["replicas"] for name, each in documents("Deployment", variant="production").items()}
    assert replicas == dict.fromkeys(LONG_RUNNING, 3)


@EVERYWHERE
def test_process_knows_all_that_it_is_given_and_starts_with_it(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for process, (kind, _) in PROCESSES.items():
        with monkeypatch.context() as patch:
            for name, value in given(process, variant).items():
                patch.setenv(name, value)
            kind()


def test_the_readme_lists_each_secret_that_a_pod_needs_and_its_keys() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", README, re.MULTILINE)
    listed = {name: set(re.findall("`([^`]+)`", keys)) for name, keys in rows}
    templates = our_pods("production").values()
    assert set(listed) == set().union(*map(secrets_of, templates))
    for template in templates:
        for each in template["spec"]["containers"][0].get("env", []):
            if reference := each.get("valueFrom", {}).get("secretKeyRef"):
                assert reference["key"] in listed[reference["name"]]


def shown(words: str) -> list[dict[str, Any]]:
    """Return the documents of the one block of YAML in the README that has these words."""
    [found] = [
        block for block in re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL) if words in block
    ]
    return list(yaml.safe_load_all(found))


def settings(kustomization: dict[str, Any]) -> set[str]:
    """Return the names of the settings that a kustomization changes."""
    generators = kustomization["configMapGenerator"]
    return {literal.partition("=")[0] for generator in generators for literal in generator["literals"]}


def test_the_overlay_of_the_readme_replaces_each_address_bucket_and_image_of_ours() -> None:
    [overlay] = shown("resources: [../production]")
    [door] = shown("kind: Ingress")
    overlay["components"] = ["../../components/ingress", *overlay["components"]]
    with copied() as copy:
        mine = copy / "overlays" / "mine"
        mine.mkdir()
        (mine / "kustomization.yaml").write_text(yaml.safe_dump(overlay | door))
        text = kustomize(mine)
    built = list(yaml.safe_load_all(text))
    images = [
        container["image"]
        for each in built
        if each["kind"] in POD_OWNERS
        for container in pod_template(each)["spec"]["containers"]
    ]
    assert len(images) == len(PROCESSES) + len(KEY_MAKERS)
    assert all(image.startswith("registry.example/team/imghost-") for image in images)
    assert "s3.example/imghost" not in text
    assert settings(overlay) >= settings(yaml.safe_load((FOLDER / "kustomization.yaml").read_text()))
    assert "imghost.example" not in text


def test_the_policies_of_the_readme_open_data_services_elsewhere_for_whom_the_table_names() -> None:
    named = {}
    for policy in shown("kind: NetworkPolicy"):
        [choice] = policy["spec"]["podSelector"]["matchExpressions"]
        assert (choice["key"], choice["operator"]) == ("app.kubernetes.io/name", "In")
        assert policy["spec"]["policyTypes"] == ["Egress"]
        named[policy["metadata"]["name"].removesuffix("-elsewhere")] = set(choice["values"])
    expected: dict[str, set[str]] = {"postgres": set(), "rabbitmq": set(), "s3": set()}
    for source, target, _ in table():
        if target in expected and source != "s3-setup":
            expected[target].add(source)
    assert named == expected
