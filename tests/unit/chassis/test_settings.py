from contextlib import suppress

import pytest

from auth.settings import MigrateSettings as AuthMigrateSettings
from auth.settings import ServeSettings as AuthSettings
from auth.settings import WorkerSettings as AuthWorkerSettings
from catalog.settings import MigrateSettings as CatalogMigrateSettings
from catalog.settings import ReconcileSettings, StatusSettings
from catalog.settings import ServeSettings as CatalogSettings
from catalog.settings import WorkerSettings as CatalogWorkerSettings
from chassis import settings
from chassis.settings import MigrateSettings, ProcessSettings
from gateway.settings import GatewaySettings
from imaging.settings import ImagingSettings

ALL = [
    AuthSettings,
    AuthWorkerSettings,
    AuthMigrateSettings,
    CatalogMigrateSettings,
    CatalogSettings,
    CatalogWorkerSettings,
    ReconcileSettings,
    StatusSettings,
    GatewaySettings,
    ImagingSettings,
]


@pytest.mark.parametrize("kind", ALL)
def test_every_setting_has_the_prefix_of_its_service_and_a_description(kind: type[ProcessSettings]) -> None:
    prefix = f"{kind.__module__.split('.')[0].upper()}_"
    for name, _, description in settings.rows(kind):
        assert name.startswith(prefix)
        assert description, name


def test_every_fault_is_named_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GATEWAY_AUTH_URL", "ftp://nowhere")
    monkeypatch.setenv("GATEWAY_LISTEN_PORT", "-1")
    monkeypatch.setenv("GATEWAY_LOG_LEVEL", "loud")
    with pytest.raises(SystemExit) as ended:
        settings.load(GatewaySettings)
    assert ended.value.code == settings.EXIT_BAD_SETTINGS
    said = capsys.readouterr().err
    for name in ("GATEWAY_AUTH_URL", "GATEWAY_LISTEN_PORT", "GATEWAY_LOG_LEVEL", "GATEWAY_CATALOG_URL"):
        assert name in said


def test_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_AUTH_URL", "http://auth")
    monkeypatch.setenv("GATEWAY_CATALOG_URL", "http://catalog")
    monkeypatch.setenv("GATEWAY_LISTEN_PORT", "")
    assert settings.load(GatewaySettings).listen_port == 8000


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_BROKER_URL", "amqp://user:hidden-one@broker")
    monkeypatch.setenv("IMAGING_S3_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("IMAGING_S3_SECRET_ACCESS_KEY", "hidden-two")
    loaded = settings.load(ImagingSettings)
    assert "hidden" not in str(settings.effective(loaded)) + repr(loaded)


def test_passwords_of_the_compose_file_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_BROKER_URL", "amqp://imghost:broker-on-this-machine@rabbitmq")
    monkeypatch.setenv("IMAGING_S3_ACCESS_KEY_ID", "imaging")
    monkeypatch.setenv("IMAGING_S3_SECRET_ACCESS_KEY", "my own")
    assert settings.defaults_in_use(settings.load(ImagingSettings)) == ["IMAGING_BROKER_URL"]


def test_setting_that_is_not_json_is_named_with_the_other_faults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CATALOG_BUCKETS", "{")
    monkeypatch.setenv("CATALOG_LOG_LEVEL", "loud")
    with pytest.raises(SystemExit) as ended:
        settings.load(CatalogSettings)
    assert ended.value.code == settings.EXIT_BAD_SETTINGS
    said = capsys.readouterr().err
    assert "CATALOG_BUCKETS: should be an object in JSON" in said
    assert "CATALOG_LOG_LEVEL" in said


@pytest.mark.parametrize("kind", [AuthMigrateSettings, CatalogMigrateSettings])
def test_migrating_behind_a_pooler_needs_a_direct_url(
    kind: type[MigrateSettings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = kind.model_config.get("env_prefix", "")
    monkeypatch.setenv(f"{prefix}DATABASE_URL", "postgresql+psycopg://auth@pooler/auth")
    monkeypatch.setenv(f"{prefix}DATABASE_POOLER", "true")
    with pytest.raises(SystemExit):
        settings.load(kind)
    assert f"{prefix}DATABASE_DIRECT_URL is required with {prefix}DATABASE_POOLER" in capsys.readouterr().err
    monkeypatch.setenv(f"{prefix}DATABASE_DIRECT_URL", "postgresql+psycopg://auth@server/auth")
    direct = settings.load(kind).direct()
    assert direct.database_url.get_secret_value() == "postgresql+psycopg://auth@server/auth"
    assert not direct.database_pooler


# What each service needs to start, so that one bad setting is the only fault.
NEEDED = {
    "DATABASE_URL": "sqlite:////var/lib/a.db",
    "BROKER_URL": "amqp://somebody:hidden@broker/",
    "TOKEN_PRIVATE_KEY_FILE": "/private.pem",
    "TOKEN_PUBLIC_KEY_FILE": "/public.pem",
    "BUCKETS": '{"pics": {}}',
    "AUTH_URL": "http://auth",
    "CATALOG_URL": "http://catalog",
    "S3_ACCESS_KEY_ID": "id",
    "S3_SECRET_ACCESS_KEY": "hidden",
    "RECONCILE_S3_ACCESS_KEY_ID": "id",
    "RECONCILE_S3_SECRET_ACCESS_KEY": "hidden",
}
GARBAGE = [
    "garbage-value with spaces",
    "-1",
    "0",
    "99999999999999999999",
    "inf",
    "nan",
    "1e300",
    "{}",
    "[]",
    "[" * 100_000,
    "null",
    "é☃",
    "a\nb",
    "http://",
    "postgresql+psycopg://garbage-value:garbage-value",
    "amqp://garbage-value@:garbage-value",
    '{"pics": {"url": "garbage-value"}}',
]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_accepted_or_refused_in_a_sentence_that_names_the_setting(
    kind: type[ProcessSettings], garbage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = kind.model_config.get("env_prefix", "")
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"{prefix}{name}", value)
    for field in kind.model_fields:
        name = settings.variable(kind, field)
        with monkeypatch.context() as changed:
            changed.setenv(name, garbage)
            with suppress(SystemExit):
                settings.load(kind)
        # Nothing is printed if the value is accepted.
        heading, *faults = capsys.readouterr().err.splitlines() or ["bad settings:"]
        assert heading == "bad settings:"
        assert all(name in fault for fault in faults), faults
        assert "garbage-value" not in str(faults)
        assert "hidden" not in str(faults)


def test_bad_urls_are_named_in_one_message_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {
        "CATALOG_DATABASE_URL": "mysql://catalog:hidden@db/catalog",
        "CATALOG_S3_ENDPOINT_URL": "s3.example.com",
        "CATALOG_S3_REGION": "no region",
        "CATALOG_BUCKETS": '{"pics": {"url": "cdn.example/pics"}, "no bucket": {}}',
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        settings.load(CatalogSettings)
    said = capsys.readouterr().err
    for name in ("DATABASE_URL", "S3_ENDPOINT_URL", "S3_REGION", "BUCKETS.pics.url", "BUCKETS.no bucket"):
        assert f"CATALOG_{name}" in said
    assert "hidden" not in said
