"""Refusals: always of the same form, checked in the same order, with the id of the request."""

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from clients import FORM, JSON, Stack, ValidatingClient, path

BIG = b'{"title": "' + b"x" * 70_000 + b'"}'


def test_a_problem_tells_what_where_and_which_request(alice: ValidatingClient) -> None:
    answer = alice.get("/api/images/no/such%20image", headers={"X-Request-ID": "my.own_id-1"})
    assert answer.headers.get_content_type() == "application/problem+json"
    problem = answer.json()
    assert problem["instance"] == "/api/images/no/such%20image"
    assert (problem["status"], problem["code"], problem["request_id"]) == (404, "image-not-found", "my.own_id-1")


@pytest.mark.parametrize("request_id", ["a", "A-Z.a_z-9", "x" * 128])
def test_a_clients_own_request_id_comes_back(anyone: ValidatingClient, request_id: str) -> None:
    for target in ("/healthz", "/api/i/no/such", "/api/images", "/nothing"):
        assert anyone.get(target, headers={"X-Request-ID": request_id}).headers["X-Request-ID"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a/b", "ä", "<script>", "a,b"])
def test_an_unacceptable_request_id_is_replaced(anyone: ValidatingClient, request_id: str) -> None:
    answers = [anyone.get("/api/i/no/such", headers={"X-Request-ID": request_id}) for _ in range(2)]
    given = [answer.headers["X-Request-ID"] for answer in answers]
    assert request_id not in given
    assert given[0] != given[1]


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("POST", "/api/images/x", {"GET", "HEAD", "PUT", "DELETE"}),
        ("PUT", "/api/images", {"GET", "HEAD", "POST"}),
        ("PATCH", "/api/images/x", {"GET", "HEAD", "PUT", "DELETE"}),
        ("PATCH", "/api/collections/x", {"GET", "HEAD", "PUT", "DELETE"}),
        ("PUT", "/api/collections/x/images", {"GET", "HEAD", "POST"}),
        ("POST", "/api/collections/x/images/y", {"GET", "HEAD", "PUT", "DELETE"}),
        ("POST", "/api/signed-post", {"GET", "HEAD"}),
        ("DELETE", "/api/users/x", {"GET", "HEAD", "PUT"}),
        ("DELETE", "/healthz", {"GET", "HEAD"}),
        ("POST", "/api/openapi.json", {"GET", "HEAD", "OPTIONS"}),
        ("PROPFIND", "/api/images", {"GET", "HEAD", "POST"}),
    ],
)
def test_a_method_that_a_route_has_not_is_405_with_allow(
    anyone: ValidatingClient, method: str, target: str, allowed: set[str]
) -> None:
    answer = anyone.send(method, target)
    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_checks_come_in_their_order(
    alice: ValidatingClient, anyone: ValidatingClient, ready_image: dict[str, Any], bucket: str
) -> None:
    """Each request has the expected fault and all faults that are checked later."""
    image, taken = ready_image["uri"], {"s3_key": ready_image["s3_key"], "s3_bucket": bucket}
    big_text: dict[str, Any] = {"body": BIG, "headers": {"Content-Type": "text/plain", "If-Match": '"stale"'}}
    assert anyone.send("BREW", "/api/nothing", **big_text).status == 404
    assert anyone.send("BREW", image, **big_text).status == 405
    assert anyone.put(image, **big_text).status == 401
    assert alice.put(image, **big_text).status == 413
    assert alice.put(image, body=b"{", headers={"Content-Type": "text/plain"}).status == 415
    assert alice.put("/api/images/no/such", body=b"{", headers={"Content-Type": JSON}).status == 400
    assert alice.put("/api/images/no/such", json={"title": 1}, headers={"If-Match": '"stale"'}).status == 422
    assert alice.put("/api/images/no/such", json={}, headers={"If-Match": '"stale"'}).status == 404
    assert alice.post("/api/images", json=taken | {"title": None}).status == 422
    assert alice.post("/api/images", json=taken).status == 409
    assert alice.put(image, json={}, headers={"If-Match": '"stale"'}).status == 412
    assert alice.get("/api/collections/no-such?limit=0").status == 422
    unknown = f"{image}?x=1"
    assert anyone.put(unknown, body=b"{").status == 401
    assert alice.put(unknown, **big_text).status == 413
    assert alice.put(unknown, body=b"{", headers={"Content-Type": "text/plain"}).status == 415
    assert alice.put(unknown, body=b"{", headers={"Content-Type": JSON}).status == 400
    assert alice.put(unknown, json={}, headers={"If-Match": '"stale"'}).status == 422
    assert alice.get("/api/collections/no-such?x=1").status == 422


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refused_request_changed_nothing(alice: ValidatingClient, ready_image: dict[str, Any], status: int) -> None:
    broken: dict[int, dict[str, Any]] = {
        400: {"body": b'{"title": "x"', "headers": {"Content-Type": JSON}},
        413: {"body": BIG, "headers": {"Content-Type": JSON}},
        415: {"body": b"title=x", "headers": {"Content-Type": "text/plain"}},
        422: {"body": b"title=x&reprocess=perhaps", "headers": {"Content-Type": FORM}},
    }
    answer = alice.put(ready_image["uri"], **broken[status])
    assert answer.status == status
    assert alice.get(ready_image["uri"]).json() == ready_image


