"""A proxy between imaging and S3, in a container of its own, that misbehaves on demand.

Requests to port 5000 are forwarded to `s3:5000`, with the host that they were signed for. A PUT of a JSON object to
port 5001 sets the behaviour for all requests from then on; its fields are those of `Behaviour`.

The server behind may ignore conditional requests. AWS does not, and neither does this proxy, through which all thumbs
are written: otherwise imaging would look before each write, and its conditional writes would never be tested in a race.
"""

import base64
import http.client
import json
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UPSTREAM = os.environ.get("UPSTREAM", "s3:5000")
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length", "date", "server"}
DRIP_S = 0.5
TICK_S = 0.05


@dataclass(frozen=True)
class Behaviour:
    """What happens to a `share` of the requests: `kind` is one of pass, slow, drip, refuse, reset, replace.

    `delay_s` is for slow. `replacement`, in Base64, is for replace: it takes the place of an original before each read.
    """

    kind: str = "pass"
    share: float = 1.0
    delay_s: float = 0.0
    replacement: str = ""
    seed: int = 0


class Switch:
    """The present behaviour, and how many requests it has affected."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.set(Behaviour())

    def set(self, behaviour: Behaviour) -> None:
        """Set the behaviour for all requests from now on."""
        with self._lock:
            self.behaviour, self.struck = behaviour, 0
            self._random = random.Random(behaviour.seed)

    def draw(self, applies: Callable[[str], bool]) -> Behaviour:
        """Return the behaviour for one request, to which only the kinds may happen for which `applies` is true."""
        with self._lock:
            behaviour = self.behaviour
            if applies(behaviour.kind) and self._random.random() < behaviour.share:
                self.struck += 1
                return behaviour
        return Behaviour()

    def holds(self, behaviour: Behaviour) -> bool:
        """Return whether `behaviour` is still the present one."""
        return self.behaviour is behaviour


switch = Switch()


class Proxy(BaseHTTPRequestHandler):
    """Forwards requests and their answers, and misbehaves on demand."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        """Serve one request of any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        # Of imaging's GETs only those of originals name an object; the others are about buckets.
        is_own = "/imghost/t0/" in self.path
        reads_original = self.command == "GET" and "/" in urlsplit(self.path).path.strip("/") and not is_own
        kinds = {"slow", "refuse"} | ({"drip", "reset", "replace"} if reads_original else set())
        behaviour = switch.draw(lambda kind: kind in kinds)
        if behaviour.kind == "slow":
            wait_while(behaviour, behaviour.delay_s)
        if behaviour.kind == "refuse":
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Content-Type": "application/xml"}, SLOW_DOWN)
            return
        if behaviour.kind == "replace":
            replace(self.path, base64.b64decode(behaviour.replacement))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        with condition_kept(self.command, self.path, headers) as holds:
            if not holds:
                self.answer(HTTPStatus.PRECONDITION_FAILED, {"Content-Type": "application/xml"}, FAILED)
                return
            status, answered, content = send(self.command, self.path, headers, body)
        self.answer(status, answered, content, behaviour)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - the names are the library's

    def answer(self, status: int, headers: dict[str, str], content: bytes, behaviour: Behaviour | None = None) -> None:
        """Send an answer; its body is whole, drips in, or is cut off."""
        self.send_response(status)
        length = headers.get("Content-Length") if self.command == "HEAD" else str(len(content))
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command == "HEAD":
            return
        kind = behaviour.kind if behaviour is not None and status == HTTPStatus.OK else "pass"
        if kind == "reset":
            self.wfile.write(content[: len(content) // 2])
            # Closing without lingering sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        if kind == "drip" and behaviour is not None:
            for index in range(len(content) - 1):
                if not switch.holds(behaviour):
                    content = content[index:]
                    break
                self.wfile.write(content[index : index + 1])
                wait_while(behaviour, DRIP_S)
            else:
                content = content[-1:]
        self.wfile.write(content)


class Control(BaseHTTPRequestHandler):
    """Sets the behaviour, and counts the requests that the present one has affected."""

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        """Set the behaviour that the body describes."""
        switch.set(Behaviour(**json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self._tell()

    def do_GET(self) -> None:
        """Return how many requests the present behaviour has affected."""
        self._tell()

    def _tell(self) -> None:
        content = json.dumps({"struck": switch.struck}).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


FAILED = b"<Error><Code>PreconditionFailed</Code><Message>A condition did not hold.</Message></Error>"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Server(ThreadingHTTPServer):
    """A server with one thread per connection, which prints no traceback if a client gives up."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


def wait_while(behaviour: Behaviour, seconds: float) -> None:
    """Wait for `seconds`, or until the behaviour is changed."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and switch.holds(behaviour):
        time.sleep(TICK_S)


@contextmanager
def condition_kept(method: str, path: str, headers: Mapping[str, str]) -> Iterator[bool]:
    """Yield whether the condition of a request holds, if it has one; no other request changes that during the block."""
    sent = {name.lower(): value.strip('"') for name, value in headers.items()}
    expected, creates = sent.get("if-match"), sent.get("if-none-match") == "*"
    if method not in {"PUT", "DELETE"} or (expected is None and not creates):
        yield True
        return
    with _locks[hash(path) % len(_locks)]:
        there = etag_at(path)
        yield there is None if creates else there == expected


_locks = [threading.Lock() for _ in range(64)]


def etag_at(path: str) -> str | None:
    """Return the entity tag of the object at `path`, without quotes; None if there is no object."""
    bucket, key = place(path)
    try:
        return client().head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
    except ClientError:
        return None


def replace(path: str, body: bytes) -> None:
    """Replace the object at `path`."""
    bucket, key = place(path)
    client().put_object(Bucket=bucket, Key=key, Body=body, ContentType="image/png")


def place(path: str) -> tuple[str, str]:
    """Return the bucket and the key that `path` names."""
    bucket, _, key = unquote(urlsplit(path).path).strip("/").partition("/")
    return bucket, key


@cache
def client() -> "S3Client":
    """Return a client of the real S3 with the credential of the tests."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://{UPSTREAM}",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=64),
    )


def send(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request to the real S3; return its answer."""
    connection = http.client.HTTPConnection(UPSTREAM, timeout=30)
    try:
        connection.request(method, path, body or None, headers | {"Content-Length": str(len(body))})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


if __name__ == "__main__":
    control = Server(("", 5001), Control)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    Server(("", 5000), Proxy).serve_forever()
