"""Generated S3 keys through every endpoint that takes one, as raw requests: what is registered is what is read.

Five hundred keys, and a tenth of that on the compose stack; `make keys` sends twenty thousand (KEYS says how many).
"""

import hashlib
import json
import os
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clients import FORM, JSON, NewUser, Register, Stack, path
from s3_keys import RAW, invalid_keys, valid_keys, write

KEYS = int(os.environ.get("KEYS", "500"))
AT_A_TIME = 10
CONNECTIONS = 4
PRIVATE, PUBLIC = b"/api/images/", b"/api/i/"

unhurried = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@dataclass(frozen=True)
class Answer:
    """A response: its status, and the document in its body."""

    status: int
    document: Any
    location: str | None


class Connection:
    """A connection to the gateway, to which targets are written byte for byte."""

    def __init__(self, url: str, api_key: str) -> None:
        address = urlsplit(url)
        self._address = (str(address.hostname), address.port)
        self._head = f"Host: gateway\r\nAuthorization: Bearer {api_key}\r\n".encode()
        self._open()

    def send(self, method: str, target: bytes, body: bytes = b"", content_type: str = JSON) -> Answer:
        """Send a request and return the answer."""
        about_body = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n" if body else ""
        about_body = about_body or ("Content-Length: 0\r\n" if method in {"POST", "PUT"} else "")
        line = method.encode() + b" " + target + b" HTTP/1.1\r\n"
        self._socket.sendall(line + self._head + about_body.encode() + b"\r\n" + body)
        status = int(self._file.readline().split()[1])
        headers = dict(self._headers())  # read by hand: http.client takes longer than the gateway
        content = self._file.read(int(headers.get(b"content-length", b"0")))
        if headers.get(b"connection", b"").lower() == b"close":
            self.close()
            self._open()
        location = headers[b"location"].decode() if b"location" in headers else None
        return Answer(status, json.loads(content) if content else None, location)

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def _open(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=30)
        self._file = self._socket.makefile("rb")

    def _headers(self) -> Iterator[tuple[bytes, bytes]]:
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            yield name.lower(), value.strip()


@dataclass(frozen=True)
class Gateway:
    """The gateway, with the image and the collection `guard`, and some connections to it.

    No other key may reach these two, which belong to the user `guard`.
    """

    guard: str
    bucket: str
    connections: SimpleQueue[Connection]
    pool: ThreadPoolExecutor

    @property
    def member(self) -> bytes:
        """What the path of a member of the collection begins with."""
        return path("collections", self.guard, "images").encode() + b"/"

    @property
    def addressed(self) -> list[tuple[str, bytes]]:
        """All that may be asked about a key: methods, and what the path begins with."""
        private = [(method, begin) for begin in (PRIVATE, self.member) for method in ("GET", "PUT", "DELETE")]
        return [*private, ("GET", PUBLIC)]

    def each(
        self, do: Callable[["Gateway", Connection, str, random.Random], None], keys: Sequence[str], seed: int
    ) -> None:
        """Call `do` for each of `keys`, several at a time; raise what it raises."""

        def on_a_connection(key: str) -> None:
            connection = self.connections.get()
            try:
                do(self, connection, key, random.Random(f"{seed} {key}"))
            finally:
                self.connections.put(connection)

        list(self.pool.map(on_a_connection, keys))

    def send(self, method: str, target: bytes) -> Answer:
        """Send one request."""
        connection = self.connections.get()
        try:
            return connection.send(method, target)
        finally:
            self.connections.put(connection)

    def images(self) -> dict[str, str]:
        """Return the title of each image by its key."""
        return {image["s3_key"]: image["title"] for image in self.send("GET", b"/api/images").document}

    def members(self) -> set[str]:
        """Return the keys of the images in the collection."""
        return {image["s3_key"] for image in self.send("GET", self.member[:-1]).document}

    def clean(self) -> None:
        """Delete what a failed example has left, so that the next one begins like the first."""
        for image in self.send("GET", b"/api/images").document:
            if image["s3_key"] != self.guard:
                self.send("DELETE", image["uri"].encode())

    def everything(self) -> list[Any]:
        """Return all that there is."""
        own = (path("collections", self.guard), path("users", self.guard))
        targets = ("/api/images", "/api/collections", "/api/api-keys", *own)
        found = [self.send("GET", target.encode()) for target in targets]
        assert [answer.status for answer in found] == [200] * len(targets)
        documents = [answer.document for answer in found]
        for key in documents[2]:
            del key["date_last_used"]
        return documents


@pytest.fixture
def count(request: pytest.FixtureRequest) -> int:
    """How many keys to send: the same code reads them on both stacks, and on the compose stack each takes longer."""
    return KEYS // 10 if request.node.callspec.params["stack"] == "compose_stack" else KEYS


@pytest.fixture(scope="module")
def gateway(stack: Stack, new_user: NewUser, register: Register) -> Iterator[Gateway]:
    user = new_user()
    guard = user.username
    key = user.post("/api/api-keys").json()["key"]
    bucket = register(guard, by=user, title=guard)["s3_bucket"]
    user.settled(guard)
    assert user.post("/api/collections", json={"name": guard}).status == 201
    assert user.put(path("collections", guard, "images", guard)).status == 200
    with ExitStack() as opened:
        connections: SimpleQueue[Connection] = SimpleQueue()
        for _ in range(CONNECTIONS):
            connection = Connection(stack["GATEWAY_URL"], key)
            opened.callback(connection.close)
            connections.put(connection)
        yield Gateway(guard, bucket, connections, opened.enter_context(ThreadPoolExecutor(CONNECTIONS)))


