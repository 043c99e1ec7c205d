"""What the manifests promise about every pod: no rights, no token, no literal secret, limits, fixed tags."""

import re
from typing import Any

import pytest

from manifests import (
    DATA_SERVICES,
    KEY_MAKERS,
    POD_OWNERS,
    PRODUCTION,
    VARIANTS,
    Document,
    built,
    containers,
    documents,
    our_pods,
    pods,
    pods_of_operators,
)

EVERYWHERE = pytest.mark.parametrize("variant", [*VARIANTS, *PRODUCTION])


@EVERYWHERE
def test_every_pod_meets_the_restricted_standard(variant: str) -> None:
    for name, template in pods(variant).items():
        security = template["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 10001, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(template["spec"]), name
        kinds = {kind for volume in template["spec"]["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "configMap", "secret"}, name
    for name, container in containers(variant):
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_the_namespace_of_the_trial_refuses_pods_that_do_not_meet_it() -> None:
    labels = documents("Namespace")["imghost"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@EVERYWHERE
def test_no_pod_gets_a_token_or_variables_of_services(variant: str) -> None:
    accounts = documents("ServiceAccount", variant=variant)
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())
    for name, template in pods(variant).items():
        assert template["spec"]["automountServiceAccountToken"] is (name in KEY_MAKERS), name
        assert template["spec"]["serviceAccountName"] in accounts, name
        assert template["spec"]["enableServiceLinks"] is False, name


def test_the_one_account_with_a_token_may_change_the_two_secrets_of_keys_and_nothing_else() -> None:
    variant = "production and signing-key"
    assert set(pods(variant)) > KEY_MAKERS
    users = {name for name, each in pods(variant).items() if each["spec"]["serviceAccountName"] == "signing-key"}
    assert users == KEY_MAKERS
    [role] = documents("Role", variant=variant).values()
    [rule] = role["rules"]
    secrets = documents("Secret", variant=variant)
    assert set(rule["resourceNames"]) == set(secrets) == {"token-private-key", "token-public-key"}
    assert (rule["apiGroups"], rule["resources"], rule["verbs"]) == ([""], ["secrets"], ["get", "update"])
    [binding] = documents("RoleBinding", variant=variant).values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [(each["kind"], each["name"]) for each in binding["subjects"]] == [("ServiceAccount", "signing-key")]
    assert documents("ClusterRole", "ClusterRoleBinding", variant=variant) == {}


def numbers(quantity: str) -> float:
    """Return a quantity of Kubernetes as a number of bytes, or of cores."""
    factors = {"m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    found = re.fullmatch(r"([0-9.]+)(m|Ki|Mi|Gi)?", quantity)
    assert found, quantity
    return float(found[1]) * factors.get(found[2], 1)


@EVERYWHERE
def test_every_container_requests_what_it_needs_and_is_limited(variant: str) -> None:
    for name, container in containers(variant):
        requests, limits = (container["resources"][kind] for kind in ("requests", "limits"))
        assert set(requests) == set(limits) == {"cpu", "memory", "ephemeral-storage"}, name
        for resource, request in requests.items():
            assert 0 < numbers(request) <= numbers(limits[resource]), name


@EVERYWHERE
def test_every_writable_folder_has_a_limit_and_all_of_them_fit_that_of_the_container(variant: str) -> None:
    for name, template in pods(variant).items():
        folders = [volume["emptyDir"] for volume in template["spec"]["volumes"] if "emptyDir" in volume]
        assert folders, name
        [container] = template["spec"]["containers"]
        limits = container["resources"]["limits"]
        for folder in folders:
            limit = limits["memory" if folder.get("medium") == "Memory" else "ephemeral-storage"]
            assert numbers(folder["sizeLimit"]) <= numbers(limit), name


@EVERYWHERE
def test_tags_are_fixed_and_nodes_that_have_an_image_do_not_ask_for_it(variant: str) -> None:
    for name, container in containers(variant):
        assert re.fullmatch(r"[a-z0-9./-]+:v?[0-9][0-9.]*", container["image"]), name
        assert container["imagePullPolicy"] == "IfNotPresent", name


def strings(value: Any) -> list[str]:
    """Return all texts within a value."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []


@EVERYWHERE
def test_no_secret_is_literal_in_a_pod_or_a_config_map(variant: str) -> None:
    sensitive = re.compile("PASSWORD|SECRET|DATABASE_URL|BROKER_URL|DEFAULT_PASS|ACCESS_KEY_ID")
    for name, container in containers(variant):
        for each in container.get("env", []):
            if sensitive.search(each["name"]):
                assert set(each["valueFrom"]) == {"secretKeyRef"}, name
    for name, document in documents("ConfigMap", variant=variant).items():
        assert not [key for key in document["data"] if sensitive.search(key)], name
        assert not [text for text in strings(document["data"]) if re.search(r"://[^/\s]*:[^/\s]*@", text)], name


def secrets_of(template: Document) -> set[str]:
    """Return the secrets that a pod sees, as files or as variables."""
    spec = template["spec"]
    mounted = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    references = [each for container in spec["containers"] for each in container.get("env", [])]
    named = {
        each["valueFrom"]["secretKeyRef"]["name"] for each in references if "secretKeyRef" in each.get("valueFrom", {})
    }
    return mounted | named


def test_every_secret_that_a_pod_needs_is_made_for_the_trial_and_no_other() -> None:
    made = documents("Secret")
    assert set().union(*map(secrets_of, pods().values())) == set(made)
    for name, container in containers():
        for each in container.get("env", []):
            if reference := each.get("valueFrom", {}).get("secretKeyRef"):
                assert reference["key"] in made[reference["name"]]["data"], name


def test_each_process_sees_its_own_secrets_only() -> None:
    seen = {name: secrets_of(template) for name, template in our_pods().items()}
    assert seen == {
        "gateway": set(),
        "auth": {"auth-database", "token-private-key"},
        "auth-worker": {"auth-database", "auth-broker"},
        "auth-migrate": {"auth-database", "auth-first-user"},
        "catalog": {"catalog-database", "catalog-s3", "token-public-key"},
        "catalog-worker": {"catalog-database", "catalog-broker"},
        "catalog-migrate": {"catalog-database"},
        "catalog-reconcile": {"catalog-database", "catalog-reconcile-s3"},
        "imaging": {"imaging-broker", "imaging-s3"},
        "s3-setup": {"s3-administrator", "catalog-s3", "catalog-reconcile-s3", "imaging-s3"},
    }


@EVERYWHERE
def test_config_maps_are_immutable_and_their_names_tell_their_content(variant: str) -> None:
    for name, document in documents("ConfigMap", variant=variant).items():
        if name == "imghost-dashboards":  # no pod of imghost reads it
            continue
        assert document["immutable"] is True, name
        assert re.search(r"-[a-z0-9]{10}$", name), name


@EVERYWHERE
def test_every_selector_selects_pods_that_there_are(variant: str) -> None:
    labels = [template["metadata"]["labels"] for template in pods(variant).values()] + pods_of_operators(variant)
    if variant in PRODUCTION:  # the policies of these are there, and select nothing where the services are elsewhere
        labels += [{"app.kubernetes.io/name": name} for name in (*DATA_SERVICES, "s3-setup")]
    selecting = 0
    for document in built()[variant]:
        spec = document.get("spec", {})
        match document["kind"]:
            case "Deployment" | "StatefulSet":
                selectors = [spec["selector"]["matchLabels"]]
                assert selectors[0].items() <= spec["template"]["metadata"]["labels"].items()
            case "Service":
                selectors = [spec["selector"]]
            case "PodDisruptionBudget":
                selectors = [spec["selector"]["matchLabels"]]
            case "NetworkPolicy":
                peers = [peer for rule in spec.get("ingress", []) for peer in rule.get("from", [])]
                peers += [peer for rule in spec.get("egress", []) for peer in rule.get("to", [])]
                here = [peer["podSelector"] for peer in peers if "namespaceSelector" not in peer]
                selectors = [each["matchLabels"] for each in [spec["podSelector"], *here] if "matchLabels" in each]
            case "PodMonitor":
                selectors = [spec["selector"]["matchLabels"]]
            case _:
                continue
        for selector in selectors:
            assert [each for each in labels if selector.items() <= each.items()], document["metadata"]
            selecting += 1
    assert selecting > (14 if variant in PRODUCTION else 20)


@EVERYWHERE
def test_every_object_is_in_the_namespace(variant: str) -> None:
    for document in built()[variant]:
        if document["kind"] not in {"Namespace", "PriorityClass"}:
            assert document["metadata"]["namespace"] == "imghost"


def test_every_owner_of_pods_is_told_apart_by_one_label() -> None:
    assert len(pods()) == len(documents(*POD_OWNERS))
    assert set(pods()) > DATA_SERVICES
