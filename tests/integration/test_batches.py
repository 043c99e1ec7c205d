"""Several operations in one request: each is as a request of its own, and what was not begun was not begun."""

import json
import secrets
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import requests

from chassis import checkpoints, deadlines
from chassis.database.database import Database
from clients import Answer, ValidatingClient, authorization, path
from deadlines import until
from web_stack import BUCKET, WebStack

BATCH = "/api/images/batch"


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid.uuid4()}"'}


def with_key(stack: WebStack, **fields: Any) -> ValidatingClient:
    """Return a client with a new API key of the user of `stack`."""
    made = stack.anna().post("/api/api-keys", json=fields)
    assert made.status == 201, made.body
    return ValidatingClient(stack.url(), made.json()["key"])


@pytest.fixture(scope="module")
def stack(prepared_web_stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebStack]:
    """The web services with their defaults, for all tests of this module that need no others."""
    with WebStack.copied(prepared_web_stack, tmp_path_factory.mktemp("batches")) as running:
        running.start_all()
        yield running


@pytest.fixture(scope="module")
def client(stack: WebStack) -> ValidatingClient:
    return with_key(stack)


@dataclass(frozen=True)
class Own:
    """A client, and keys and a collection of the test's own."""

    client: ValidatingClient
    name: str = field(default_factory=lambda: secrets.token_hex(4))

    def key(self, name: str) -> str:
        """Return the key `name` below the test's own prefix."""
        return f"{self.name}/{name}"

    def keys(self, listed: str = "") -> list[str]:
        """Return what is registered, in the order of names, without the prefix."""
        images = self.client.get(listed or f"/api/images?q={self.name}").json()
        return [image["s3_key"].removeprefix(f"{self.name}/") for image in images]

    def uri(self, name: str) -> str:
        """Return the address of the image with the key `name`."""
        return path("images", self.key(name))

    def register(self, *names: str) -> list[dict[str, Any]]:
        """Return operations that register images."""
        return [{"op": "register", "s3_key": self.key(name)} for name in names]

    def on(self, name: str, op: str, **fields: Any) -> dict[str, Any]:
        """Return an operation on the image with the key `name`."""
        return {"op": op, "s3_key": self.key(name), **fields}

    def make_collection(self) -> str:
        """Make the test's own collection, and return the address of its images."""
        assert self.client.post("/api/collections", json={"name": self.name}).status == 201
        return path("collections", self.name, "images")


@pytest.fixture
def own(client: ValidatingClient) -> Own:
    return Own(client)


def send(client: ValidatingClient, operations: list[dict[str, Any]], **headers: str) -> list[dict[str, Any]]:
    answer = client.post(BATCH, json={"operations": operations}, headers=headers)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["results"]
    assert len(found) == len(operations)
    return found


def statuses(found: list[dict[str, Any]]) -> list[int]:
    return [each["status"] for each in found]


def codes(found: list[dict[str, Any]]) -> list[str | None]:
    return [each["problem"]["code"] if "problem" in each else None for each in found]


def test_operations_are_carried_out_in_their_order_as_requests_of_their_own(own: Own) -> None:
    own.make_collection()
    found = send(
        own.client,
        [
            own.on("a", "register", s3_bucket=BUCKET, title="first"),
            *own.register("b", "c", "d"),
            own.on("a", "change", title="second"),
            own.on("b", "change", reprocess=True),
            own.on("a", "add", collection=own.name),
            own.on("b", "add", collection=own.name),
            own.on("c", "add", collection=own.name, after=None),
            own.on("b", "remove", collection=own.name),
            own.on("d", "delete"),
        ],
    )
    assert statuses(found) == [201] * 4 + [200] * 5 + [204] * 2
    assert found[0]["image"]["title"] == "first"
    shown = own.client.get(own.uri("a"))
    assert (found[4]["image"], found[4]["etag"]) == (shown.json(), shown.headers["ETag"])
    assert found[9] == found[10] == {"status": 204}
    assert own.keys(path("collections", own.name, "images")) == ["c", "a"]
    assert sorted(own.keys()) == ["a", "b", "c"]


