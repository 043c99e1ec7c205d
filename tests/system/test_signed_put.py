"""The signed PUT: one file of a known size, sent straight to S3, becomes an image."""

from typing import Any

import requests

from clients import Stack, ValidatingClient
from pictures import photo
from users import create_user


def test_a_picture_sent_by_put_becomes_an_image(alice: ValidatingClient, bucket: str) -> None:
    content = photo(64, 48)
    put: dict[str, Any] = alice.post(
        "/api/signed-put", json={"filename": "my ä image.jpg", "bytes": len(content)}
    ).json()
    sent = requests.put(put["url"], data=content, headers=put["headers"], timeout=10)
    assert sent.ok, sent.text
    assert alice.post("/api/images", json={"s3_key": put["s3_key"], "s3_bucket": bucket}).status == 201
    image = alice.settled(put["s3_key"])
    assert (image["status"], image["bytes"]) == ("ready", len(content))


def test_a_key_that_was_handed_out_for_a_put_is_refused_to_another_user(
    alice: ValidatingClient, bob: ValidatingClient, bucket: str
) -> None:
    put = alice.post("/api/signed-put", json={"filename": "a.jpg", "bytes": 12}).json()
    answer = bob.post("/api/images", json={"s3_key": put["s3_key"], "s3_bucket": bucket})
    assert (answer.status, answer.code) == (422, "key-not-allowed")


def test_s3_takes_a_file_of_the_signed_length_only(compose_stack: Stack) -> None:
    """On its S3, which is a whole one: the S3 of the plain processes does not look at what is signed."""
    content = photo(64, 48)
    put = create_user(compose_stack).post("/api/signed-put", json={"filename": "a.jpg", "bytes": len(content)}).json()
    for sent, status in [(content + b"x", 403), (content[:-1], 403), (content, 200)]:
        headers = put["headers"] | {"Content-Length": str(len(sent))}
        assert requests.put(put["url"], data=sent, headers=headers, timeout=10).status_code == status
