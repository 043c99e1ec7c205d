"""Clients that send half a request, and then nothing, delay no other client."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from clients import Stack, ValidatingClient, authorization

MANY = 200


@pytest.fixture
def hanging(stack: Stack, alice: ValidatingClient) -> Iterator[None]:
    """Connections with a request whose head or body never ends."""
    address = urlsplit(stack["GATEWAY_URL"])
    assert alice.auth is not None
    head = f"POST /api/images HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization(alice.auth)}\r\n"
    halves = [head, head + 'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"s3_key": "']
    with ExitStack() as opened:
        for number in range(MANY):
            connection = socket.create_connection((address.hostname, address.port), timeout=10)
            opened.enter_context(connection)
            connection.sendall(halves[number % 2].encode())
            time.sleep(0.01)  # slow clients are to be tried here, not a flood
        yield


@pytest.mark.usefixtures("hanging")
def test_half_sent_requests_hold_nobody_up(anyone: ValidatingClient, alice: ValidatingClient) -> None:
    anyone.close()
    alice.close()
    for _ in range(5):
        began = time.monotonic()
        assert anyone.get("/healthz").status == 200
        assert anyone.get("/api/i/no-such-image").status == 404
        assert alice.get("/api/collections?limit=1").status == 200
        assert time.monotonic() - began < 5