def test_what_is_refused_changes_nothing_and_keeps_no_other_from_being_carried_out(own: Own) -> None:
    send(own.client, own.register("a", "b"))
    tag = own.client.get(own.uri("a")).headers["ETag"]
    found = send(
        own.client,
        [
            *own.register("a"),
            own.on("none", "change", title="x"),
            own.on("a", "change", title=None),
            own.on("a", "change", title="nul\0"),
            own.on("a", "change", if_match='"stale"', title="x"),
            own.on("a", "change", if_match=tag, title="new"),
            {"op": "delete", "s3_key": "/"},
            own.on("b", "delete", if_match=None),
            own.on("a", "add", collection="none"),
            own.on("a", "remove", collection=own.name, extra=1),
            own.on("c", "register", s3_bucket="another"),
            own.on("a", "purge"),
            {"op": ["delete"], "s3_key": own.key("a")},
            {"s3_key": own.key("a")},
            *own.register("d"),
        ],
    )
    assert statuses(found) == [409, 404, 422, 422, 412, 200, 422, 422, 404, 422, 422, 422, 422, 422, 201]
    assert codes(found)[0] == "image-exists"
    assert codes(found)[10:14] == ["bucket-not-allowed", "invalid-fields", "invalid-fields", "invalid-fields"]
    pointers = [[fault["pointer"] for fault in each["problem"]["errors"]] for each in found if each["status"] == 422]
    assert pointers == [
        ["/title"], ["/title"], ["/s3_key"], ["/if_match"], ["/extra"], ["/s3_bucket"], ["/op"], ["/op"], ["/op"]
    ]  # fmt: skip
    problem = found[4]["problem"]
    assert (problem["status"], problem["instance"]) == (412, f"{BATCH}#/operations/4")
    assert sorted(own.keys()) == ["a", "b", "d"]
    assert own.client.get(own.uri("a")).json()["title"] == "new"


def test_if_match_of_the_request_is_of_no_operation(own: Own) -> None:
    send(own.client, own.register("a"))
    assert statuses(send(own.client, [own.on("a", "change", title="x")], **{"If-Match": '"stale"'})) == [200]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operations": []},
        {"operations": [{}] * 501},
        {"operations": {"0": {}}},
        {"operations": ["register"]},
        {"operations": [{"op": "register", "s3_key": "refused"}], "more": 1},
    ],
    ids=["nothing", "none", "too-many", "no-list", "no-object", "unknown"],
)
def test_what_is_no_list_of_operations_is_refused_as_a_whole(client: ValidatingClient, body: dict[str, Any]) -> None:
    refused = client.post(BATCH, json=body)
    assert (refused.status, refused.code) == (422, "invalid-fields")
    assert client.get("/api/images/refused").status == 404


def test_name_with_a_lone_surrogate_is_refused_at_every_depth(client: ValidatingClient) -> None:
    body = b'{"operations": [{"op": "register", "s3_key": "a", "\\ud800": 1}]}'
    refused = client.post(BATCH, body=body, headers={"Content-Type": "application/json"})
    assert (refused.status, refused.code) == (400, "malformed-body")


def test_batch_may_have_a_mebibyte(own: Own) -> None:
    texts = [own.on(f"{number}", "register", description="x" * 10_000) for number in range(103)]
    size = len(json.dumps({"operations": texts}))
    assert 1024**2 - 20_000 < size <= 1024**2
    assert statuses(send(own.client, texts)) == [201] * 103
    refused = own.client.post(BATCH, json={"operations": texts, "more": "x" * (1024**2 - size)})
    assert (refused.status, refused.code) == (413, "body-too-large")
    chunked = own.client.send(
        "POST",
        BATCH,
        body=b"".join(b"10000\r\n" + b"x" * 0x10000 + b"\r\n" for _ in range(17)) + b"0\r\n\r\n",
        headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json"},
    )
    assert (chunked.status, chunked.code) == (413, "body-too-large")


def test_image_called_batch_is_an_image(client: ValidatingClient) -> None:
    assert statuses(send(client, [{"op": "register", "s3_key": "batch"}])) == [201]
    assert client.get(BATCH).json()["s3_key"] == "batch"
    assert client.put(BATCH, json={"title": "x"}).status == 200
    assert client.send("OPTIONS", BATCH).headers["Allow"] == "DELETE, GET, HEAD, POST, PUT"
    assert client.delete(BATCH).status == 204


# --- scopes, limits and quotas ---


def test_each_operation_takes_its_own_scope(stack: WebStack, own: Own) -> None:
    uploader = with_key(stack, scopes=["upload"])
    before = len(stack.lines("catalog", "audit"))
    found = send(
        uploader,
        [*own.register("a"), own.on("a", "delete"), {"op": "change", "no": "fields"}, *own.register("b")],
    )
    assert statuses(found) == [201, 403, 403, 201]
    assert codes(found)[1] == "insufficient-scope"
    told = stack.lines("catalog", "audit")[before:]
    assert [line["target"]["operation"] for line in told] == ["DELETE /image", "PUT /image"]
    refused = uploader.post(path("collections", "none", "images"), json={"s3_keys": ["a"]})
    assert (refused.status, refused.code) == (403, "insufficient-scope")


