"""Probes, grace periods and strategies: no rollout, drain or scaling interrupts a request or a message."""

import json

import pytest
import yaml

from chassis.web.server import GRACE_S
from imaging.settings import ImagingSettings
from manifests import (
    K8S,
    VARIANTS,
    Document,
    containers,
    documents,
    environment,
    kustomize,
    our_pods,
    pod_template,
    pods,
)
from manifests.test_hardening import numbers

WEB = {"auth", "catalog", "gateway"}
LONG_RUNNING = WEB | {"auth-worker", "catalog-worker", "imaging"}
PORTS = {"http": 8000, "ops": 9000}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_rollout_starts_the_new_pod_before_it_ends_the_old_one(variant: str) -> None:
    deployments = documents("Deployment", variant=variant)
    assert set(deployments) == LONG_RUNNING | ({"edge"} & set(pods(variant)))
    for deployment in deployments.values():
        assert deployment["spec"]["strategy"] == {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
        assert deployment["spec"]["revisionHistoryLimit"] >= 3


@pytest.mark.parametrize("variant", VARIANTS)
def test_probes_ask_paths_that_there_are_and_liveness_asks_no_dependency(variant: str) -> None:
    for name, container in containers(variant):
        if name not in LONG_RUNNING:
            continue
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == (PORTS if name in WEB else {"ops": 9000})
        ready = "http" if name in WEB else "ops"
        asked = {
            kind: (container[kind]["httpGet"]["path"], container[kind]["httpGet"]["port"])
            for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        }
        # What starts is not restarted while it waits for the schema, and what lives is not restarted under load.
        assert asked == {
            "startupProbe": ("/healthz", "ops"),
            "readinessProbe": ("/readyz", ready),
            "livenessProbe": ("/healthz", "ops"),
        }
        # The shared checks in the body of /readyz take half a second at most.
        assert container["readinessProbe"]["timeoutSeconds"] >= 1
        patience = container["livenessProbe"]["periodSeconds"] * container["livenessProbe"]["failureThreshold"]
        assert patience >= 60


def test_ports_are_the_defaults_of_the_settings() -> None:
    for name, container in containers():
        if name in LONG_RUNNING:
            assert not [key for key in environment(container) if key.endswith(("_LISTEN_PORT", "_OPS_PORT"))]


def test_grace_periods_cover_what_is_finished_at_the_end() -> None:
    for name, template in our_pods().items():
        grace_s = template["spec"].get("terminationGracePeriodSeconds", 30)
        [container] = template["spec"]["containers"]
        if name in WEB:
            wait_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert wait_s >= 5
            assert grace_s >= wait_s + GRACE_S + 10
        elif name == "imaging":
            fields = ImagingSettings.model_fields
            picture_s = fields["read_timeout_s"].default + fields["decode_wall_s"].default
            assert grace_s >= 2 * picture_s + 30  # reading, decoding, writing thumbs, and a broker that is away
        elif name in LONG_RUNNING:
            assert grace_s >= 40


@pytest.mark.parametrize("variant", VARIANTS)
def test_drains_take_one_pod_at_a_time_and_are_never_blocked_for_ever(variant: str) -> None:
    budgets = documents("PodDisruptionBudget", variant=variant)
    assert set(budgets) == set(documents("Deployment", variant=variant))
    for budget in budgets.values():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    for name in budgets:
        spec = pods(variant)[name]["spec"]
        assert {each["topologyKey"] for each in spec["topologySpreadConstraints"]} == {
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        }
        assert spec["priorityClassName"] == ("imghost-serving" if name in WEB | {"edge"} else "imghost-background")


def test_where_an_autoscaler_decides_no_number_is_applied() -> None:
    for name, scaled in (("trial", set()), ("autoscaling-hpa", {"gateway", "catalog", "imaging"})):
        variant = name if name == "trial" else f"trial and {name}"
        deployments = documents("Deployment", variant=variant)
        assert {each for each, document in deployments.items() if "replicas" not in document["spec"]} == scaled
        scalers = documents("HorizontalPodAutoscaler", variant=variant)
        assert {document["spec"]["scaleTargetRef"]["name"] for document in scalers.values()} == scaled
        for document in scalers.values():
            assert document["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300
    keda = documents("ScaledObject", variant="trial and autoscaling-keda")
    assert {document["spec"]["scaleTargetRef"]["name"] for document in keda.values()} == {"imaging"}
    assert "replicas" not in documents("Deployment", variant="trial and autoscaling-keda")["imaging"]["spec"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_trial_has_room_on_a_node_with_two_cpus_in_a_rollout_too(variant: str) -> None:
    """Beside what the cluster's own pods ask for, which is less than one."""

    def cpu(template: Document) -> float:
        return sum(numbers(container["resources"]["requests"]["cpu"]) for container in template["spec"]["containers"])

    # An autoscaler begins with two.
    owners = documents("Deployment", "StatefulSet", variant=variant).values()
    asked = sum(cpu(pod_template(owner)) * owner["spec"].get("replicas", 2) for owner in owners)
    jobs = sum(cpu(pod_template(job)) for job in documents("Job", variant=variant).values())
    assert asked + max(jobs, *(cpu(pod_template(owner)) for owner in owners)) <= 1


def test_the_trial_has_the_parts_of_the_cpu_that_the_base_has() -> None:
    base = yaml.safe_load_all(kustomize(K8S / "base"))
    due = {
        document["metadata"]["name"]: numbers(container["resources"]["requests"]["cpu"]) / 4
        for document in base
        if document["kind"] == "Deployment"
        for container in document["spec"]["template"]["spec"]["containers"]
    }
    for name, template in our_pods().items():
        if name in due:
            [container] = template["spec"]["containers"]
            assert numbers(container["resources"]["requests"]["cpu"]) == pytest.approx(due[name], rel=0.1), name


def test_a_process_that_ends_says_why_where_operators_look_first() -> None:
    assert {container["terminationMessagePolicy"] for _, container in containers()} == {"FallbackToLogsOnError"}


def test_jobs_are_repeated_until_they_succeed_and_then_removed() -> None:
    for job in documents("Job").values():
        assert job["spec"]["backoffLimit"] >= 10
        assert job["spec"]["ttlSecondsAfterFinished"] == 600
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    [reconcile] = documents("CronJob").values()
    assert reconcile["spec"]["suspend"] is True
    assert json.dumps(reconcile).count("CATALOG_RECONCILE_S3_SECRET_ACCESS_KEY") == 2
