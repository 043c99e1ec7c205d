import json

import pytest

from embedded.home import Home
from embedded.parts.s3 import EmbeddedS3, everybody_may_read
from embedded.parts.services import Account, ServicePorts, Services

PORTS = ServicePorts(18190, 18191, 18192, 18193, 18194, 18195)


@pytest.fixture
def services(home: Home) -> Services:
    return Services(home, EmbeddedS3(15199, "id", "key").storage, "amqp://b", PORTS, Account("demo", "hush-hush"))


def test_every_server_listens_on_this_machine_only(services: Services) -> None:
    for child in services.children():
        hosts = [value for name, value in child.environment.items() if name.endswith("_HOST")]
        assert hosts, child.name
        assert set(hosts) == {"127.0.0.1"}, child.name


def test_every_process_is_waited_for(services: Services) -> None:
    assert services.ready_urls().keys() == {child.name for child in services.children()}


def test_no_secret_is_in_a_command_line(services: Services) -> None:
    words = [word for child in [*services.preparations(), *services.children()] for word in child.command]
    assert not any("hush" in word or "amqp:" in word for word in words)


def test_public_urls_lead_to_the_embedded_s3(services: Services) -> None:
    catalog = next(child for child in services.children() if child.name == "catalog")
    assert json.loads(catalog.environment["CATALOG_BUCKETS"]) == {"imghost": {"url": "http://127.0.0.1:15199/imghost/"}}


def test_callers_settings_reach_the_service_but_never_override_the_run(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_LOG_LEVEL", "debug")
    monkeypatch.setenv("AUTH_DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("AUTH_LISTEN_HOST", "0.0.0.0")  # noqa: S104 - that it is not used is the claim

    children = Services(home, EmbeddedS3(1, "", "").storage, "amqp://b", PORTS, Account("demo", "")).children()

    auth, catalog = (next(child for child in children if child.name == name) for name in ("auth", "catalog"))
    assert auth.environment["AUTH_LOG_LEVEL"] == "debug"
    assert auth.environment["AUTH_DATABASE_URL"] == f"sqlite:///{home.run / 'auth.db'}"
    assert auth.environment["AUTH_LISTEN_HOST"] == "127.0.0.1"
    assert "AUTH_LOG_LEVEL" not in catalog.environment


def test_bucket_is_open_for_reading_and_nothing_else() -> None:
    policy = everybody_may_read("pictures")

    assert policy["Statement"] == [
        {
            "Sid": "EverybodyMayRead",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::pictures/*",
        }
    ]
