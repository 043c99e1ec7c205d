"""Clients that are silent, slow, many, or no HTTP: they hold nobody up, and get an answer where one is possible."""

import http.client
import json
import resource
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import BinaryIO

import pytest

from clients import Stack, ValidatingClient, authorization
from raw_http import CHUNKED, SOON_S, answer, ask, connect, connections, send_all_it_takes, took_s

MANY = 2100  # more than two web processes keep, of one source or of all


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process have more connections than usual."""
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(MANY + 1000, most), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))


@pytest.fixture
def url(stack: Stack) -> str:
    return stack["GATEWAY_URL"]


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("asks", [False, True], ids=["silent", "idle"])
def test_newcomers_are_served_although_others_hold_more_connections_than_there_are(url: str, *, asks: bool) -> None:
    with ExitStack() as opened:
        for _ in range(MANY):
            connection = opened.enter_context(connect(url))
            if asks:
                assert ask(connection) == 200
        assert max(took_s(url) for _ in range(5)) < SOON_S


def test_clients_that_ask_and_never_read_hold_nobody_up(url: str) -> None:
    with connections(url, 20) as many:
        for connection in many:
            send_all_it_takes(connection, b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        assert max(took_s(url) for _ in range(10)) < SOON_S


def test_body_in_very_many_chunks_holds_nobody_up(url: str) -> None:
    with connections(url, 20) as many:
        for connection in many:
            connection.sendall(CHUNKED)
            send_all_it_takes(connection, b"1\r\nx\r\n" * 20_000)
        assert max(took_s(url) for _ in range(10)) < SOON_S


@pytest.mark.parametrize("announced", [True, False])
def test_client_sees_the_refusal_of_a_body_that_it_is_still_sending(
    url: str, alice: ValidatingClient, *, announced: bool
) -> None:
    assert alice.auth is not None
    credentials = b"Authorization: " + authorization(alice.auth).encode()
    size = 5_000_000
    framing = b"Content-Length: %d" % size if announced else b"Transfer-Encoding: chunked"
    for authorized, status in ((True, 413), (False, 401)):
        with connect(url) as connection:
            head = [b"POST /api/images HTTP/1.1", b"Host: x", b"Content-Type: application/json", framing]
            head += [credentials] if authorized else []
            body = b"x" * size if announced else b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
            connection.sendall(b"\r\n".join([*head, b"", body]))
            assert answer(connection)[0] == status


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET x?y=:// HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET ftp://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_http_does_not_allow_is_400(url: str, request_: bytes) -> None:
    with connect(url) as connection:
        connection.sendall(request_)
        status, body = answer(connection)
        assert (status, json.loads(body)["code"]) == (400, "malformed-request")


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        (b"GET /healthz HTTP/1.2\r\nHost: x\r\n\r\n", 11),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 10),
        (b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 11),
    ],
)
def test_every_version_of_http_1_is_answered(url: str, request_: bytes, version: int) -> None:
    with connect(url) as connection:
        connection.sendall(request_)
        with closing(http.client.HTTPResponse(connection)) as response:
            response.begin()
            assert (response.status, response.version) == (200, version)


def next_answer(received: BinaryIO) -> tuple[str, int]:
    """Read one answer of several; return its request id and status."""
    status = int(received.readline().split()[1])
    headers = http.client.parse_headers(received)
    received.read(int(headers["Content-Length"]))
    return headers["X-Request-ID"], status


@pytest.mark.parametrize("pieces", [1, 3, None])
def test_pipelined_requests_are_answered_in_their_order(url: str, pieces: int | None) -> None:
    asked = {b"/api/c/no-such": 404, b"/healthz": 200, b"/api/images": 401, b"/api/i/no/such?x=1": 404, b"/x": 404}
    sent = b"".join(
        b"GET %s HTTP/1.1\r\nHost: x\r\nX-Request-ID: r%d\r\n\r\n" % (target, number)
        for number, target in enumerate(asked)
    )
    size = -(-len(sent) // pieces) if pieces else 1
    with connect(url) as connection, connection.makefile("rb") as received:
        for start in range(0, len(sent), size):
            connection.sendall(sent[start : start + size])
        answers = [next_answer(received) for _ in asked]
    assert answers == [(f"r{number}", status) for number, status in enumerate(asked.values())]
