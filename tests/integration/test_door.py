"""Clients that are silent, slow, many, or no HTTP: they hold nobody up, and get an answer where one is possible."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from clients import authorization
from deadlines import until
from web_stack import WebStack

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
SOON_S = 3.0  # a tenth is usual, but the machine may have other work


def connect(web_stack: WebStack, source: str = "127.0.0.1") -> socket.socket:
    address = ("127.0.0.1", web_stack.ports["gateway"])
    return socket.create_connection(address, timeout=20, source_address=(source, 0))


@contextmanager
def connections(web_stack: WebStack, count: int, source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        yield [opened.enter_context(connect(web_stack, source)) for _ in range(count)]


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer; fails if there is none."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def ask(connection: socket.socket) -> int:
    connection.sendall(GET)
    return answer(connection)[0]


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        connection.setblocking(True)
    return False


def took_s(web_stack: WebStack) -> float:
    """Return how long a newcomer waits for an answer."""
    began = time.monotonic()
    with connect(web_stack) as connection:
        assert ask(connection) == 200
    return time.monotonic() - began


@pytest.mark.parametrize("sent", [b"", GET, b"GET /healthz HTTP/1.1\r\nHost:"], ids=["nothing", "request", "half"])
def test_newcomers_are_served_although_others_hold_more_connections_than_there_are(
    web_stack: WebStack, sent: bytes
) -> None:
    web_stack.start("gateway", 0, CONNECTIONS="50", CONNECTIONS_PER_SOURCE="1000")
    with connections(web_stack, 300) as silent:
        for connection in silent:
            connection.sendall(sent)
        assert took_s(web_stack) < SOON_S
        until(lambda: sum(map(is_open, silent)) <= 50, 5, "more connections than there may be")


def test_connection_that_was_silent_longest_gives_way(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, CONNECTIONS="10", CONNECTIONS_PER_SOURCE="10")
    with connections(web_stack, 10) as kept:
        for connection in reversed(kept):
            assert ask(connection) == 200
        with connections(web_stack, 4) as newcomers:
            assert [ask(connection) for connection in newcomers] == [200] * 4
            assert [is_open(connection) for connection in kept] == [True] * 6 + [False] * 4


def test_one_source_takes_no_connection_from_others(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, CONNECTIONS="100", CONNECTIONS_PER_SOURCE="10")
    with connect(web_stack, "127.0.0.2") as other, connections(web_stack, 50) as greedy:
        assert ask(other) == 200
        until(lambda: sum(map(is_open, greedy)) <= 10, 5, "more connections than one source may have")


def test_behind_a_trusted_proxy_all_connections_may_come_from_its_address(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, CONNECTIONS="100", CONNECTIONS_PER_SOURCE="10", TRUSTED_PROXIES="1")
    with connections(web_stack, 50) as all_of_them:
        assert [ask(connection) for connection in all_of_them] == [200] * 50
        assert all(map(is_open, all_of_them))


def test_client_that_sends_nothing_is_left_without_an_answer(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, HEAD_TIMEOUT_S="0.5")
    with connect(web_stack) as connection:
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - began < 0.5 + SOON_S


def test_head_that_does_not_arrive_in_time_is_408_however_it_drips(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, HEAD_TIMEOUT_S="0.5")
    for pause_s in (10.0, 0.1):
        with connect(web_stack) as connection:
            connection.settimeout(pause_s)
            began = time.monotonic()
            for byte in b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 100:
                connection.sendall(bytes([byte]))
                try:
                    head = connection.recv(4096, socket.MSG_PEEK)
                    break
                except TimeoutError:
                    pass
            assert head.startswith(b"HTTP/1.1 408 ")
            assert time.monotonic() - began < 0.5 + SOON_S
            assert json.loads(answer(connection)[1])["code"] == "request-timeout"


def test_idle_connection_is_closed_after_a_time(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, IDLE_TIMEOUT_S="0.5", HEAD_TIMEOUT_S="5")
    with connect(web_stack) as connection:
        assert ask(connection) == 200
        assert ask(connection) == 200
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert 0.4 < time.monotonic() - began < 0.5 + SOON_S


CHUNKED = b"POST /api/images HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_body_in_very_many_chunks_holds_nobody_up(web_stack: WebStack) -> None:
    web_stack.start("auth")
    web_stack.start("gateway")
    with connections(web_stack, 20) as many:
        for connection in many:
            connection.sendall(CHUNKED)
            connection.setblocking(False)
            try:
                while connection.send(b"1\r\nx\r\n" * 20_000):
                    pass
            except OSError:  # the buffers are full, or the gateway has hung up
                pass
        assert max(took_s(web_stack) for _ in range(10)) < SOON_S


def test_body_in_too_many_chunks_is_refused(web_stack: WebStack) -> None:
    web_stack.start("auth")
    web_stack.start("gateway")
    head = CHUNKED.replace(b"Host: x", b"Host: x\r\nContent-Type: application/json\r\n" + anna(web_stack))
    with connect(web_stack) as connection:
        connection.sendall(head + b"1\r\n \r\n" * 2_000 + b"0\r\n\r\n")
        status, body = answer(connection)
        assert (status, json.loads(body)["code"]) == (400, "malformed-body")


@pytest.mark.parametrize(("chunks", "stays"), [(3, True), (100, False)])
def test_few_chunks_are_read_of_a_body_that_nobody_wants(web_stack: WebStack, chunks: int, *, stays: bool) -> None:
    web_stack.start("auth")
    web_stack.start("gateway")
    with connect(web_stack) as connection:
        connection.sendall(CHUNKED + b"1\r\n \r\n" * chunks + b"0\r\n\r\n")
        assert answer(connection)[0] == 401
        if stays:
            assert ask(connection) == 200
        else:
            assert connection.recv(1) == b""


def test_requests_that_come_by_the_hundred_delay_no_health_check(web_stack: WebStack) -> None:
    web_stack.start("gateway")
    with ExitStack() as opened:
        burst = [
            opened.enter_context(connection)
            for n in range(4)
            for connection in opened.enter_context(connections(web_stack, 150, f"127.0.0.{n + 2}"))
        ]
        for connection in burst:
            connection.sendall(b"GET /api/docs HTTP/1.1\r\nHost: x\r\n\r\n")
        assert took_s(web_stack) < SOON_S
        statuses = [answer(connection)[0] for connection in burst]
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 250  # so many may wait for their turn


def anna(web_stack: WebStack) -> bytes:
    auth = web_stack.anna().auth
    assert auth is not None
    return b"Authorization: " + authorization(auth).encode()


@pytest.mark.parametrize("announced", [True, False])
def test_client_sees_the_refusal_of_a_body_that_it_is_still_sending(web_stack: WebStack, *, announced: bool) -> None:
    web_stack.start("auth")
    web_stack.start("gateway")
    size = 5_000_000
    framing = b"Content-Length: %d" % size if announced else b"Transfer-Encoding: chunked"
    for authorized, status in ((True, 413), (False, 401)):
        with connect(web_stack) as connection:
            head = [b"POST /api/images HTTP/1.1", b"Host: x", b"Content-Type: application/json", framing]
            head += [anna(web_stack)] if authorized else []
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
def test_what_http_does_not_allow_is_400(web_stack: WebStack, request_: bytes) -> None:
    web_stack.start("gateway")
    with connect(web_stack) as connection:
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
def test_every_version_of_http_1_is_answered(web_stack: WebStack, request_: bytes, version: int) -> None:
    web_stack.start("gateway")
    with connect(web_stack) as connection:
        connection.sendall(request_)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert (response.status, response.version) == (200, version)
        response.read()


def test_ending_gateway_answers_on_a_kept_connection_and_does_not_wait_for_idle_ones(web_stack: WebStack) -> None:
    web_stack.start("gateway")
    ending = web_stack.processes["gateway"]
    with connections(web_stack, 10) as idle:
        assert [ask(connection) for connection in idle] == [200] * 10
        ending.terminate()
        time.sleep(1.2)
        assert ask(idle[0]) == 200
        assert ending.wait(10) == 0
    web_stack.processes.pop("gateway")
