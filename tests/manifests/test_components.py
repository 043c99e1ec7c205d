"""What the components for operators promise: what is watched, who may ask, and that all of it fits the processes."""

import json
import re
from typing import Any

import pytest
import yaml

from manifests import FOR_PRODUCTION, K8S, ROOT, Document, built, documents, our_pods
from manifests.test_hardening import secrets_of
from manifests.test_network_policies import label
from manifests.test_rollouts import LONG_RUNNING
from manifests.test_settings import PROCESSES

COMPONENTS = K8S / "components"
ALL = "production with all"
DATABASE_CLIENTS = {name for name in PROCESSES if name.startswith(("auth", "catalog"))}
BROKER_CLIENTS = {"auth-worker", "catalog-worker", "imaging"}


def custom(kind: str, variant: str = ALL) -> dict[str, Document]:
    return documents(kind, variant=variant)


@pytest.mark.parametrize("name", ["monitoring", *FOR_PRODUCTION])
def test_component_has_a_readme_of_one_screen(name: str) -> None:
    lines = (COMPONENTS / name / "README.md").read_text().splitlines()
    assert len(lines) <= 60
    assert f"| `components/{name}/` |" in (K8S / "README.md").read_text()


def test_every_process_is_scraped_as_a_job_of_its_name() -> None:
    monitors = custom("PodMonitor")
    assert set(monitors) == LONG_RUNNING | {"rabbitmq"}
    for name, monitor in monitors.items():
        assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"
        assert monitor["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": name}
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        if name == "rabbitmq":
            continue
        [container] = our_pods(ALL)[name]["spec"]["containers"]
        assert endpoint["port"] in {port["name"] for port in container["ports"]}
        assert endpoint["port"] == "ops"


def test_rules_and_dashboards_are_those_of_observe() -> None:
    [rule] = custom("PrometheusRule").values()
    assert rule["spec"] == yaml.safe_load((ROOT / "observe" / "prometheus" / "rules.yml").read_text())
    shown = documents("ConfigMap", variant=ALL)["imghost-dashboards"]
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"
    own = {path.name: path.read_text() for path in (ROOT / "observe" / "grafana" / "dashboards").iterdir()}
    assert shown["data"] == own


def test_monitoring_brings_no_policy_of_its_own_which_would_refuse_everything_else() -> None:
    assert documents("NetworkPolicy", variant="production and monitoring") == {}


def test_only_prometheus_reaches_the_operations_ports() -> None:
    policies = documents("NetworkPolicy", variant=ALL)
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    for name in LONG_RUNNING:
        rules = policies[name]["spec"]["ingress"]
        assert [rule["from"] for rule in rules if rule["ports"] == [{"port": 9000}]] == [[prometheus]], name
    assert {"ports": [{"port": 8000}]} in policies["gateway"]["spec"]["ingress"]


def peers(policy: Document, port: int) -> list[Any]:
    """Return whom a policy lets in at a port."""
    return [peer for rule in policy["spec"]["ingress"] for peer in rule["from"] if {"port": port} in rule["ports"]]


def names(peers: list[Any]) -> set[str]:
    """Return the pods among peers that are named by their process."""
    return {
        label(peer) for peer in peers if "app.kubernetes.io/name" in peer.get("podSelector", {}).get("matchLabels", {})
    }


def test_the_processes_with_a_database_reach_postgres_and_nobody_else_does() -> None:
    policies = documents("NetworkPolicy", variant=ALL)
    assert names(peers(policies["postgres-cluster"], 5432)) == DATABASE_CLIENTS
    to = {"to": [{"podSelector": {"matchLabels": {"cnpg.io/cluster": "postgres"}}}], "ports": [{"port": 5432}]}
    assert {name for name, each in policies.items() if to in each["spec"].get("egress", [])} == DATABASE_CLIENTS


def test_the_workers_reach_rabbitmq_and_nobody_else_does() -> None:
    policies = documents("NetworkPolicy", variant=ALL)
    for name in ("rabbitmq", "rabbitmq-cluster"):
        assert names(peers(policies[name], 5672)) == BROKER_CLIENTS
    for name in BROKER_CLIENTS:
        to = {
            "to": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "rabbitmq"}}}],
            "ports": [{"port": 5672}],
        }
        assert to in policies[name]["spec"]["egress"]


def test_postgres_answers_a_commit_when_two_instances_have_it() -> None:
    spec = custom("Cluster")["postgres"]["spec"]
    assert spec["instances"] == 3
    assert spec["postgresql"]["synchronous"] == {
        "method": "any",
        "number": 1,
        "dataDurability": "required",
        "failoverQuorum": True,
    }


def test_postgres_has_the_databases_and_roles_of_auth_and_catalog_and_keeps_them_apart() -> None:
    spec = custom("Cluster")["postgres"]["spec"]
    initdb = spec["bootstrap"]["initdb"]
    [other] = custom("Database").values()
    assert {initdb["database"]: initdb["owner"], other["spec"]["name"]: other["spec"]["owner"]} == {
        "auth": "auth",
        "catalog": "catalog",
    }
    assert other["spec"]["databaseReclaimPolicy"] == "retain"
    assert {role["name"]: role["passwordSecret"]["name"] for role in spec["managed"]["roles"]} == {
        "auth": "auth-role",
        "catalog": "catalog-role",
    }
    *admitted, last = spec["postgresql"]["pg_hba"]
    assert admitted == [f"hostssl {name} {name} all scram-sha-256" for name in ("auth", "catalog")]
    assert last == "host all auth,catalog all reject"


