"""The signed post: for ten minutes a form that uploads pictures of its user, and nothing else."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from clients import Stack, ValidatingClient
from pictures import photo


@pytest.fixture
def form(alice: ValidatingClient) -> dict[str, Any]:
    document: dict[str, Any] = alice.get("/api/signed-post").json()
    return document


def upload(form: dict[str, Any], **changes: str) -> requests.Response:
    fields = form["fields"] | changes
    return requests.post(form["url"], data=fields, files={"file": ("blob", photo(64, 48))}, timeout=10)


@pytest.fixture
def uploaded(form: dict[str, Any]) -> str:
    """The key of an uploaded picture; the client has completed the key, as the contract says."""
    key = str(form["fields"]["key"]).replace("${filename}", "my image.jpg")
    answer = upload(form, key=key)
    assert answer.status_code in {200, 201, 204}, answer.text
    return key


def test_a_form_for_a_named_file_has_a_finished_key(alice: ValidatingClient, bucket: str) -> None:
    form = alice.get("/api/signed-post", params={"filename": "my ä image.png"}).json()
    assert form["fields"]["key"].endswith("/my ä image.png")
    assert form["fields"]["Content-Type"] == "image/png"
    assert upload(form).ok
    key = form["fields"]["key"]
    assert alice.post("/api/images", json={"s3_key": key, "s3_bucket": bucket}).status == 201
    assert alice.settled(key)["status"] == "ready"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("filename", "a/b.jpg"),
        ("filename", ""),
        ("filename", "${filename}"),
        ("content_type", "image/svg+xml"),
        ("content_type", "text/html"),
        ("content_type", "image/jpeg, text/html"),
    ],
)
def test_a_name_or_type_that_cannot_be_is_refused_and_named(alice: ValidatingClient, name: str, value: str) -> None:
    answer = alice.get("/api/signed-post", params={name: value})
    assert answer.status == 422
    assert [fault["parameter"] for fault in answer.json()["errors"]] == [name]


def test_an_uploaded_picture_can_be_registered(alice: ValidatingClient, uploaded: str, bucket: str) -> None:
    answer = alice.post("/api/images", json={"s3_key": uploaded, "s3_bucket": bucket})
    assert answer.status == 201
    assert alice.settled(uploaded)["status"] == "ready"


def test_a_key_handed_out_to_one_user_is_refused_to_another(
    alice: ValidatingClient, bob: ValidatingClient, uploaded: str, bucket: str
) -> None:
    answer = bob.post("/api/images", json={"s3_key": uploaded, "s3_bucket": bucket})
    assert (answer.status, answer.code) == (422, "key-not-allowed")
    assert alice.post("/api/images", json={"s3_key": uploaded, "s3_bucket": bucket}).status == 201


def test_each_form_has_a_prefix_of_its_own(alice: ValidatingClient, form: dict[str, Any]) -> None:
    assert alice.get("/api/signed-post").json()["fields"]["key"] != form["fields"]["key"]


def test_the_policy_says_prefix_images_size_bucket_and_ten_minutes(form: dict[str, Any], stack: Stack) -> None:
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    prefix = form["fields"]["key"].removesuffix("${filename}")
    assert {"bucket": stack["S3_BUCKET"]} in policy["conditions"]
    assert ["starts-with", "$key", prefix] in policy["conditions"]
    assert {"Content-Type": "image/jpeg"} in policy["conditions"]
    (limits,) = [rule for rule in policy["conditions"] if "content-length-range" in rule]
    assert 1 <= limits[1] < limits[2] <= 100 * 1024 * 1024
    left = datetime.fromisoformat(policy["expiration"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10, seconds=5)
    signed = {name for rule in policy["conditions"] if isinstance(rule, dict) for name in rule}
    assert {"x-amz-algorithm", "x-amz-credential", "x-amz-date"} <= signed
