"""Web processes answer whoever is connected, and refuse others at once when they are to end."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from deadlines import until

PROGRAM = """
import sys, time
from flask import Flask, request
from chassis.web.server import serve
from chassis.settings import WebSettings

def make(settings):
    app = Flask("slow")

    @app.get("/<float:seconds>")
    def wait(seconds):
        time.sleep(seconds)
        return "done"

    @app.get("/large/<int:size>")
    def large(size):
        return bytes(size)

    @app.post("/length")
    def length():
        return str(len(request.get_data()))

    return app

port = int(sys.argv[1])
settings = WebSettings(listen_host="127.0.0.1", listen_port=port, ops_port=0, web_processes=1)
serve("__main__:make", settings, threads=2, worker_connections=12, keepalive=1)
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


def test_more_connections_than_threads_are_all_answered(server: subprocess.Popen[bytes], port: int) -> None:
    with ExitStack() as opened, ThreadPoolExecutor(10) as pool:
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(10)]

        def ask(connection: http.client.HTTPConnection) -> list[bytes]:
            opened.callback(connection.close)
            said = []
            for number in range(20):
                connection.request("POST", "/length", b"x" * number)
                said.append(connection.getresponse().read())
            return said

        assert list(pool.map(ask, connections)) == [[str(number).encode() for number in range(20)]] * 10
    assert server.poll() is None


def test_request_that_came_with_the_body_before_it_is_answered(server: subprocess.Popen[bytes], port: int) -> None:
    post = b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345"
    then = b"GET /0.0 HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as answers:
        client.sendall(post + then)
        assert list(answers_of(answers, 2)) == [b"5", b"done"]
    assert server.poll() is None


def test_client_may_take_a_large_answer_and_send_a_body_slowly(server: subprocess.Popen[bytes], port: int) -> None:
    size = 32 * 1024 * 1024  # more than the system keeps of it
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as answers:
        for _ in range(2):
            client.sendall(f"GET /large/{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(0.3)
            assert [len(body) for body in answers_of(answers, 1)] == [size]
            client.sendall(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12")
            time.sleep(0.3)
            client.sendall(b"345")
            assert list(answers_of(answers, 1)) == [b"5"]
    assert server.poll() is None


def answers_of(stream: BinaryIO, number: int) -> Iterator[bytes]:
    """Yield the bodies of that many answers."""
    for _ in range(number):
        length = 0
        while (line := stream.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        yield stream.read(length)


def test_idle_connections_are_closed_and_make_room(server: subprocess.Popen[bytes], port: int) -> None:
    with ExitStack() as opened:
        idle = []
        for _ in range(12):  # as many as may be
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            opened.callback(connection.close)
            connection.request("GET", "/0.0")
            assert connection.getresponse().read() == b"done"
            idle.append(connection)
        assert get(port, "/0.0") == 200
        assert [connection.sock.recv(1) for connection in idle] == [b""] * 12
    assert server.poll() is None


def test_threads_outlive_requests_that_are_none(server: subprocess.Popen[bytes], port: int) -> None:
    for sent in (b"no request\r\n\r\n", b"\x16\x03\x01\x00\xff", b"GET /0.0 HTTP/1.1\r\nHo", b""):
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                while client.recv(1000):
                    pass
    assert get(port, "/0.0") == 200
    assert server.poll() is None


def test_idle_connections_do_not_hold_up_the_end(server: subprocess.Popen[bytes], port: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/0.0")
        assert connection.getresponse().read() == b"done"
        server.send_signal(signal.SIGTERM)
        until(lambda: is_refused(port), 1.0, "it accepts connections though it is about to end")
        connection.request("GET", "/0.0")  # it was on its way
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert server.wait(5) == 0


@pytest.mark.parametrize("shares", [True, False])
def test_modules_of_the_application_are_imported_before_processes_are_made_unless_told_not_to(
    port: int, tmp_path: Path, shares: bool
) -> None:
    (tmp_path / "application.py").write_text("""
import os
from flask import Flask
imported_by = os.getpid()

def make(settings):
    app = Flask("application")
    app.add_url_rule("/", view_func=lambda: {"imported_by": imported_by, "served_by": os.getpid()})
    return app
""")
    given = f'"application:make", settings, shares_modules={shares}'
    serving = PROGRAM.replace('"__main__:make", settings', given)
    with subprocess.Popen([sys.executable, "-c", serving, str(port)], cwd=tmp_path) as process:
        try:
            until(lambda: not is_refused(port), 20, "it does not serve")
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request("GET", "/")
                told = json.loads(connection.getresponse().read())
            assert told["served_by"] != process.pid
            assert told["imported_by"] == (process.pid if shares else told["served_by"])
        finally:
            process.terminate()
