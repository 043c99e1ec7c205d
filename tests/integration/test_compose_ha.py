"""What ha.yml makes of the stack: it adds two brokers and a standby, and changes only how they are reached."""

from typing import Any

import pytest
import yaml

from composed import OF_HA, compose_config, services
from containers import ROOT

ADDED = {"postgres-2", "postgres-watch", "rabbitmq-2", "rabbitmq-3"}
ADDRESSES = ("_DATABASE_URL", "_BROKER_URL")
FILES = {"COMPOSE_FILE": "docker-compose.yml:ha.yml", "COMPOSE_PROFILES": "tools"}


@pytest.fixture
def alone(engine: None) -> dict[str, Any]:  # noqa: ARG001
    return services(COMPOSE_PROFILES="tools")


@pytest.fixture
def together(engine: None) -> dict[str, Any]:  # noqa: ARG001
    return services(**FILES, **dict.fromkeys(OF_HA, "secret"))


def test_processes_differ_in_the_addresses_of_brokers_and_databases_only(
    alone: dict[str, Any], together: dict[str, Any]
) -> None:
    assert set(together) - set(alone) == ADDED
    added = {"depends_on", "dns_opt", "environment"}
    for service in set(alone) - {"postgres", "rabbitmq"}:
        before, after = alone[service], together[service]
        assert {name for name in {**before, **after} if before.get(name) != after.get(name)} <= added, service
        changed = {
            name
            for name, value in (after.get("environment") or {}).items()
            if value != (before.get("environment") or {})[name]
        }
        assert changed == {name for name in before.get("environment") or {} if name.endswith(ADDRESSES)}, service


def test_every_process_knows_all_addresses_and_its_passwords_are_those_of_the_stack(together: dict[str, Any]) -> None:
    found = {
        name: value
        for spec in together.values()
        for name, value in (spec.get("environment") or {}).items()
        if name.endswith(ADDRESSES)
    }
    assert len(found) == 5
    for name, value in found.items():
        if name.endswith("_BROKER_URL"):
            nodes = [f"amqp://imghost:broker-on-this-machine@{node}:5672/%2F" for node in brokers(together)]
            assert value == ",".join(nodes)
        else:
            role = name.partition("_")[0].lower()
            assert value == (
                f"postgresql+psycopg://{role}:{role}-on-this-machine@/{role}"
                "?host=postgres:5432&host=postgres-2:5432&target_session_attrs=read-write"
            )


def test_prometheus_looks_into_every_broker(together: dict[str, Any]) -> None:
    configuration = yaml.safe_load((ROOT / "observe" / "prometheus" / "prometheus.yml").read_text())
    (job,) = (job for job in configuration["scrape_configs"] if job["job_name"] == "rabbitmq")
    assert job["dns_sd_configs"][0]["names"] == brokers(together)


def brokers(found: dict[str, Any]) -> list[str]:
    return sorted(service for service in found if service.startswith("rabbitmq"))


def test_servers_of_a_kind_differ_in_their_names_and_data_only(together: dict[str, Any]) -> None:
    for first, others in (("rabbitmq", ["rabbitmq-2", "rabbitmq-3"]), ("postgres", ["postgres-2"])):
        assert together[first]["hostname"] == first
        for other in others:
            assert together[other]["hostname"] == other
            assert without_name_and_data(together[other]) == without_name_and_data(together[first])
            assert data(together[other]) == data(together[first]).replace(first, other)


def data(spec: dict[str, Any]) -> str:
    (source,) = {mount["source"] for mount in spec["volumes"] if mount["source"].endswith("-data")}
    return str(source)


def without_name_and_data(spec: dict[str, Any]) -> dict[str, Any]:
    volumes = [
        mount
        for mount in spec["volumes"]
        if mount["source"] != data(spec) and not mount["source"].endswith("/join.conf")
    ]
    # A new node waits for the first one and joins it; the first waits for nobody.
    return {**spec, "hostname": "", "volumes": volumes, "command": spec["command"] if "postgres" in data(spec) else ""}


def test_watch_is_hardened_and_meets_nobody_but_databases(together: dict[str, Any]) -> None:
    watch, model = together["postgres-watch"], together["postgres"]
    for name in ("read_only", "cap_drop", "security_opt", "user", "networks", "logging", "restart", "image"):
        assert watch[name] == model[name], name
    assert "healthcheck" in watch


def test_cluster_needs_secrets_of_its_own(engine: None) -> None:  # noqa: ARG001
    for missing in OF_HA:
        done = compose_config(**FILES, **dict.fromkeys(OF_HA - {missing}, "secret"))
        assert done.returncode != 0
        assert f"required variable {missing} is missing a value: make secrets" in done.stderr
