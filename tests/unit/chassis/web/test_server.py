"""A web process that is to end answers the clients that are connected, and refuses others at once."""

import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from deadlines import until

PROGRAM = """
import sys, time
from flask import Flask
from chassis.web.server import serve
from chassis.settings import WebSettings

def make(settings):
    app = Flask("slow")

    @app.get("/<float:seconds>")
    def wait(seconds):
        time.sleep(seconds)
        return "done"

    return app

port = int(sys.argv[1])
serve("__main__:make", WebSettings(listen_host="127.0.0.1", listen_port=port, ops_port=0, web_processes=1), threads=2)
"""
SLOW = "/1.5"


def get(port: int, target: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", target)
        return connection.getresponse().status


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def server(port: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(port)]) as process:
        try:
            until(lambda: not is_refused(port), 20, "it does not serve")
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def test_connections_are_refused_while_the_last_request_is_answered(server: subprocess.Popen[bytes], port: int) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert get(port, "/0.0") == 200
        last = pool.submit(get, port, SLOW)
        until(last.running, 5, "no request is sent")
        assert get(port, "/0.0") == 200
        server.send_signal(signal.SIGTERM)
        until(lambda: is_refused(port), 1.0, "it accepts connections though it is about to end")
        assert not last.done()
        assert last.result() == 200
    assert server.wait(10) == 0