def test_postgres_has_connections_for_all_pools_at_the_most_pods_in_a_rollout() -> None:
    pool, processes = 8, 2
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"]["maxReplicas"]
        for each in custom("HorizontalPodAutoscaler").values()
    }
    needed = 2 * pool  # of the migrations
    for name in DATABASE_CLIENTS & LONG_RUNNING:
        replicas = scaled.get(name) or custom("Deployment")[name]["spec"]["replicas"]
        needed += (replicas + 1) * pool * (1 if name.endswith("worker") else processes)
    assert needed < 0.9 * int(custom("Cluster")["postgres"]["spec"]["postgresql"]["parameters"]["max_connections"])


def test_postgres_is_backed_up_and_what_is_restored_comes_from_there() -> None:
    cluster = custom("Cluster")["postgres"]["spec"]
    [archiver] = [plugin for plugin in cluster["plugins"] if plugin["isWALArchiver"]]
    store = archiver["parameters"]["barmanObjectName"]
    assert set(custom("ObjectStore")) == {store}
    [scheduled] = custom("ScheduledBackup").values()
    assert scheduled["spec"]["cluster"]["name"] == "postgres"
    assert scheduled["spec"]["pluginConfiguration"]["name"] == archiver["name"]
    restored = yaml.safe_load((COMPONENTS / "postgres-cloudnativepg" / "recovery.yaml").read_text())
    assert restored["metadata"]["namespace"] == "imghost"
    [source] = restored["spec"]["externalClusters"]
    assert source["name"] == restored["spec"]["bootstrap"]["recovery"]["source"]
    assert source["plugin"] == {
        "name": archiver["name"],
        "parameters": {"barmanObjectName": store, "serverName": "postgres"},
    }
    for field in ("imageName", "storage", "walStorage", "instances"):
        assert restored["spec"][field] == cluster[field]


def test_rabbitmq_has_three_nodes_on_three_machines_and_each_queue_on_all_of_them() -> None:
    spec = custom("RabbitmqCluster")["rabbitmq"]["spec"]
    assert spec["replicas"] == 3
    said = dict(
        re.split(r"\s*=\s*", line)
        for line in spec["rabbitmq"]["additionalConfig"].splitlines()
        if line and not line.startswith("#")
    )
    queues = "quorum_queue.continuous_membership_reconciliation"
    assert (said[f"{queues}.enabled"], said[f"{queues}.target_group_size"]) == ("true", "3")
    [required] = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["topologyKey"] == "kubernetes.io/hostname"
    budget = documents("PodDisruptionBudget", variant=ALL)["rabbitmq"]
    assert budget["spec"]["maxUnavailable"] == 1


def test_a_secret_comes_from_outside_or_from_the_jobs_of_the_keys_and_none_from_both() -> None:
    needed = set().union(*map(secrets_of, our_pods("production").values()))
    outside = {each["spec"]["target"]["name"] for each in custom("ExternalSecret").values()}
    made = set(documents("Secret", variant=ALL))
    assert needed == (outside - {"auth-role", "catalog-role", "rabbitmq-user", "postgres-backups-s3"}) | made
    assert not outside & made
    for name, each in custom("ExternalSecret").items():
        assert each["spec"]["dataFrom"] == [{"extract": {"key": f"imghost/{name}"}}]
        assert each["spec"]["target"]["name"] == name
        assert each["spec"]["secretStoreRef"]["name"] in custom("SecretStore")


def test_the_certificate_is_that_of_the_ingress() -> None:
    [certificate] = custom("Certificate").values()
    [ingress] = documents("Ingress", variant=ALL).values()
    [tls] = ingress["spec"]["tls"]
    assert certificate["spec"]["secretName"] == tls["secretName"]
    assert certificate["spec"]["dnsNames"] == tls["hosts"]
    assert certificate["spec"]["issuerRef"]["name"] in custom("Issuer")


def test_the_rotation_waits_for_longer_than_kubelets_take_and_keeps_the_former_key_for_a_token_more() -> None:
    [rotation] = [each for name, each in our_pods(ALL).items() if name == "rotate-signing-key"]
    [container] = rotation["spec"]["containers"]
    said = dict(word.removeprefix("--").split("=", 1) for word in container["args"])
    kubelets_s, lifetime_s = 120, 90
    assert int(said["spread"]) > kubelets_s
    assert int(said["keep"]) >= int(said["spread"]) + lifetime_s


def test_every_job_names_the_files_of_keys_as_pods_see_them() -> None:
    for name, secret in (("auth", "token-private-key"), ("catalog", "token-public-key")):
        [volume] = [each for each in our_pods(ALL)[name]["spec"]["volumes"] if each["name"] == secret]
        assert volume["secret"]["items"] == [{"key": "key.pem", "path": "key.pem"}]
    assert json.dumps([each for each in built()[ALL] if each["kind"] == "Job"]).count("secret:token-private-key") == 1
