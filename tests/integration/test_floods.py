"""More requests than can be answered, and more passwords than can be hashed: who has a key does not wait for them."""

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import BinaryIO

import pytest

from bad_services import Service, silent
from clients import ValidatingClient, authorization
from deadlines import until
from web_stack import ANNA, WebStack

GUESSERS = 40
SOON_S = 3.0  # a tenth is usual, but the machine may have other work


def get(
    web_stack: WebStack, target: str, credentials: str, source: str, times: int = 1
) -> list[tuple[int, dict[str, str], float]]:
    """Send GET `times` on one connection from `source`; return status, headers and seconds of each answer."""
    answers = []
    address = ("127.0.0.1", web_stack.ports["gateway"])
    with closing(http.client.HTTPConnection(*address, timeout=30, source_address=(source, 0))) as connection:
        for _ in range(times):
            began = time.monotonic()
            connection.request("GET", target, headers={"Authorization": credentials} if credentials else {})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == 503:
                problem = json.loads(body)
                assert problem["code"] == "service-unavailable"
                assert problem["instance"] == target
                assert problem["request_id"] == answer.headers["X-Request-ID"]
                assert int(answer.headers["Retry-After"]) > 0
            answers.append((answer.status, dict(answer.headers), time.monotonic() - began))
    return answers


@contextmanager
def guessing(web_stack: WebStack) -> Iterator[list[int]]:
    """Have many connections from a few addresses guess passwords of ever new usernames; yield their statuses."""
    statuses: list[int] = []
    end = threading.Event()

    def guess(number: int) -> None:
        count = 0
        while not end.is_set():
            count += 1
            text = base64.b64encode(f"user{number}-{count}:a guess".encode()).decode()
            [(status, _, _)] = get(web_stack, "/api/collections", f"Basic {text}", f"127.0.1.{1 + number % 8}")
            statuses.append(status)

    with ThreadPoolExecutor(GUESSERS) as pool:
        for number in range(GUESSERS):
            pool.submit(guess, number)
        try:
            yield statuses
        finally:
            end.set()


def test_guesses_hold_up_neither_keys_nor_right_passwords(web_stack: WebStack) -> None:
    web_stack.start_all()
    key = f"Bearer {web_stack.anna().post('/api/api-keys', json={}).json()['key']}"
    right = authorization(ANNA)  # remembered for the address from which the key was made
    with guessing(web_stack) as statuses:
        until(lambda: statuses.count(503) > 50 and statuses.count(401) > 20, 60, "nothing is refused")
        for credentials, source in ((key, "127.0.1.1"), (right, "127.0.0.1"), (right, "127.0.9.1")):
            for status, _, took_s in get(web_stack, "/api/collections", credentials, source, times=10):
                assert status == 200
                assert took_s < 3
    assert set(statuses) <= {401, 429, 503}


def test_request_beyond_what_the_services_can_answer_is_refused_at_once(web_stack: WebStack) -> None:
    with Service(silent) as catalog:
        web_stack.start("auth")
        web_stack.start("gateway", 0, CALLS="4", REQUESTS_IN_PROGRESS="8", DEADLINE_S="20", CATALOG_URL=catalog.url)
        with ThreadPoolExecutor(4) as pool:
            hanging = [pool.submit(get, web_stack, f"/api/c/x{number}", "", "127.0.0.1") for number in range(4)]
            until(lambda: catalog.asked == 4, 10, "catalog is not asked")
            # The first refusal is the application's, the later ones on the connection come from the door itself.
            for status, headers, took_s in get(web_stack, "/api/c/x", "", "127.0.0.1", times=5):
                assert status == 503
                assert headers["Access-Control-Allow-Origin"] == "*"
                assert headers["Content-Security-Policy"].startswith("default-src 'none';")
                assert took_s < SOON_S
            # What does not need catalog is answered all the same.
            assert get(web_stack, "/api/api-keys", authorization(ANNA), "127.0.0.1")[0][0] == 200
            assert get(web_stack, "/healthz", "", "127.0.0.1")[0][0] == 200
            web_stack.stop("gateway")  # the others would wait for their deadline
            assert all(each.exception() for each in hanging)