def test_operations_count_for_the_limits_and_a_batch_beyond_them_changes_nothing(web_stack: WebStack) -> None:
    web_stack.start("auth", WRITES_A_MINUTE="10", WEB_PROCESSES="2")
    web_stack.start("catalog", IMAGES_PER_USER="4")
    web_stack.start("gateway")
    own = Own(web_stack.anna())
    target = own.make_collection()
    assert own.client.post(BATCH, json={"operations": own.register("a", "b", "c")}).status == 200
    refused = own.client.post(BATCH, json={"operations": own.register(*"defghijklmn")})
    assert (refused.status, refused.code) == (429, "rate-limited")
    assert "counts as 10" in refused.json()["detail"]  # beside the one by which it was let in
    answer = own.client.post(target, json={"s3_keys": [own.key("a"), own.key("b")]})
    assert statuses(answer.json()["results"]) == [200, 200]
    assert '"writes";r=3' in answer.headers["RateLimit"]
    assert own.client.post(BATCH, json={"operations": own.register("d", "e", "f", "g")}).status == 429
    assert sorted(own.keys()) == ["a", "b", "c"]
    # The quota is of images as well, and not of requests.
    found = send(own.client, own.register("d", "e"))
    assert statuses(found) == [201, 403]
    assert found[1]["problem"]["code"] == "quota-exceeded"
    assert found[1]["problem"]["use"] == 4


def test_audit_log_tells_of_what_was_deleted_once(stack: WebStack, own: Own) -> None:
    send(own.client, own.register("a", "b"))
    own.make_collection()
    operations = [
        own.on("b", "add", collection=own.name),
        own.on("b", "remove", collection=own.name),
        own.on("a", "delete"),
        own.on("none", "delete"),
    ]
    before = len(stack.lines("catalog", "audit"))
    key = new_key()
    assert statuses(send(own.client, operations, **key)) == [200, 204, 204, 404]
    assert statuses(send(own.client, operations, **key)) == [200, 204, 204, 404]
    told = [(line["action"], line["target"]["s3_key"]) for line in stack.lines("catalog", "audit")[before:]]
    assert told == [("membership.delete", own.key("b")), ("image.delete", own.key("a"))]


# --- repeated, cut off, too much ---


def test_repeat_under_the_same_key_does_nothing_twice_and_may_correct_what_was_refused(own: Own) -> None:
    key = new_key()
    first = send(own.client, [*own.register("a", "a", "b"), own.on("b", "delete")], **key)
    assert statuses(first) == [201, 409, 201, 204]
    again = send(own.client, [*own.register("a", "c", "b"), own.on("b", "delete")], **key)
    assert statuses(again) == [201, 201, 201, 204]
    assert [each.get("replayed") for each in again] == [True, None, True, True]
    assert again[0]["image"] == first[0]["image"]
    assert sorted(own.keys()) == ["a", "c"]
    other = send(own.client, own.register("z", "c"), **key)
    assert codes(other) == ["idempotency-key-reused", None]
    # Whoever makes a single one with the key has sent it for something else.
    assert own.client.post("/api/images", json={"s3_key": own.key("d")}, headers=key).status == 201


def test_malformed_idempotency_key_is_refused_as_a_whole(own: Own) -> None:
    refused = own.client.post(BATCH, json={"operations": own.register("a")}, headers={"Idempotency-Key": "a b"})
    assert (refused.status, refused.code) == (400, "malformed-idempotency-key")
    assert own.keys() == []


def test_batch_whose_answer_was_lost_goes_on_where_it_has_ended(
    web_stack: WebStack, catalog_database: Database[Any], tmp_path: Path
) -> None:
    url = catalog_database.engine.url.render_as_string(hide_password=False)
    web_stack.armed["catalog"] = tmp_path
    web_stack.start("auth")
    web_stack.start("catalog", DATABASE_URL=url)
    web_stack.start("gateway")
    own, key = Own(web_stack.anna()), new_key()
    (tmp_path / f"{checkpoints.COMMITTED}.die").touch()
    lost = own.client.post(BATCH, json={"operations": own.register("a", "b", "c")}, headers=key)
    assert (lost.status, lost.code) == (503, "outcome-unknown")
    assert own.keys() == ["a"]
    found = send(own.client, own.register("a", "b", "c"), **key)
    assert statuses(found) == [201] * 3
    assert [each.get("replayed") for each in found] == [True, None, None]
    assert sorted(own.keys()) == ["a", "b", "c"]


