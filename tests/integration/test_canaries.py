"""No secret appears anywhere: not in a log, a database, a message, a metric or an answer.

Unique texts are sent as password, API key, token, S3 signature and so on through every operation of the API document,
in every place of a request where a client might put them, also where they are refused, and around a restart.
"""

import base64
import http.client
import itertools
import json
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pika
import pytest
import requests

from auth import keys
from catalog.jobs import queues
from chassis.broker import topology
from deadlines import until
from embedded.parts.ports import free_ports
from gateway.web.docs import document
from web_stack import ANNA, BUCKET, WebStack

# A token between the services (RFC 7519): header and claims are JSON, and so begin with a brace in base64.
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")
KINDS = ("password", "guess", "token", "signature", "cookie", "field", "header")
METHODS = ("get", "head", "put", "post", "delete", "options")
# What a route names in its path; a whole API key may stand for its id.
NAMES = {"s3_key": "a/b.jpg", "name": "holidays", "username": ANNA[0], "filename": "a.jpg"}


def canary(kind: str) -> str:
    return f"canary-{kind}-{secrets.token_hex(12)}"


def forms_of(text: bytes) -> Iterator[bytes]:
    """Yield how `text` can look: as it is, and in base64, whatever stands before and after it."""
    yield text
    for before in range(3):
        first = -(-before * 8 // 6)
        yield base64.b64encode(bytes(before) + text)[first:-4]


@dataclass
class Secrets:
    """The texts that must not be found; `sent` are those that clients send, by what they are."""

    sent: dict[str, str] = field(default_factory=lambda: {kind: canary(kind) for kind in KINDS})
    others: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def add_key(self, text: str) -> str:
        """Add the secret part of an API key; return the key."""
        self.others.append(text.split("_")[2])
        return text

    def look(self, where: str, data: bytes) -> None:
        """Note a leak for each secret that `data` has, which was found at `where`."""
        self.leaks += [f"{where} has {text}" for text in self.found_in(data)]

    def found_in(self, data: bytes) -> list[str]:
        """Return the secrets that `data` has, as they are or in base64, as in an Authorization header."""
        every = (*self.sent.values(), *self.others)
        found = [text for text in every if any(form in data for form in forms_of(text.encode()))]
        return found + [match.decode() for match in TOKEN.findall(data)]


@dataclass
class Everything:
    """The services with everything that they write: logs, databases, messages, metrics."""

    stack: WebStack
    broker: pika.BlockingConnection
    queue: str
    ops: dict[str, int]
    settings: dict[str, dict[str, str]]

    def start(self) -> None:
        """Start all processes."""
        for service in ("auth", "catalog", "gateway"):
            self.stack.start(service, 0, OPS_PORT=str(self.ops[service]), **self.settings[service])
        for service in ("auth", "catalog"):
            ops = str(self.ops[f"{service}-worker"])
            self.stack.start_worker(service, OPS_PORT=ops, **self.settings[f"{service}-worker"])

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Yield everything that the services have written so far, with the name of where."""
        for file in sorted(self.stack.folder.iterdir()):
            # The private key of the tokens is theirs.
            if file.is_file() and file.suffix != ".pem":
                yield file.name, file.read_bytes()
        for process, port in self.ops.items():
            yield f"metrics of {process}", requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).content
            yield f"readiness of {process}", requests.get(f"http://127.0.0.1:{port}/readyz", timeout=10).content
        channel = self.broker.channel()
        while (taken := channel.basic_get(self.queue, auto_ack=True))[2] is not None:
            yield "queue", taken[2] + repr(taken[1]).encode()


@pytest.fixture
def everything(web_stack: WebStack, broker_url: str) -> Iterator[Everything]:
    names = ("auth", "catalog", "gateway", "auth-worker", "catalog-worker")
    s3 = {
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "S3_ACCESS_KEY_ID": "catalog",
        "S3_SECRET_ACCESS_KEY": canary("s3-secret"),
    }
    broker = pika.BlockingConnection(pika.URLParameters(broker_url))
    queue = f"canaries.{uuid4().hex}"
    with ExitStack() as ends:
        ends.callback(broker.close)
        channel = broker.channel()
        topology.declare_exchange(channel)
        channel.queue_declare(queue)
        ends.callback(channel.queue_delete, queue)
        channel.queue_bind(queue, topology.EXCHANGE, "#")
        for each in queues.ALL:  # what the workers declare
            for name in (each.name, each.dead, *(each.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
                ends.callback(channel.queue_delete, name)
        # At the most talkative level.
        settings = {name: {"LOG_LEVEL": "debug"} for name in names}
        settings["catalog"] |= s3
        # Otherwise most of the requests would be refused as guesses, and reach nothing.
        limits = ("FREE_FAILURES", "PASSWORD_FAILURES_A_MINUTE", "KEY_FAILURES_A_MINUTE")
        settings["auth"] |= dict.fromkeys(limits, "1000000")
        for worker in ("auth-worker", "catalog-worker"):
            settings[worker]["BROKER_URL"] = broker_url
        ports = dict(zip(names, free_ports(5, besides=tuple(web_stack.ports.values())), strict=True))
        made = Everything(web_stack, broker, queue, ports, settings)
        made.start()
        yield made


def operations() -> Iterator[tuple[str, str]]:
    """Yield method and path of every operation of the API document."""
    for template, item in document()["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), template


def filled(template: str, api_key: str) -> str:
    """Return the path of an operation, with `api_key` in the place of a key's id."""
    return re.sub(r"\{(\w+)\}", lambda match: quote(NAMES.get(match[1], api_key)), template)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def bodies(sent: dict[str, str]) -> list[tuple[str, bytes]]:
    """Return bodies, with their types, that have secrets where they belong and where they do not."""
    guess = {"current_password": sent["guess"], "password": sent["field"]}
    odd = dict.fromkeys(("secret", "token", "signature", "password"), sent["field"])  # only their names are answered
    texts: list[Any] = [guess, odd, {**guess, "password": [sent["field"]]}, [sent["field"]], sent["field"]]
    return [
        *(("application/json", json.dumps(text).encode()) for text in texts),
        ("application/json", f'{{"password": "{sent["field"]}"'.encode()),
        ("application/json", b'{"password": "' + sent["field"].encode() + b'\xff"}'),
        ("application/x-www-form-urlencoded", f"current_password={sent['guess']}&password={sent['field']}".encode()),
        (f"text/{sent['header']}", sent["field"].encode()),
    ]


def send(url: str, method: str, target: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
    """Return the status of the answer, and all of it."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return answer.status, str(answer.headers).encode() + answer.read()
    finally:
        connection.close()


def send_what_is_no_http(url: str, sent: dict[str, str], api_key: str) -> Iterator[bytes]:
    """Send requests that the server refuses before the application sees them; yield the answers."""
    address = urlsplit(url)
    authorization = f"Authorization: {basic(ANNA[0], sent['password'])}\r\nCookie: {sent['cookie']}\r\n"
    for head in (
        f"GET /api/images?password={sent['field']} HTTP/9.9\r\n{authorization}\r\n",
        f"{sent['token']}\r\n\r\n",
        f"GET /api/api-keys/{api_key} HTTP/1.1\r\nHost: x\r\n{authorization.replace(': ', ' : ')}\r\n",
        f"GET /api/images HTTP/1.1\r\nHost: x\r\n{authorization}X: {'x' * 20000}\r\n\r\n",
        f"GET /api/images?{sent['signature']}{'x' * 20000} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n",
        f"POST /api/images HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: {sent['field']}\r\n\r\n",
        f"POST /api/images HTTP/1.1\r\nHost: x\r\n{authorization}Transfer-Encoding: {sent['field']}\r\n\r\n",
        f"GET /api/images HTTP/1.1\r\nHost: x\r\n{authorization}Expect: {sent['field']}\r\n\r\n",
    ):
        with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
            connection.sendall(head.encode())
            connection.shutdown(socket.SHUT_WR)
            parts = iter(lambda opened=connection: opened.recv(65536), b"")  # type: ignore[misc]
            yield b"".join(parts)


def exercise(everything: Everything, held: Secrets, api_key: str, password: str) -> set[int]:
    """Send secrets through every operation; return the statuses of the answers, none of which has a secret."""
    url, sent = everything.stack.url(), held.sent
    unknown = held.add_key(keys.new_key())
    credentials = [
        f"Bearer {api_key}",
        basic(ANNA[0], password),
        basic(ANNA[0], sent["guess"]),
        f"Bearer {unknown}",
        f"Bearer {sent['token']}",
        f"Basic {sent['token']}",
        basic(sent["password"], sent["guess"]),  # people type their password into the wrong field
        basic("", unknown[:-1]),
        f"Digest {sent['token']}",
    ]
    statuses = set()
    for (method, template), authorization in itertools.product(operations(), credentials):
        headers = {"Authorization": authorization, "Cookie": f"session={sent['cookie']}", "X-Api-Key": sent["header"]}
        named = api_key if template.endswith("rotation") else unknown
        query = f"?password={sent['field']}&X-Amz-Signature={sent['signature']}&access_token={sent['token']}"
        cursor = f"?cursor={sent['token']}&limit={sent['field']}"
        for more in ("", query, cursor):
            status, answer = send(url, method, filled(template, unknown) + more, headers, None)
            held.look(f"{method} {template}{more}", answer)
            statuses.add(status)
        if method in {"POST", "PUT"} and authorization in credentials[:4]:
            for media_type, body in bodies(sent):
                target = filled(template, named if authorization != credentials[0] else unknown)
                status, answer = send(url, method, target, {**headers, "Content-Type": media_type}, body)
                held.look(f"{method} {template} {body!r}", answer)
                statuses.add(status)
    for answer in send_what_is_no_http(url, sent, api_key):
        held.look("what is no HTTP", answer)
    return statuses


@pytest.mark.timeout(600)
def test_no_secret_is_ever_written_or_answered(everything: Everything) -> None:
    held = Secrets()
    stack, sent = everything.stack, held.sent
    held.others.append(everything.settings["catalog"]["S3_SECRET_ACCESS_KEY"])
    held.others.append(urlsplit(everything.settings["auth-worker"]["BROKER_URL"]).password or "none")
    stack.run("auth", "set-password", ANNA[0], "--password-stdin", answer=sent["password"])
    own = {"Authorization": basic(ANNA[0], sent["password"]), "Content-Type": "application/json"}

    def ask(method: str, target: str, body: object = None) -> Any:
        status, answer = send(stack.url(), method, target, own, None if body is None else json.dumps(body).encode())
        assert status < 300, answer
        return json.loads(answer[answer.index(b"{") :]) if b"{" in answer else None

    made = ask("POST", "/api/api-keys", {})
    held.add_key(made["key"])
    api_key = held.add_key(ask("POST", f"/api/api-keys/{made['id']}/rotation", {"overlap_s": 3600})["key"])
    form = ask("GET", "/api/signed-post?filename=cat.jpg")
    held.others += [value for name, value in form["fields"].items() if name.lower() in {"policy", "x-amz-signature"}]
    assert len(held.others) == 6
    ask("POST", "/api/images", {"s3_key": "kept.jpg", "s3_bucket": BUCKET})
    ask("POST", "/api/images", {"s3_key": "a/b.jpg", "s3_bucket": BUCKET})
    ask("POST", "/api/collections", {"name": "holidays"})
    until(lambda: b"image.created" in b"".join(data for _, data in everything.written()), 20, "nothing is queued")

    statuses = exercise(everything, held, api_key, sent["password"])
    assert {200, 201, 204, 400, 401, 403, 404, 415, 422} - statuses == set()
    logs = b""
    for where, data in everything.written():
        held.look(where, data)
        logs += data if where.endswith(".log") else b""
    everything.start()  # again: what was in memory is written by none of them
    stack.run("auth", "disable-user", ANNA[0])
    exercise(everything, held, api_key, sent["password"])
    stack.run("auth", "delete-user", ANNA[0], "--yes")
    until(lambda: b"user.delete" in (stack.folder / "auth-worker.log").read_bytes(), 20, "it is not in the audit log")
    for where, data in everything.written():
        held.look(where, data)
        logs += data if where.endswith(".log") else b""
    assert held.leaks == []
    for shown in (b'"audit"', b"api-key.rotate", b"login", made["id"].encode()):
        assert shown in logs, "the test looks at what the services write"


def test_canaries_would_be_found(tmp_path: Path) -> None:
    """The test above must be able to fail."""
    held = Secrets()
    held.add_key(keys.new_key())
    (tmp_path / "a.log").write_text(f"x{held.sent['password']}y {held.others[0]}")
    found = held.found_in((tmp_path / "a.log").read_bytes())
    assert found == [held.sent["password"], held.others[0]]
    for username in ("a", "an", "ann", "anna"):
        assert held.found_in(basic(username, held.sent["guess"]).encode()) == [held.sent["guess"]]
    assert held.found_in(b"Bearer eyJhbGciOiJFZERTQSJ9.eyJhdWQiOiJhdXRoIn0.c2lnbmF0dXJlMTIz") != []
