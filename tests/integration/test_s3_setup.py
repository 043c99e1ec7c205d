"""The set-up of the compose stack's S3 server: on that server, on one that knows no accounts, and its messages."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SETUP = Path(__file__).parents[2] / "containers" / "s3-setup" / "setup.py"
BUCKET = "made-ready"
SECRETS = {who: f"secret-of-{who.lower()}" for who in ("IMAGING", "CATALOG", "CATALOG_RECONCILE")}
DENIED = "AccessDenied"


def set_up(url: str, command: str = "make", **changes: str) -> subprocess.CompletedProcess[str]:
    accounts = {
        f"{who}_S3_{name}": value
        for who, secret in SECRETS.items()
        for name, value in (("ACCESS_KEY_ID", who.lower()), ("SECRET_ACCESS_KEY", secret))
    }
    environment = {
        "PATH": os.environ["PATH"],
        "S3_ENDPOINT_URL": url,
        "S3_PUBLIC_URL": url,
        "S3_BUCKET": BUCKET,
        "S3_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "S3_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        **accounts,
        **changes,
    }
    return subprocess.run(
        [sys.executable, SETUP, command], env=environment, check=False, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def bucket_url(kept_s3: str) -> Iterator[str]:
    for _ in range(2):  # each `docker compose up` does it again
        done = set_up(kept_s3)
        assert done.returncode == 0, done.stderr
    yield f"{kept_s3}/{BUCKET}"
    s3 = s3_client(kept_s3)
    for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    s3.delete_bucket(Bucket=BUCKET)


def account(kept_s3: str, who: str) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=kept_s3,
        region_name="us-east-1",
        aws_access_key_id=who.lower(),
        aws_secret_access_key=SECRETS[who],
    )


def allowed(s3: "S3Client") -> set[str]:
    """Return what a client may do, by trying it."""
    tries: dict[str, Callable[[], object]] = {
        "put": lambda: s3.put_object(Bucket=BUCKET, Key="tried", Body=b"picture"),
        "get": lambda: s3.get_object(Bucket=BUCKET, Key="tried"),
        "list": lambda: s3.list_objects_v2(Bucket=BUCKET),
        "delete": lambda: s3.delete_object(Bucket=BUCKET, Key="tried"),
        "policy": lambda: s3.delete_bucket_policy(Bucket=BUCKET),
    }
    found = set()
    for name, attempt in tries.items():
        try:
            attempt()
        except ClientError as refusal:
            assert refusal.response["Error"]["Code"] == DENIED  # noqa: PT017 - some may, some may not
        else:
            found.add(name)
    return found


def test_each_service_may_do_what_it_has_to_and_no_more(kept_s3: str, bucket_url: str) -> None:  # noqa: ARG001
    assert allowed(account(kept_s3, "IMAGING")) == {"put", "get", "list", "delete"}
    assert allowed(account(kept_s3, "CATALOG_RECONCILE")) == {"put", "get", "list", "delete"}
    assert allowed(account(kept_s3, "CATALOG")) == {"put"}


def test_everybody_reads_what_is_in_the_bucket_and_does_nothing_else(kept_s3: str, bucket_url: str) -> None:
    key = "dir/ä b%2F.jpg"
    s3_client(kept_s3).put_object(Bucket=BUCKET, Key=key, Body=b"picture", ContentType="image/jpeg")
    target = f"{bucket_url}/{quote(key)}"
    answer = requests.get(target, timeout=5)
    assert (answer.status_code, answer.content) == (200, b"picture")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert requests.put(target, data=b"another", timeout=5).status_code == 403
    assert requests.delete(target, timeout=5).status_code == 403
    assert requests.get(bucket_url, timeout=5).status_code == 403


def test_a_page_from_elsewhere_may_look_and_send_a_form(bucket_url: str) -> None:
    for method in ("GET", "POST"):
        asked = {"Origin": "http://127.0.0.1:8080", "Access-Control-Request-Method": method}
        answer = requests.options(bucket_url, headers=asked, timeout=5)
        assert answer.ok
        assert answer.headers["Access-Control-Allow-Origin"] in {"*", asked["Origin"]}
        assert method in answer.headers["Access-Control-Allow-Methods"]


def test_changed_secret_is_brought_to_the_server(kept_s3: str, bucket_url: str) -> None:  # noqa: ARG001
    before = account(kept_s3, "IMAGING")
    try:
        assert set_up(kept_s3, IMAGING_S3_SECRET_ACCESS_KEY="another-secret").returncode == 0
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            before.list_objects_v2(Bucket=BUCKET)
    finally:
        assert set_up(kept_s3).returncode == 0
    before.list_objects_v2(Bucket=BUCKET)


def test_server_that_knows_no_accounts_gets_the_rest_and_a_line_says_so(moto_s3: str) -> None:
    done = set_up(moto_s3)
    assert (done.returncode, done.stderr) == (0, "")
    assert "make those of the services yourself" in done.stdout
    policy = json.loads(s3_client(moto_s3).get_bucket_policy(Bucket=BUCKET)["Policy"])
    assert [statement["Principal"] for statement in policy["Statement"]] == ["*"]


@pytest.mark.parametrize(
    ("command", "changes", "sentence"),
    [
        ("make", {"S3_PUBLIC_URL": "http://127.0.0.1:0"}, "S3_PORT=0 publishes S3 at a port that nobody knows"),
        ("make", {"S3_SECRET_ACCESS_KEY": "a-wrong-secret"}, "SignatureDoesNotMatch"),
        ("make", {"S3_ENDPOINT_URL": "http://127.0.0.1:9"}, "http://127.0.0.1:9 cannot be made ready"),
        ("check", {"S3_BUCKET": "not-there"}, "IMAGING_S3_ACCESS_KEY_ID does not open the bucket not-there: "),
        (
            "check",
            {"IMAGING_S3_SECRET_ACCESS_KEY": "a-wrong-secret"},
            "IMAGING_S3_.*SignatureDoesNotMatch",
        ),
        (
            "check",
            {"CATALOG_RECONCILE_S3_ACCESS_KEY_ID": "nobody"},
            "CATALOG_RECONCILE_S3_.*InvalidAccessKeyId",
        ),
    ],
)
def test_what_is_in_the_way_is_one_sentence(
    kept_s3: str,
    bucket_url: str,  # noqa: ARG001
    command: str,
    changes: dict[str, str],
    sentence: str,
) -> None:
    done = set_up(kept_s3, command, **changes)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert re.search(sentence, done.stderr), done.stderr


def test_look_at_a_bucket_that_is_there_changes_nothing(kept_s3: str, bucket_url: str) -> None:  # noqa: ARG001
    before = s3_client(kept_s3).get_bucket_policy(Bucket=BUCKET)["Policy"]
    done = set_up(kept_s3, "check")
    assert (done.returncode, done.stdout) == (0, f"bucket {BUCKET} is there\n")
    assert s3_client(kept_s3).get_bucket_policy(Bucket=BUCKET)["Policy"] == before
