"""The settings that the manifests give to each process: all known to it, none missing, accepted as they are."""

import re
from collections.abc import Mapping

import pytest
import yaml

from auth.settings import MigrateSettings as AuthMigrateSettings
from auth.settings import ServeSettings as AuthServeSettings
from auth.settings import WorkerSettings as AuthWorkerSettings
from catalog.settings import MigrateSettings as CatalogMigrateSettings
from catalog.settings import ReconcileSettings
from catalog.settings import ServeSettings as CatalogServeSettings
from catalog.settings import WorkerSettings as CatalogWorkerSettings
from chassis.settings import ProcessSettings, rows
from gateway.settings import GatewaySettings
from imaging.settings import ImagingSettings
from manifests import K8S, ROOT, VARIANTS, containers, documents, environment, our_pods

PROCESSES: Mapping[str, tuple[type[ProcessSettings], list[str]]] = {
    "auth": (AuthServeSettings, ["auth", "serve"]),
    "auth-worker": (AuthWorkerSettings, ["auth", "worker"]),
    "auth-migrate": (AuthMigrateSettings, ["auth", "migrate"]),
    "catalog": (CatalogServeSettings, ["catalog", "serve"]),
    "catalog-worker": (CatalogWorkerSettings, ["catalog", "worker"]),
    "catalog-migrate": (CatalogMigrateSettings, ["catalog", "migrate"]),
    "catalog-reconcile": (ReconcileSettings, ["catalog", "reconcile"]),
    "imaging": (ImagingSettings, ["imaging", "worker"]),
    "gateway": (GatewaySettings, ["gateway", "serve"]),
}
# What a secret holds, in the form that the process expects.
SECRETS = {
    "DATABASE_URL": "postgresql+psycopg://name:secret@postgres:5432/name",
    "BROKER_URL": "amqp://imghost:secret@rabbitmq:5672/%2F",
}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def given(process: str, variant: str) -> dict[str, str]:
    """Return the variables that a container gets, with plausible values in place of those of secrets."""
    [container] = [each for name, each in containers(variant) if name == process]
    said = environment(container, variant)
    return {
        name: next((text for end, text in SECRETS.items() if name.endswith(end)), "text")
        if "secretKeyRef" in value
        else value
        for name, value in said.items()
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_process_knows_all_that_it_is_given_and_starts_with_it(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(our_pods(variant)) == set(PROCESSES) | {"s3-setup"}
    for process, (kind, command) in PROCESSES.items():
        [container] = [each for name, each in containers(variant) if name == process]
        assert container["command"] == command
        variables = given(process, variant)
        assert set(variables) - {name for name, _, _ in rows(kind)} - {"BUCKET"} == set()
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            kind()


def test_limits_of_users_are_those_of_the_compose_stack() -> None:
    limits = re.compile(r"_A_MINUTE$|_PER_USER$")
    for process in ("auth", "catalog"):
        there = {
            name: value for name, value in COMPOSE[process]["environment"].items() if value and limits.search(name)
        }
        assert len(there) == 3
        for name, value in there.items():
            assert f"{{{name}:-{given(process, 'trial')[name]}}}" in value


def test_s3_is_prepared_with_what_compose_prepares_it_with() -> None:
    [container] = [each for name, each in containers() if name == "s3-setup"]
    there = COMPOSE["s3-setup"]
    assert set(environment(container)) == set(there["environment"])
    assert container["command"] == ["python", "containers/s3-setup/setup.py", *there["command"]]


def test_data_services_are_set_up_as_those_of_the_compose_stack() -> None:
    trial = K8S / "overlays" / "trial"
    assert (trial / "databases.sh").read_text() == (ROOT / "containers/postgres/initdb.d/databases.sh").read_text()
    assert (trial / "limits.conf").read_text() == (ROOT / "containers/rabbitmq/limits.conf").read_text()
    for name in ("postgres", "rabbitmq", "s3"):
        [container] = [each for pod, each in containers() if pod == name]
        assert set(environment(container)) - set(COMPOSE[name]["environment"]) <= {"PGDATA", "RABBITMQ_NODENAME"}
        assert set(COMPOSE[name]["environment"]) <= set(environment(container))
        assert f":-{container['image']}}}" in COMPOSE[name]["image"]


def test_the_release_is_named_alike_everywhere() -> None:
    version = (ROOT / "VERSION").read_text().strip()
    for name, container in containers():
        if container["image"].startswith("imghost-"):
            assert container["image"].endswith(f":{version}"), name
    assert set(documents("Job")) == {
        f"{each}-{version.replace('.', '-')}" for each in ("auth-migrate", "catalog-migrate", "s3-setup")
    }
