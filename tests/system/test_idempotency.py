"""Every POST is carried out once, however often it is sent under one Idempotency-Key."""

import json
import secrets
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest

import raw_http
from clients import FORM, Answer, NewUser, Stack, ValidatingClient, authorization, path
from deadlines import until
from gateway.web.docs import document


@dataclass(frozen=True)
class Post:
    """A POST of the API: its target, its fields, and some that make it another request."""

    target: str
    fields: dict[str, Any]
    other: dict[str, Any]
    shows_secret: bool = False


Prepare = Callable[[ValidatingClient, str], Post]


def an_image(_by: ValidatingClient, bucket: str) -> Post:
    fields = {"s3_key": f"{secrets.token_hex(4)}/a.jpg", "s3_bucket": bucket}
    return Post("/api/images", fields, fields | {"title": "other"})


def a_collection(_by: ValidatingClient, _bucket: str) -> Post:
    name = secrets.token_hex(4)
    return Post("/api/collections", {"name": name}, {"name": f"{name}-other"})


def an_api_key(_by: ValidatingClient, _bucket: str) -> Post:
    return Post("/api/api-keys", {"description": "one"}, {"description": "other"}, shows_secret=True)


def a_rotation(by: ValidatingClient, _bucket: str) -> Post:
    target = path("api-keys", by.post("/api/api-keys").json()["id"], "rotation")
    return Post(target, {}, {"overlap_s": 60}, shows_secret=True)


# Every POST of the document; one that is missing here fails the first test.
POSTS: dict[str, Prepare] = {
    "/api/images": an_image,
    "/api/collections": a_collection,
    "/api/api-keys": an_api_key,
    "/api/api-keys/{key}/rotation": a_rotation,
}
# What they repeat is shown by test_batches.py, test_uploads.py and test_signed_put.py in tests/integration.
ELSEWHERE = {"/api/images/batch", "/api/collections/{name}/images", "/api/uploads", "/api/signed-put"}
every_post = pytest.mark.parametrize("prepare", POSTS.values(), ids=POSTS)


def send(by: ValidatingClient, post: Post, key: str, fields: dict[str, Any] | None = None) -> Answer:
    return by.post(post.target, json=post.fields if fields is None else fields, headers={"Idempotency-Key": key})


def new_key() -> str:
    return f'"{uuid.uuid4()}"'


def test_every_post_of_the_document_is_tried_here() -> None:
    assert {target for target, item in document()["paths"].items() if "post" in item} == {*POSTS, *ELSEWHERE}


def demand_a_repeat(answer: Answer, first: Answer, post: Post) -> None:
    if post.shows_secret:
        assert (answer.status, answer.code) == (409, "secret-not-kept")
        assert answer.headers["Location"] == first.json()["uri"]
    else:
        assert (answer.status, answer.body) == (first.status, first.body)
        assert answer.headers["Location"] == first.headers["Location"]
        assert answer.headers["Idempotency-Replayed"] == "true"


@every_post
def test_repeat_is_answered_as_the_first_time_and_does_nothing(
    anna: ValidatingClient, bucket: str, prepare: Prepare
) -> None:
    post, key = prepare(anna, bucket), new_key()
    first = send(anna, post, key)
    assert first.status in {200, 201}, first.body
    assert first.headers["Idempotency-Replayed"] is None
    shown = anna.get(first.json()["uri"])
    for _ in range(2):
        demand_a_repeat(send(anna, post, key), first, post)
    if post.shows_secret:
        assert anna.get(first.json()["uri"]).headers["ETag"] == shown.headers["ETag"]
        demand_a_repeat(send(anna, post, key.strip('"')), first, post)


@every_post
def test_another_body_under_the_same_key_is_refused(anna: ValidatingClient, bucket: str, prepare: Prepare) -> None:
    post, key = prepare(anna, bucket), new_key()
    first = send(anna, post, key)
    refused = send(anna, post, key, post.other)
    assert (refused.status, refused.code) == (422, "idempotency-key-reused")
    demand_a_repeat(send(anna, post, key), first, post)


@every_post
def test_malformed_key_is_refused(anna: ValidatingClient, bucket: str, prepare: Prepare) -> None:
    post = prepare(anna, bucket)
    for key in ('"', "a b", "x" * 256, '"ä"', ""):
        refused = send(anna, post, key)
        assert (refused.status, refused.code) == (400, "malformed-idempotency-key"), key


def test_two_keys_are_malformed(anna: ValidatingClient, bucket: str) -> None:
    body = f"s3_key={secrets.token_hex(4)}&s3_bucket={bucket}"
    with raw_http.connect(anna.base_url) as connection:
        connection.sendall(
            "\r\n".join(
                [
                    "POST /api/images HTTP/1.1",
                    "Host: x",
                    f"Authorization: {authorization(anna.auth or '')}",
                    'Idempotency-Key: "one"',
                    'Idempotency-Key: "other"',
                    f"Content-Type: {FORM}",
                    f"Content-Length: {len(body)}",
                    "",
                    body,
                ]
            ).encode()
        )
        status, told = raw_http.answer(connection)
    assert (status, json.loads(told)["code"]) == (400, "malformed-idempotency-key")


@every_post
def test_what_was_refused_is_tried_again_under_the_same_key(
    anna: ValidatingClient, bucket: str, prepare: Prepare
) -> None:
    post, key = prepare(anna, bucket), new_key()
    assert send(anna, post, key, {"no": "such"}).status == 422
    assert send(anna, post, key).headers["Idempotency-Replayed"] is None
    assert send(anna, post, key).status in {201, 409}


@every_post
def test_key_of_another_user_is_another_key(
    anna: ValidatingClient, new_user: NewUser, bucket: str, prepare: Prepare
) -> None:
    bert, key = new_user(), new_key()
    assert send(anna, prepare(anna, bucket), key).status in {200, 201}
    answer = send(bert, prepare(bert, bucket), key)
    assert answer.status in {200, 201}
    assert answer.headers["Idempotency-Replayed"] is None


@every_post
def test_repeat_takes_the_credentials_that_the_request_takes(
    stack: Stack, anna: ValidatingClient, bucket: str, prepare: Prepare
) -> None:
    post, key = prepare(anna, bucket), new_key()
    assert send(anna, post, key).status in {200, 201}
    made = anna.post("/api/api-keys", json={"scopes": ["read"]}).json()
    reader = ValidatingClient(stack["GATEWAY_URL"], made["key"])
    refused = send(reader, post, key)
    assert (refused.status, refused.code) == (403, "insufficient-scope")
    assert anna.delete(made["uri"]).status == 204
    assert send(reader, post, key).status == 401


@every_post
def test_requests_at_the_same_time_have_one_effect(anna: ValidatingClient, bucket: str, prepare: Prepare) -> None:
    post, key = prepare(anna, bucket), new_key()

    def one_of_many(_number: int) -> Answer:
        client = ValidatingClient(anna.base_url, anna.auth)

        def admitted() -> Answer | None:
            answer = send(client, post, key)
            return answer if answer.status != HTTPStatus.SERVICE_UNAVAILABLE else None

        # Tests before may have left so many failures of this address that one password at a time is let through.
        return until(admitted, 20, "refused again and again")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one_of_many, range(24)))
    (first,) = [each for each in answers if each.status < 300 and each.headers["Idempotency-Replayed"] is None]
    for answer in answers:
        if answer.code == "idempotency-key-in-flight":
            assert int(answer.headers["Retry-After"]) > 0
        elif answer is not first:
            demand_a_repeat(answer, first, post)