def test_refused_client_is_answered_again_when_there_is_less_to_do(web_stack: WebStack) -> None:
    """Also on its connection, where refusals come from the door itself."""
    with Service(silent) as catalog:
        web_stack.start("auth")
        web_stack.start("catalog")
        web_stack.start("gateway", 0, CALLS="1", REQUESTS_IN_PROGRESS="1", DEADLINE_S="2", CATALOG_URL=catalog.url)
        address = ("127.0.0.1", web_stack.ports["gateway"])
        with ThreadPoolExecutor(1) as pool, closing(http.client.HTTPConnection(*address, timeout=30)) as connection:
            hanging = pool.submit(get, web_stack, "/api/c/x", "", "127.0.0.1")
            until(lambda: catalog.asked == 1, 10, "catalog is not asked")
            for method, target, expected in (
                ("GET", "/api/c/x", 503),
                ("GET", "/api/c/x", 503),
                ("HEAD", "/api/c/x", 503),
                ("GET", "/healthz", 200),
                ("GET", "/api/c/x?a=b", 503),
                ("GET", "/api/docs", 200),
            ):
                connection.request(method, target)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == expected
            assert hanging.result()[0][0] == 503
            connection.request("GET", "/api/api-keys", headers={"Authorization": authorization(ANNA)})
            assert connection.getresponse().status == 200


@pytest.mark.parametrize("password", [ANNA[1], "wrong"])
def test_twenty_clients_with_one_password_need_one_check(web_stack: WebStack, password: str) -> None:
    web_stack.start_all()

    def ask(_: int) -> int:
        return ValidatingClient(web_stack.url(), (ANNA[0], password)).get("/api/collections").status

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(ask, range(20)))
    if password == ANNA[1]:
        assert statuses == [200] * 20
    else:
        assert set(statuses) <= {401, 429, 503}
        assert 401 in statuses


def next_answer(received: BinaryIO) -> tuple[str, int]:
    """Read one answer of several; return its request id and status."""
    status = int(received.readline().split()[1])
    headers = http.client.parse_headers(received)
    received.read(int(headers["Content-Length"]))
    return headers["X-Request-ID"], status


def test_pipelined_requests_after_a_refusal_are_answered_in_their_order(web_stack: WebStack) -> None:
    """The door reads past the HTTP parser after a refusal, but never past what the parser has read already."""
    with Service(silent) as catalog:
        web_stack.start("auth")
        web_stack.start("gateway", 0, CALLS="1", REQUESTS_IN_PROGRESS="1", CATALOG_URL=catalog.url)
        address = ("127.0.0.1", web_stack.ports["gateway"])
        with ExitStack() as opened:
            hanging = opened.enter_context(socket.create_connection(address))
            connection = opened.enter_context(socket.create_connection(address, timeout=10))
            hanging.sendall(b"GET /api/c/x HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: catalog.asked == 1, 10, "catalog is not asked")
            requests = [
                *[b"GET /api/c/x", b"GET /healthz", b"GET /api/c/x", b"GET /api/c/x", b"GET /healthz", b"GET /nothing"]
            ]
            sent = b"".join(
                request + b" HTTP/1.1\r\nHost: x\r\nX-Request-ID: r%d\r\n\r\n" % number
                for number, request in enumerate(requests)
            )
            received = opened.enter_context(connection.makefile("rb"))
            for pieces in (1, 3, len(sent)):
                size = -(-len(sent) // pieces)
                for start in range(0, len(sent), size):
                    connection.sendall(sent[start : start + size])
                answers = [next_answer(received) for _ in requests]
                statuses = [503, 200, 503, 503, 200, 404]
                assert answers == [(f"r{number}", status) for number, status in enumerate(statuses)]


def healthy(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


@pytest.mark.parametrize(("behave", "most_asked"), [(silent, 10), (healthy, 20)])
def test_readiness_takes_no_place_of_requests_and_asks_the_services_seldom(
    web_stack: WebStack, behave: Callable[[socket.socket], None], most_asked: int
) -> None:
    with Service(behave) as catalog:
        web_stack.start("auth")
        web_stack.start("gateway", 0, CALLS="1", REQUESTS_IN_PROGRESS="1", CATALOG_URL=catalog.url)
        with ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(get, web_stack, "/readyz", "", "127.0.0.1", 5) for _ in range(20)]
            for _ in range(5):
                assert get(web_stack, "/api/api-keys", authorization(ANNA), "127.0.0.1")[0][0] == 200
            assert {status for each in asked for status, _, _ in each.result()} == {200}
        assert catalog.asked <= most_asked
