"""What docker-compose.yml promises about every container, read from the file without a container engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from auth.settings import MigrateSettings as AuthMigrateSettings
from auth.settings import ServeSettings as AuthServeSettings
from auth.settings import WorkerSettings as AuthWorkerSettings
from catalog.settings import ImportSettings, ReconcileSettings, StatusSettings
from catalog.settings import MigrateSettings as CatalogMigrateSettings
from catalog.settings import ServeSettings as CatalogServeSettings
from catalog.settings import WorkerSettings as CatalogWorkerSettings
from chassis.settings import END_OF_DEFAULTS, ProcessSettings, rows
from containers import NO_LIMITS
from gateway.settings import GatewaySettings
from imaging.settings import ImagingSettings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
STACK = yaml.safe_load(TEXT)
TRACES = set(STACK["x-traces"])
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OBSERVE = {service for service, spec in SERVICES.items() if spec.get("profiles") == ["observe"]}


def networks(service: str) -> set[str]:
    return set(SERVICES[service].get("networks", []))


def holders(volume: str) -> set[str]:
    def name(mount: Any) -> str:
        return str(mount["source"]) if isinstance(mount, dict) else mount.split(":")[0]

    return {service for service, spec in SERVICES.items() if volume in map(name, spec.get("volumes", []))}


@pytest.mark.parametrize("service", SERVICES)
def test_container_is_hardened(service: str) -> None:
    spec = SERVICES[service]
    assert spec["read_only"] is True
    assert spec["cap_drop"] == ["ALL"]
    assert spec["security_opt"] == ["no-new-privileges:true"]
    if service != "alloy":  # Docker's log files can be read by root only
        assert spec["user"].split(":")[0] not in {"", "0", "root"}
    assert "privileged" not in spec
    assert "cap_add" not in spec
    assert "mem_limit" in spec


def test_only_gateway_edge_s3_server_and_grafana_are_published_and_only_to_this_machine() -> None:
    published = {service: port for service, spec in SERVICES.items() for port in spec.get("ports", [])}
    assert published == {
        "gateway": "127.0.0.1:${PORT:-8080}:8000",
        "edge": "127.0.0.1:${EDGE_PORT:-8443}:8443",
        "s3": "127.0.0.1:${S3_PORT:-5000}:5000",
        "grafana": "127.0.0.1:${GRAFANA_PORT:-3000}:3000",
    }


def test_every_network_but_the_published_one_ends_at_its_members() -> None:
    leading_out = {name for name, spec in STACK["networks"].items() if not spec.get("internal")}
    assert leading_out == {"published"}


@pytest.mark.parametrize(
    ("service", "unreachable"),
    [
        ("gateway", {"postgres", "rabbitmq"}),
        ("edge", {"auth", "catalog", "postgres", "rabbitmq"}),
        ("auth", {"rabbitmq", "s3"}),
        ("catalog", {"rabbitmq", "s3"}),
        ("imaging", {"postgres", "auth", "catalog"}),
        ("reconcile", {"rabbitmq", "gateway"}),
        ("import", {"rabbitmq", "gateway"}),
        ("prometheus", {"postgres", "s3"}),
        ("tempo", {"postgres", "s3"}),
        ("grafana", {"postgres", "rabbitmq", "auth", "catalog"}),
        ("loki", {"gateway", "auth", "catalog", "imaging", "postgres", "rabbitmq", "s3"}),
        ("alloy", {"gateway", "auth", "catalog", "imaging", "postgres", "rabbitmq", "s3"}),
    ],
)
def test_service_cannot_reach(service: str, unreachable: set[str]) -> None:
    for other in unreachable:
        assert not networks(service) & networks(other)


def test_the_private_key_is_seen_only_by_its_makers_and_by_auth() -> None:
    assert holders("token-private") == {"token-key", "rotate-signing-key", "auth"}


def test_operators_tools_are_not_started_with_the_stack() -> None:
    assert {service for service, spec in SERVICES.items() if spec.get("profiles") == ["tools"]} == {
        "import",
        "reconcile",
        "rotate-signing-key",
        "status",
        "sweep-uploads",
    }


def test_edge_is_not_started_with_the_stack_and_reaches_the_gateway() -> None:
    assert {service for service, spec in SERVICES.items() if spec.get("profiles") == ["edge"]} == {"edge"}
    assert networks("edge") & networks("gateway")


def test_every_setting_of_the_edge_can_be_said_without_an_edit() -> None:
    read = set(re.findall(r"\$\{([A-Z_]+):", (ROOT / "edge" / "start.sh").read_text()))
    assert set(SERVICES["edge"]["environment"]) == read - OF_THE_CONTAINER_OF_THE_EDGE


def test_what_observes_is_not_started_with_the_stack_and_its_images_are_pinned() -> None:
    assert {"prometheus", "grafana", "tempo", "loki", "alloy"} == OBSERVE
    for service in OBSERVE:
        assert re.fullmatch(r"\$\{[A-Z]+_IMAGE:-[a-z]+/[a-z]+:v?\d+\.\d+\.\d+\}", SERVICES[service]["image"])


def test_what_observes_only_reads_the_files_of_this_machine() -> None:
    for service in OBSERVE:
        for mount in SERVICES[service]["volumes"]:
            assert mount.split(":")[0] in STACK["volumes"] or mount.endswith(":ro"), mount


def test_files_that_observers_are_given_are_there() -> None:
    mounts = [mount for service in OBSERVE for mount in SERVICES[service]["volumes"] if mount.startswith("./")]
    assert [mount for mount in mounts if not any((ROOT / mount.split(":")[0]).iterdir())] == []


def test_prometheus_is_in_the_networks_of_all_that_it_scrapes() -> None:
    configuration = yaml.safe_load((ROOT / "observe" / "prometheus" / "prometheus.yml").read_text())
    for job in configuration["scrape_configs"]:
        assert networks("prometheus") & networks(job["job_name"]), job["job_name"]


def test_every_process_that_sends_traces_can_reach_their_store() -> None:
    for service in SETTINGS:
        if set(SERVICES[service]["environment"]) >= TRACES:
            assert networks("tempo") & networks(service), service


def test_lines_of_every_container_say_of_which_service_they_are() -> None:
    for spec in SERVICES.values():
        labels = spec["logging"]["options"]["labels"]
        assert labels == "com.docker.compose.project,com.docker.compose.service"


def test_every_long_running_container_says_whether_it_is_ready() -> None:
    once = {service for service, spec in SERVICES.items() if spec["restart"] == "no"}
    assert once == {
        *("s3-volume", "s3-setup", "token-key", "auth-migrate", "catalog-migrate"),
        *("import", "reconcile", "rotate-signing-key", "status", "sweep-uploads"),
    }
    assert {service for service, spec in SERVICES.items() if "healthcheck" not in spec} == once


SETTINGS: dict[str, tuple[type[ProcessSettings], ...]] = {
    "auth": (AuthServeSettings,),
    "auth-worker": (AuthWorkerSettings,),
    "auth-migrate": (AuthMigrateSettings,),
    "catalog": (CatalogServeSettings,),
    "catalog-worker": (CatalogWorkerSettings,),
    "catalog-migrate": (CatalogMigrateSettings,),
    "reconcile": (ReconcileSettings,),
    "import": (ImportSettings,),
    "sweep-uploads": (ReconcileSettings,),
    "status": (StatusSettings,),
    "imaging": (ImagingSettings,),
    "gateway": (GatewaySettings,),
}
OF_THE_CONTAINER_OF_THE_EDGE = {"EDGE_LISTEN", "EDGE_TEMPORARY", "EDGE_CACHE"}
OF_THE_CONTAINER = ("_LISTEN_HOST", "_LISTEN_PORT", "_OPS_HOST", "_OPS_PORT")
"""What health checks and published ports are about; it is the same in every container."""


@pytest.mark.parametrize("service", SETTINGS)
def test_every_setting_of_a_process_can_be_said_without_an_edit(service: str) -> None:
    names = {name for kind in SETTINGS[service] for name, _, _ in rows(kind) if not name.endswith(OF_THE_CONTAINER)}
    assert names - set(SERVICES[service]["environment"]) == set()


def test_no_container_is_given_a_setting_that_its_process_does_not_know() -> None:
    for service, kinds in SETTINGS.items():
        known = {name for kind in kinds for name, _, _ in rows(kind)}
        assert set(SERVICES[service]["environment"]) - known - TRACES == set()


def test_processes_that_live_on_are_traced_as_the_standard_variables_say() -> None:
    assert all(name.startswith("OTEL_") for name in TRACES)
    traced = {service for service in SETTINGS if set(SERVICES[service]["environment"]) >= TRACES}
    assert traced == {"auth", "auth-worker", "catalog", "catalog-worker", "imaging", "gateway"}


def test_every_limit_of_users_is_set_here_and_off_in_the_stacks_of_tests() -> None:
    said = {
        name: str(value)
        for spec in SERVICES.values()
        for name, value in (spec.get("environment") or {}).items()
        if name in NO_LIMITS
    }
    assert set(said) == set(NO_LIMITS)
    for name, value in said.items():
        assert re.fullmatch(rf"\$\{{{name}:-[1-9][0-9]+\}}", value), value


def test_services_know_every_default_password_and_compose_warns_of_each() -> None:
    secret = re.compile(r"\$\{(\w*(?:PASSWORD|SECRET_ACCESS_KEY)):-([^${}]*)\}")
    defaults = dict(secret.findall(TEXT))
    assert len(defaults) == 9
    assert [name for name, value in defaults.items() if not value.endswith(END_OF_DEFAULTS)] == []
    warned_of = re.findall(r"\$\{(\w+):-", STACK["x-warning"])
    assert set(warned_of) - {"AWS_SECRET_ACCESS_KEY"} == set(defaults)