def token_for_catalog(client: ValidatingClient, stack: WebStack) -> str:
    asked = {"authorization": authorization(client.auth or ""), "source": "127.0.0.1", "audience": "catalog"}
    return str(requests.post(f"{stack.url('auth')}/tokens", json=asked, timeout=30).json()["token"])


def test_what_was_not_begun_in_time_says_so_and_is_not_there(stack: WebStack, own: Own) -> None:
    operations, key = own.register(*(f"{number}" for number in range(200))), new_key()
    times_s = (0.05 * 1.3**attempt for attempt in range(30))  # a little more each time: no machine is too fast or slow

    def send_with_little_time() -> list[dict[str, Any]] | None:
        time_s = f"{next(times_s):.3f}"
        headers = {"Authorization": f"Bearer {token_for_catalog(own.client, stack)}", deadlines.HEADER: time_s, **key}
        answer = requests.post(
            f"{stack.url('catalog')}/batch", json={"operations": operations}, headers=headers, timeout=30
        )
        found: list[dict[str, Any]] = [] if answer.status_code == 503 else answer.json()["results"]
        return found if statuses(found).count(201) else None  # else the time was over before the first one

    found = until(send_with_little_time, 60, "nothing is begun")
    done = statuses(found).count(201)
    assert set(statuses(found[:done])) == {201}
    assert set(codes(found[done + 1 :])) == {"not-begun"}  # that before may have been cut off
    assert done <= len(own.keys()) < 200

    def send_again() -> bool:
        again = send(own.client, operations, **key)
        assert all(each["replayed"] for each in again[:done])
        return set(statuses(again)) == {201}

    until(send_again, 120, "the batch does not end")
    assert len(own.keys()) == 200


def test_answer_of_four_mebibytes_ends_a_batch(own: Own) -> None:
    text = "\N{PILE OF POO}" * 10_000  # 40 KB, and 120 in the body of a request
    for number in range(0, 120, 8):
        names = [f"{each}" for each in range(number, number + 8)]
        assert statuses(send(own.client, [own.on(name, "register", description=text) for name in names])) == [201] * 8
    answer = own.client.post(
        BATCH, json={"operations": [own.on(f"{each}", "change", title="x") for each in range(120)]}
    )
    found = answer.json()["results"]
    assert len(answer.body) < 5 * 1024**2
    done = statuses(found).count(200)
    assert done < 120
    assert set(codes(found[done:])) == {"not-begun"}
    assert own.client.get(own.uri(f"{done}")).json()["title"] == ""


def test_many_batches_at_once_are_refused_but_for_some(stack: WebStack, own: Own) -> None:
    begin = Barrier(8)

    def carry_out(number: int) -> Answer:
        client = ValidatingClient(stack.url(), own.client.auth)
        operations = own.register(*(f"{number}/{each}" for each in range(100)))
        begin.wait()
        return client.post(BATCH, json={"operations": operations})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(carry_out, range(8)))
    done = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status != 200]
    assert done
    assert {(answer.status, answer.code) for answer in refused} == {(503, "service-unavailable")}
    registered = sum(statuses(answer.json()["results"]).count(201) for answer in done)
    found = [own.client.get(own.uri(f"{number}/0")).status for number in range(8)]
    assert found.count(200) == len(done)
    assert registered == 100 * len(done)


# --- several images into one collection ---


def test_list_of_images_is_put_into_a_collection(own: Own) -> None:
    target, key = own.make_collection(), new_key()
    send(own.client, own.register("a", "b", "c"))
    assert own.client.put(f"{target}/{own.key('c')}").status == 200
    asked = [own.key("b"), own.key("c"), own.key("none"), "/", own.key("a"), own.key("b")]
    found = own.client.post(target, json={"s3_keys": asked}, headers=key).json()["results"]
    assert statuses(found) == [200, 200, 404, 422, 200, 200]
    assert found[2]["problem"]["instance"] == f"{target}#/s3_keys/2"
    assert own.keys(target) == ["c", "b", "a"]
    again = own.client.post(target, json={"s3_keys": asked[:2]}, headers=key).json()["results"]
    assert [each["replayed"] for each in again] == [True, True]


def test_collection_that_is_not_there_is_404(client: ValidatingClient) -> None:
    refused = client.post(path("collections", "none", "images"), json={"s3_keys": ["a"]})
    assert (refused.status, refused.code) == (404, "collection-not-found")
