"""`POST /api/signed-put`: a URL for one file of a known size, of the caller's own, however often it is asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import Answer, ValidatingClient
from web_stack import ANNA, BUCKET, WebStack

UPLOADS = {"S3_ACCESS_KEY_ID": "id", "S3_SECRET_ACCESS_KEY": "secret", "S3_ENDPOINT_URL": "http://127.0.0.1:9"}
TARGET = "/api/signed-put"
MOST = 1_000_000
FILE = {"filename": "what? ä b.png", "bytes": 1234}


@pytest.fixture(scope="module")
def stack(prepared_web_stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebStack]:
    with WebStack.copied(prepared_web_stack, tmp_path_factory.mktemp("put") / "stack") as copied:
        copied.start("auth")
        copied.start("catalog", 0, **UPLOADS, UPLOAD_MAX_BYTES=str(MOST))
        copied.start("gateway")
        yield copied


@pytest.fixture(scope="module")
def anna(stack: WebStack) -> ValidatingClient:
    return ValidatingClient(stack.url(), ANNA)


def faults(answer: Answer) -> list[tuple[str, str]]:
    assert (answer.status, answer.code) == (422, "invalid-fields")
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


def test_key_ends_with_the_name_and_can_be_registered(anna: ValidatingClient) -> None:
    answer = anna.post(TARGET, json=FILE)
    assert answer.status == 200
    put = answer.json()
    assert put["s3_key"].partition("/")[2] == FILE["filename"]
    assert put["headers"] == {"Content-Type": "image/png", "Content-Length": "1234"}
    assert anna.post("/api/images", json={"s3_key": put["s3_key"], "s3_bucket": BUCKET}).status == 201


def test_content_type_can_be_chosen_and_a_form_can_be_sent(anna: ValidatingClient) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    put = anna.post(TARGET, body=b"filename=a.png&bytes=12&content_type=image/gif", headers=form).json()
    assert put["headers"] == {"Content-Type": "image/gif", "Content-Length": "12"}


def test_repeat_gets_the_same_key_and_a_new_url(anna: ValidatingClient) -> None:
    key = {"Idempotency-Key": "put-1"}
    first, again = (anna.post(TARGET, json=FILE, headers=key) for _ in range(2))
    assert (first.headers["Idempotency-Replayed"], again.headers["Idempotency-Replayed"]) == (None, "true")
    assert {**first.json(), "url": ""} == {**again.json(), "url": ""}
    assert anna.post(TARGET, json=FILE).json()["s3_key"] != first.json()["s3_key"]
    other = anna.post(TARGET, json={**FILE, "bytes": 2}, headers=key)
    assert (other.status, other.code) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"filename": "a/b.png"}, ("/filename", "invalid-s3-key")),
        ({"filename": ""}, ("/filename", "invalid-s3-key")),
        ({"filename": ".."}, ("/filename", "invalid-s3-key")),
        ({"filename": 1}, ("/filename", "string-type")),
        ({"bytes": 0}, ("/bytes", "greater-than-equal")),
        ({"bytes": "12"}, ("/bytes", "int-type")),
        ({"bytes": True}, ("/bytes", "int-type")),
        ({"bytes": MOST + 1}, ("/bytes", "too-large")),
        ({"content_type": "image/svg+xml"}, ("/content_type", "unsupported-format")),
        ({"content_type": "text/html"}, ("/content_type", "unsupported-format")),
        ({"acl": "public-read"}, ("/acl", "extra-forbidden")),
    ],
)
def test_what_no_file_may_have_is_refused_and_named(
    anna: ValidatingClient, changes: dict[str, Any], fault: tuple[str, str]
) -> None:
    assert faults(anna.post(TARGET, json=FILE | changes)) == [fault]


def test_largest_file_is_taken(anna: ValidatingClient) -> None:
    assert anna.post(TARGET, json=FILE | {"bytes": MOST}).status == 200


def test_without_a_bucket_for_uploads_there_is_none(web_stack: WebStack) -> None:
    web_stack.start_all()
    answer = ValidatingClient(web_stack.url(), ANNA).post(TARGET, json=FILE)
    assert (answer.status, answer.code) == (404, "uploads-off")
