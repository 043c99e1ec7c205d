"""Limits on connections and times, made small: who is over them gives way, and nobody else waits."""

import http.client
import json
import socket
import time
from contextlib import ExitStack

import pytest

from clients import authorization
from deadlines import until
from raw_http import CHUNKED, GET, SOON_S, answer, ask, connect, connections, took_s
from web_stack import WebStack


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


@pytest.mark.parametrize("sent", [b"", GET, b"GET /healthz HTTP/1.1\r\nHost:"], ids=["nothing", "request", "half"])
def test_newcomers_are_served_although_others_hold_more_connections_than_there_are(
    web_stack: WebStack, sent: bytes
) -> None:
    web_stack.start("gateway", 0, CONNECTIONS="50", CONNECTIONS_PER_SOURCE="1000")
    with connections(web_stack.url(), 300) as silent:
        for connection in silent:
            connection.sendall(sent)
        assert took_s(web_stack.url()) < SOON_S
        until(lambda: sum(map(is_open, silent)) <= 50, 5, "more connections than there may be")


def test_connection_that_was_silent_longest_gives_way(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, CONNECTIONS="10", CONNECTIONS_PER_SOURCE="10")
    with connections(web_stack.url(), 10) as kept:
        for connection in reversed(kept):
            assert ask(connection) == 200
        with connections(web_stack.url(), 4) as newcomers:
            assert [ask(connection) for connection in newcomers] == [200] * 4
            assert [is_open(connection) for connection in kept] == [True] * 6 + [False] * 4


def test_one_source_takes_no_connection_from_others(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, CONNECTIONS="100", CONNECTIONS_PER_SOURCE="10")
    with connect(web_stack.url(), "127.0.0.2") as other, connections(web_stack.url(), 50) as greedy:
        assert ask(other) == 200
        until(lambda: sum(map(is_open, greedy)) <= 10, 5, "more connections than one source may have")


def test_behind_a_trusted_proxy_all_connections_may_come_from_its_address(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, CONNECTIONS="100", CONNECTIONS_PER_SOURCE="10", TRUSTED_PROXIES="1")
    with connections(web_stack.url(), 50) as all_of_them:
        assert [ask(connection) for connection in all_of_them] == [200] * 50
        assert all(map(is_open, all_of_them))


def test_client_that_sends_nothing_is_left_without_an_answer(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, HEAD_TIMEOUT_S="0.5")
    with connect(web_stack.url()) as connection:
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - began < 0.5 + SOON_S


def test_head_that_does_not_arrive_in_time_is_408_however_it_drips(web_stack: WebStack) -> None:
    web_stack.start("gateway", 0, HEAD_TIMEOUT_S="0.5")
    for pause_s in (10.0, 0.1):
        with connect(web_stack.url()) as connection:
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
    with connect(web_stack.url()) as connection:
        assert ask(connection) == 200
        assert ask(connection) == 200
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert 0.4 < time.monotonic() - began < 0.5 + SOON_S


def test_body_that_never_ends_is_refused_in_the_end(web_stack: WebStack) -> None:
    web_stack.start("auth")
    web_stack.start("gateway", 0, BODY_TIMEOUT_S="0.5")
    head = b"POST /api/images HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    with connect(web_stack.url()) as connection:
        connection.sendall(head + anna(web_stack) + b"\r\n\r\n{")
        status, body = answer(connection)
        assert (status, json.loads(body)["code"]) == (408, "request-timeout")


def test_body_in_too_many_chunks_is_refused(web_stack: WebStack) -> None:
    web_stack.start("auth")
    web_stack.start("gateway")
    head = CHUNKED.replace(b"Host: x", b"Host: x\r\nContent-Type: application/json\r\n" + anna(web_stack))
    with connect(web_stack.url()) as connection:
        connection.sendall(head + b"1\r\n \r\n" * 2_000 + b"0\r\n\r\n")
        status, body = answer(connection)
        assert (status, json.loads(body)["code"]) == (400, "malformed-body")


@pytest.mark.parametrize(("chunks", "stays"), [(3, True), (100, False)])
def test_few_chunks_are_read_of_a_body_that_nobody_wants(web_stack: WebStack, chunks: int, *, stays: bool) -> None:
    web_stack.start("auth")
    web_stack.start("gateway")
    with connect(web_stack.url()) as connection:
        connection.sendall(CHUNKED + b"1\r\n \r\n" * chunks + b"0\r\n\r\n")
        assert answer(connection)[0] == 401
        if stays:
            assert ask(connection) == 200
        else:
            assert connection.recv(1) == b""


@pytest.mark.parametrize(("rest", "closes"), [(64 * 1024, False), (1024**2, True)])
def test_client_is_told_of_the_close_if_the_rest_of_its_body_is_too_long_to_be_read(
    web_stack: WebStack, rest: int, *, closes: bool
) -> None:
    """Else it may send its next request before it notices, and gets no answer to it."""
    web_stack.start("auth")
    web_stack.start("gateway")
    with connect(web_stack.url()) as connection:
        length = str(rest).encode()
        connection.sendall(b"POST /api/images HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n")
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == http.client.UNAUTHORIZED
        assert (response.headers["Connection"] == "close") is closes
        response.read()
        if not closes:
            connection.sendall(b"x" * rest)
            assert ask(connection) == http.client.OK


def test_requests_that_come_by_the_hundred_delay_no_health_check(web_stack: WebStack) -> None:
    web_stack.start("gateway")
    with ExitStack() as opened:
        burst = [
            connection
            for n in range(4)
            for connection in opened.enter_context(connections(web_stack.url(), 150, f"127.0.0.{n + 2}"))
        ]
        for connection in burst:
            connection.sendall(b"GET /api/docs HTTP/1.1\r\nHost: x\r\n\r\n")
        assert took_s(web_stack.url()) < SOON_S
        statuses = [answer(connection)[0] for connection in burst]
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= 90  # so many may wait for their turn


def anna(web_stack: WebStack) -> bytes:
    auth = web_stack.anna().auth
    assert auth is not None
    return b"Authorization: " + authorization(auth).encode()


def test_ending_gateway_answers_on_a_kept_connection_and_does_not_wait_for_idle_ones(web_stack: WebStack) -> None:
    web_stack.start("gateway")
    ending = web_stack.processes["gateway"]
    with connections(web_stack.url(), 10) as idle:
        assert [ask(connection) for connection in idle] == [200] * 10
        ending.terminate()
        time.sleep(1.2)
        assert ask(idle[0]) == 200
        assert ending.wait(10) == 0
    web_stack.processes.pop("gateway")