def title(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def register_key(gateway: Gateway, connection: Connection, key: str, by: random.Random) -> Answer:
    """Register an image by JSON or a form, with its key escaped or as it is."""
    fields = {"s3_key": key, "s3_bucket": gateway.bucket}
    if by.random() < 0.5:
        return connection.send("POST", b"/api/images", json.dumps(fields, ensure_ascii=by.random() < 0.5).encode())
    safe = "" if by.random() < 0.5 else "".join(character for character in key if character not in "%&+;")
    return connection.send("POST", b"/api/images", urlencode(fields, safe=safe).encode(), FORM)


def key_in(answer: Answer) -> str | None:
    """Return the S3 key that the answer is about, or None of an error."""
    key: str | None = answer.document.get("s3_key")
    return key


def make(gateway: Gateway, connection: Connection, key: str, by: random.Random) -> None:
    """Register an image, read and change it, and put it into the collection; each answer must be about this key."""
    created = register_key(gateway, connection, key, by)
    assert (created.status, key_in(created)) == (201, key), created
    assert created.location == created.document["uri"]
    assert unquote_to_bytes(created.document["uri"].removeprefix("/api/images/")) == key.encode()
    named = json.dumps({"title": title(key)}).encode()
    member = gateway.member
    requests = [("GET", PRIVATE), ("PUT", PRIVATE), ("GET", PUBLIC), ("PUT", member), ("GET", member)]
    for method, resource in requests:
        body = named if (method, resource) == ("PUT", PRIVATE) else b""
        answer = connection.send(method, resource + write(key.encode(), by), body)
        assert (answer.status, key_in(answer)) == (200, key), (method, resource, answer)


def unmake(gateway: Gateway, connection: Connection, key: str, by: random.Random) -> None:
    """Take the image out of the collection, and delete it."""
    for resource in (gateway.member, PRIVATE):
        assert connection.send("DELETE", resource + write(key.encode(), by)).status == 204, resource


@pytest.mark.timeout(300 + KEYS // 5)
def test_what_is_registered_is_what_is_read_and_no_key_reaches_anything_else(gateway: Gateway, count: int) -> None:
    before, guard, sent = gateway.everything(), gateway.guard, 0

    @settings(unhurried, max_examples=max(1, count // AT_A_TIME))
    @given(st.lists(valid_keys, min_size=AT_A_TIME, max_size=AT_A_TIME, unique=True), st.integers(0, 2**32))
    def walk(keys: list[str], seed: int) -> None:
        nonlocal sent
        keys = [key for key in keys if key != guard]
        try:
            gateway.each(make, keys, seed)
            assert gateway.images() == {guard: guard, **{key: title(key) for key in keys}}
            assert gateway.members() == {guard, *keys}
            gateway.each(unmake, keys, seed)
            assert gateway.images() == {guard: guard}
            assert gateway.members() == {guard}
            sent += len(keys)
        except BaseException:
            gateway.clean()
            raise

    walk()
    assert gateway.everything() == before
    assert sent >= count - count // 100
    print(f"{sent} keys")  # noqa: T201 - pytest shows it with -s


def refuse(gateway: Gateway, connection: Connection, key: str, by: random.Random) -> None:
    """Send a key that no image can have everywhere: it must be refused as documented."""
    answer = register_key(gateway, connection, key, by)
    assert (answer.status, answer.document["code"]) == (422, "invalid-fields")
    assert {fault["pointer"] for fault in answer.document["errors"]} == {"/s3_key"}
    expected = (400, "malformed-path") if "\0" in key else (404, "image-not-found")
    for method, resource in gateway.addressed:
        answer = connection.send(method, resource + write(key.encode(), by))
        assert (answer.status, answer.document["code"]) == expected, (method, resource)


def test_keys_that_no_image_can_have_are_refused_and_reach_nothing(gateway: Gateway, count: int) -> None:
    before, to_guard = gateway.everything(), f"a/../../c/{gateway.guard}"

    @settings(unhurried, max_examples=max(1, count // 50))
    @given(st.lists(invalid_keys, min_size=AT_A_TIME, max_size=AT_A_TIME, unique=True), st.integers(0, 2**32))
    def walk(keys: list[str], seed: int) -> None:
        gateway.each(refuse, [*keys, to_guard], seed)

    walk()
    assert gateway.everything() == before


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_bytes_that_are_no_utf8_and_bytes_that_are_not_encoded_are_refused(gateway: Gateway, count: int) -> None:
    """RFC 9112 (3.2) has only printable ASCII in a target: others must be percent-encoded."""
    before = gateway.everything()
    targets = gateway.addressed

    @settings(unhurried, max_examples=max(1, count // 20))
    @given(st.binary(min_size=1, max_size=8).filter(lambda data: not is_utf8(data)), st.sampled_from(targets))
    def encoded(data: bytes, to: tuple[str, bytes]) -> None:
        answer = gateway.send(to[0], to[1] + b"".join(b"%%%02X" % byte for byte in data))
        assert (answer.status, answer.document["code"]) == (400, "malformed-path")

    @settings(unhurried, max_examples=max(1, count // 20))
    @given(valid_keys.filter(lambda key: not key.isascii()), st.sampled_from(targets))
    def as_they_are(key: str, to: tuple[str, bytes]) -> None:
        raw = b"".join(bytes([byte]) if byte in RAW or byte > 0x7F else b"%%%02X" % byte for byte in key.encode())
        answer = gateway.send(to[0], to[1] + raw)
        assert (answer.status, answer.document["code"]) == (400, "malformed-request")

    encoded()
    as_they_are()
    assert gateway.everything() == before
