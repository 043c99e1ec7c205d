"""The signed post: a form that uploads one's own pictures, and nothing else, for ten minutes."""

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


@pytest.fixture
def uploaded(form: dict[str, Any]) -> str:
    """The key of a picture, uploaded as the contract says."""
    fields = {"Content-Type": "image/jpeg"} | form["fields"]
    files = {"file": ("my image.jpg", photo(64, 48), "image/jpeg")}
    answer = requests.post(form["url"], data=fields, files=files, timeout=10)
    assert answer.status_code in {200, 201, 204}, answer.text
    return str(form["fields"]["key"]).replace("${filename}", "my image.jpg")


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
    assert ["starts-with", "$Content-Type", "image/"] in policy["conditions"]
    (limits,) = [rule for rule in policy["conditions"] if "content-length-range" in rule]
    assert 1 <= limits[1] < limits[2] <= 100 * 1024 * 1024
    left = datetime.fromisoformat(policy["expiration"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10, seconds=5)
    signed = {name for rule in policy["conditions"] if isinstance(rule, dict) for name in rule}
    assert {"x-amz-algorithm", "x-amz-credential", "x-amz-date"} <= signed