@pytest.mark.parametrize("host", ["elsewhere.example", "", "a b", "127.0.0.1:1", "x" * 300])
def test_no_answer_is_built_from_the_host_header(
    alice: ValidatingClient, ready_image: dict[str, Any], host: str
) -> None:
    answer = alice.get(ready_image["uri"], headers={"Host": host})
    assert answer.json() == ready_image


def test_private_answers_are_kept_by_nobody(alice: ValidatingClient, ready_image: dict[str, Any]) -> None:
    for target in (ready_image["uri"], "/api/images?limit=1", "/api/images/no/such", path("users", "no-such")):
        assert alice.get(target).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        (f"/api/i/{'x' * 9000}", {}, 414, "uri-too-long"),
        ("/api/images", {"X-Long": "x" * 9000}, 431, "request-header-fields-too-large"),
        ("/api/images", {"Content-Length": "many"}, 400, "malformed-request"),
        ("/api/images", {"Content-Length": "5", "Transfer-Encoding": "chunked"}, 400, "malformed-request"),
        ("/api/images", {"Transfer-Encoding": "martian"}, 501, "not-implemented"),
        ("/api/images", {"Expect": "miracles"}, 417, "expectation-failed"),
    ],
    ids=["long path", "long header", "length", "length and chunks", "transfer coding", "expectation"],
)
def test_what_cannot_be_read_is_a_problem_too(
    stack: Stack, target: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = ValidatingClient(stack["GATEWAY_URL"]).get(target, headers=headers)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Connection"] == "close"


def test_a_refused_body_is_not_read_to_its_end(stack: Stack) -> None:
    address = urlsplit(stack["GATEWAY_URL"])
    with socket.create_connection((str(address.hostname), address.port), timeout=10) as connection:
        connection.sendall(b"PUT /api/images/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 401"
        with pytest.raises(ConnectionError):
            connection.sendall(bytes(100_000_000))


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(alice: ValidatingClient) -> None:
    answer = alice.post("/api/images", headers={"Content-Type": JSON, "Content-Length": "1000000000"})
    assert (answer.status, answer.code) == (413, "body-too-large")
    alice.close()


@pytest.mark.parametrize(
    ("target", "status"),
    [(f"/api/images/{'!' * 4000}", 404), (f"/api/i/{'!' * 4000}", 404), (f"/api/images?cursor={'!' * 4000}", 422)],
    ids=["key", "public key", "cursor"],
)
def test_what_grows_on_its_way_through_is_no_503(alice: ValidatingClient, target: str, status: int) -> None:
    """Between the services each `!` becomes three bytes."""
    assert alice.get(target).status == status


def test_header_that_begins_with_a_space_of_unicode_is_no_503(anyone: ValidatingClient) -> None:
    assert anyone.get("/api/i/no/such", headers={"If-None-Match": "\xa0x"}).status == 404


def test_headers_that_are_too_long_together_are_431(stack: Stack) -> None:
    many = {"Authorization": f"Basic {'A' * 8000}", "X-One": "x" * 8000, "X-Two": "x" * 8000}
    answer = ValidatingClient(stack["GATEWAY_URL"]).get("/api/images", headers=many)
    assert (answer.status, answer.code) == (431, "request-header-fields-too-large")


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "X-Forwarded-Proto", "X-Forwarded-Ssl"])
def test_no_header_says_how_a_request_is_read(anyone: ValidatingClient, name: str) -> None:
    for value in ("/api", "https", "on"):
        answer = anyone.get("/healthz", headers={name: value, "X-Forwarded-Protocol": "ssl"})
        assert answer.status == 200
