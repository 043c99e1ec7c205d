"""Clients that write HTTP byte for byte on connections of their own, as neither browsers nor libraries would."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /api/images HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
SOON_S = 3.0  # a tenth is usual, but the machine may have other work


def connect(url: str, source: str = "") -> socket.socket:
    """Return a connection to the server at `url`, from the address `source` if one is given."""
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=20, source_address=(source, 0))


@contextmanager
def connections(url: str, count: int, source: str = "") -> Iterator[list[socket.socket]]:
    """Keep `count` connections to the server at `url` during the block."""
    with ExitStack() as opened:
        yield [opened.enter_context(connect(url, source)) for _ in range(count)]


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer and return its status and body; fails if there is none."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def ask(connection: socket.socket) -> int:
    """Ask whether the server is well; return the status."""
    connection.sendall(GET)
    return answer(connection)[0]


def send_all_it_takes(connection: socket.socket, data: bytes) -> None:
    """Send `data` again and again until the other side takes no more of it, or has hung up."""
    connection.setblocking(False)
    try:
        while connection.send(data):
            pass
    except OSError:
        pass
    finally:
        connection.setblocking(True)


def took_s(url: str) -> float:
    """Return for how many seconds a newcomer waits for an answer."""
    began = time.monotonic()
    with connect(url) as connection:
        assert ask(connection) == http.client.OK
    return time.monotonic() - began
