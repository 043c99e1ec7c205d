"""Production: the processes alone, three pods of each over zones, settings that they start with, and no secret."""

import re

import pytest
import yaml

from manifests import K8S, KEY_MAKERS, PRODUCTION, documents, our_pods, pods
from manifests.test_hardening import secrets_of
from manifests.test_rollouts import LONG_RUNNING
from manifests.test_settings import PROCESSES, given

FOLDER = K8S / "overlays" / "production"
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
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    listed = {name: set(re.findall("`([^`]+)`", keys)) for name, keys in rows}
    templates = our_pods("production").values()
    assert set(listed) == set().union(*map(secrets_of, templates))
    for template in templates:
        for each in template["spec"]["containers"][0].get("env", []):
            if reference := each.get("valueFrom", {}).get("secretKeyRef"):
                assert reference["key"] in listed[reference["name"]]
