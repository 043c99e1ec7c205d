"""Schemathesis with all checks over all operations of the document; exceptions are in schemathesis.toml.

Some two thousand cases; `make schemathesis` runs ten thousand (CASES says how many at least).
"""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clients import ValidatingClient
from gateway.web.docs import document
from users import create_user

HERE = Path(__file__).parent
CASES = int(os.environ.get("CASES", "0"))


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Mapping[str, str]:
    if "IMGHOST_URL" in os.environ:
        return os.environ | {"GATEWAY_URL": os.environ["IMGHOST_URL"]}
    mapping: Mapping[str, str] = request.getfixturevalue("plain_stack")
    return mapping


def document_of_this_run(bucket: str) -> dict[str, Any]:
    """Return the document with the values filled in that it leaves to the operator."""
    openapi = document()
    components, create = openapi["components"], openapi["paths"]["/api/images"]["post"]
    components["schemas"]["S3Bucket"]["enum"] = [bucket]
    components["schemas"]["S3Bucket"]["examples"] = [bucket]
    content = create["requestBody"]["content"]
    for example in (
        content["application/json"]["examples"]["image"]["value"],
        content["application/x-www-form-urlencoded"]["example"],
    ):
        example["s3_bucket"] = bucket
    # The probe for ignored credentials sends a wrong password to every operation, and is throttled with 429 after the
    # fifth; with an unknown API key the answer stays 401. The system tests cover passwords.
    del components["securitySchemes"]["basic"]
    operations = [operation for item in openapi["paths"].values() for operation in item.values()]
    for described in (openapi, *operations):
        if "security" in described:
            described["security"] = [scheme for scheme in described["security"] if "basic" not in scheme]
    return openapi


def delete_everything(user: ValidatingClient) -> None:
    """Delete what a user has: a key like `0` would be taken for tests of the same stack that come later."""
    for below in ("/api/images", "/api/collections"):
        while found := user.get(below).json():
            for each in found:
                assert user.delete(each["uri"]).status == http.client.NO_CONTENT


def peer(name: str, client: ValidatingClient, key: Mapping[str, str]) -> dict[str, Any]:
    assert client.username
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {key['key']}"}]}


@pytest.mark.timeout(280 + CASES // 4)
def test_every_operation_keeps_to_the_document(stack: Mapping[str, str], tmp_path: Path) -> None:
    users = {"first": create_user(stack), "second": create_user(stack)}
    keys = {name: user.post("/api/api-keys").json() for name, user in users.items()}
    peers = [peer(name, user, keys[name]) for name, user in users.items()]
    (tmp_path / "peers.json").write_text(json.dumps({"auth": peers}))
    (tmp_path / "openapi.json").write_text(json.dumps(document_of_this_run(stack["S3_BUCKET"])))
    environment = os.environ | {
        "GATEWAY_URL": stack["GATEWAY_URL"],
        "PEERS_FILE": str(tmp_path / "peers.json"),
        "FIRST_USERNAME": users["first"].username,
        "OWN_KEY_IDS": " ".join(key["id"] for key in keys.values()),
        "PYTHONPATH": str(HERE),
    }
    schemathesis = Path(sys.executable).with_name("schemathesis")
    command: list[str | Path] = [schemathesis, "--config-file", HERE / "schemathesis.toml", "run", "openapi.json"]
    if CASES:
        operations = sum(len(item) for item in document()["paths"].values())
        command += ["--max-examples", str(-(-CASES // operations))]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    for user in users.values():
        delete_everything(user)
    print(run.stdout, run.stderr)  # noqa: T201 - the whole report, for pytest to show
    assert run.returncode == 0, "see the report"
    generated = re.search(r"(\d+) generated", run.stdout)
    assert generated is not None
    assert int(generated[1]) >= CASES
