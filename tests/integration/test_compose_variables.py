"""What docker compose makes of the variables that an operator sets, without editing a file; nothing is started."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from composed import OF_HA, compose_config, services
from containers import ROOT

WARNING = "DEFAULT_PASSWORDS_ARE_IN_USE__RUN_make_secrets"
OWN_S3 = {
    "COMPOSE_FILE": "docker-compose.yml:containers/own-s3.yml",
    "S3_BUCKET": "pics",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


def buckets(found: dict[str, Any]) -> Any:
    return json.loads(found["catalog"]["environment"]["CATALOG_BUCKETS"])


@pytest.fixture(autouse=True)
def _compose(engine: None) -> None:
    pass


def test_setting_reaches_its_container_when_it_is_said_and_is_absent_otherwise() -> None:
    assert services()["gateway"]["environment"]["GATEWAY_TRUSTED_PROXIES"] is None
    assert services(GATEWAY_TRUSTED_PROXIES="2")["gateway"]["environment"]["GATEWAY_TRUSTED_PROXIES"] == "2"


def test_buckets_of_the_operator_take_the_place_of_the_one_here() -> None:
    assert buckets(services()) == {"imghost": {"url": "http://127.0.0.1:5000/imghost/"}}
    assert buckets(services(S3_PORT="5999")) == {"imghost": {"url": "http://127.0.0.1:5999/imghost/"}}
    assert buckets(services(S3_PUBLIC_URL="https://s3.example")) == {"imghost": {"url": "https://s3.example/imghost/"}}
    said = {"imghost": {"url": "https://cdn.example/", "prefixes": ["a/"]}}
    assert buckets(services(CATALOG_BUCKETS=json.dumps(said))) == said


def test_bucket_at_aws_needs_no_container_and_is_reached_by_those_that_need_it() -> None:
    found = services(**OWN_S3, AWS_DEFAULT_REGION="eu-central-1")
    assert not {"s3", "s3-volume"} & set(found)
    assert buckets(found) == {"pics": {"url": "https://s3.eu-central-1.amazonaws.com/pics/"}}
    imaging = found["imaging"]["environment"]
    assert not imaging["IMAGING_S3_ENDPOINT_URL"]
    assert (imaging["IMAGING_S3_REGION"], imaging["IMAGING_S3_ACCESS_KEY_ID"]) == ("eu-central-1", "id")
    assert {name for name, spec in found.items() if "outside" in spec.get("networks", {})} == {
        "s3-setup",
        "catalog",
        "gateway",
        "imaging",
    }


def test_s3_server_of_ones_own_may_have_another_address_for_browsers_and_a_credential_for_each_service() -> None:
    found = services(
        **OWN_S3,
        S3_ENDPOINT_URL="http://s3.internal:9000",
        S3_PUBLIC_URL="https://pics.example",
        IMAGING_S3_ACCESS_KEY_ID="imaging-id",
    )
    catalog, imaging = found["catalog"]["environment"], found["imaging"]["environment"]
    assert buckets(found) == {"pics": {"url": "https://pics.example/pics/"}}
    assert catalog["CATALOG_S3_ENDPOINT_URL"] == "https://pics.example"
    assert imaging["IMAGING_S3_ENDPOINT_URL"] == "http://s3.internal:9000"
    assert (imaging["IMAGING_S3_ACCESS_KEY_ID"], catalog["CATALOG_S3_ACCESS_KEY_ID"]) == ("imaging-id", "id")


def test_what_an_s3_of_ones_own_needs_is_named() -> None:
    done = compose_config(**{name: value for name, value in OWN_S3.items() if name != "S3_BUCKET"})
    assert done.returncode != 0
    assert "required variable S3_BUCKET is missing a value" in done.stderr


def warnings(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if WARNING in line]


def test_one_line_warns_while_any_password_is_a_default(tmp_path: Path) -> None:
    file = tmp_path / "env"
    subprocess.run([sys.executable, str(ROOT / "tools" / "make_secrets.py"), str(file)], check=True)
    assert len(warnings(compose_config())) == 1
    assert warnings(compose_config(str(file))) == []
    lines = file.read_text().splitlines(keepends=True)
    for line in [line for line in lines if line.partition("=")[0] not in OF_HA]:
        file.write_text("".join(other for other in lines if other != line))
        assert len(warnings(compose_config(str(file)))) == 1, line


def test_s3_of_ones_own_has_no_default_password(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("".join(f"{name}={value}\n" for name, value in OWN_S3.items()))
    assert len(warnings(compose_config(str(file)))) == 1
    subprocess.run([sys.executable, str(ROOT / "tools" / "make_secrets.py"), str(file)], check=True)
    done = compose_config(str(file))
    assert warnings(done) == []
    imaging = yaml.safe_load(done.stdout)["services"]["imaging"]["environment"]
    assert imaging["IMAGING_S3_SECRET_ACCESS_KEY"] == OWN_S3["AWS_SECRET_ACCESS_KEY"]


def test_secrets_reach_everybody_who_needs_them(tmp_path: Path) -> None:
    file = tmp_path / "env"
    subprocess.run([sys.executable, str(ROOT / "tools" / "make_secrets.py"), str(file)], check=True)
    text = compose_config(str(file)).stdout
    assert "-on-this-machine" not in text


def test_edge_has_a_certificate_where_a_folder_is_named() -> None:
    plain, by_tls = (services(COMPOSE_PROFILES="edge", **said)["edge"] for said in ({}, {"EDGE_TLS": "/a/folder"}))
    assert plain["environment"]["EDGE_TLS"] == ""
    assert by_tls["environment"]["EDGE_TLS"] == "/etc/edge-tls"
    assert {mount["source"] for mount in by_tls["volumes"]} == {str(ROOT / "edge"), "/a/folder"}


def test_edge_knows_whether_the_gateway_trusts_it() -> None:
    for said in ("1", "2"):
        found = services(COMPOSE_PROFILES="edge", GATEWAY_TRUSTED_PROXIES=said)
        for service in ("edge", "gateway"):
            assert found[service]["environment"]["GATEWAY_TRUSTED_PROXIES"] == said
