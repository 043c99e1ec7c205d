"""The load: a few clients that register, delete, reprocess and collect images, each with a ledger.

What a client does next is drawn from a random generator of its own, seeded by the run's seed, so that a seed replays a
run as far as threads allow.
"""

import http.client
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ConnectionError, HTTPClientError  # noqa: A004 - botocore's
from PIL import Image

from clients import Answer, ValidatingClient, path
from deadlines import until
from faults.ledger import Entry, Ledger
from faults.stack import BUCKET
from pictures import encoded
from wire import ContractBreachError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LIVE_KEYS = 8  # of one client, which begins a new key when the state of fewer is certain
PACE_S = 0.08  # between two requests of a client
AWAY_S = 0.5  # after a request without an answer
END_S = 45.0  # the gateway may wait for auth and for catalog up to its timeout
WEIGHTS = {"register": 3, "delete": 2, "reprocess": 2, "add": 3, "remove": 1, "look": 2}
SIZE = (48, 36)
# Names that every layer has to pass on byte for byte.
SUFFIXES = (".png", " and blank.png", "ü.png", "%2F.png", "+?#.png", "🙂.png")


@dataclass
class Client:
    """A user with keys and collections of their own, who sends one request after the other."""

    api: ValidatingClient
    s3: "S3Client"
    prefix: str
    random: random.Random
    pace_s: float = PACE_S
    keeps_connection: bool = True
    formats: tuple[str, ...] = ("PNG", "PNG", "TIFF")
    ledger: Ledger = field(default_factory=Ledger)

    def make_collections(self, count: int = 2) -> None:
        """Create the collections, before the fault begins."""
        for number in range(count):
            name = f"{self.prefix.replace('/', '-')}-{number}"
            assert self.api.post("/api/collections", json={"name": name}).status == 201
            self.ledger.collections.append(name)

    def connect_to(self, url: str) -> None:
        """Send requests to `url` from now on, each over a connection of its own."""
        self.api, self.keeps_connection = ValidatingClient(url, self.api.auth), False

    def work_until(self, stop: threading.Event) -> None:
        """Send requests until `stop` is set."""
        while not stop.wait(self.pace_s):
            if not self.step():
                stop.wait(AWAY_S)

    def step(self) -> bool:
        """Send one request; return whether it was answered."""
        operation, key = self._choose()
        if operation == "register" and not self.put_original(key):
            return False
        return self.send(operation, key, self.random.choice(self.ledger.collections))

    def put_original(self, key: str) -> bool:
        """Put an original with a colour of its own into S3, past the proxy; return whether S3 has it.

        Some have a display picture, so that a key may have one of an image that was there before.
        """
        colour = self.random.randrange(256), self.random.randrange(256), self.random.randrange(256)
        file_format = self.random.choice(self.formats)
        picture = encoded(Image.new("RGB", SIZE, colour), file_format)
        try:
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=picture, ContentType=f"image/{file_format.lower()}")
        except (ConnectionError, HTTPClientError):  # S3 is away
            return False
        return True

    def send(self, operation: str, key: str, name: str = "") -> bool:
        """Send the request of `operation` on `key`, and on the collection `name` if there is one, and enter it."""
        match operation:
            case "register":
                return self._send(operation, key, "", 201, "POST", "/api/images", json={"s3_key": key})
            case "delete":
                return self._send(operation, key, "", 204, "DELETE", path("images", key))
            case "reprocess":
                return self._send(operation, key, "", 200, "PUT", path("images", key), json={"reprocess": True})
            case "add":
                return self._send(operation, key, name, 200, "PUT", path("collections", name, "images", key))
            case "remove":
                return self._send(operation, key, name, 204, "DELETE", path("collections", name, "images", key))
            case "look":
                return self._send(operation, key, "", 200, "GET", path("images", key))
            case _:
                raise ValueError(operation)

    def _choose(self) -> tuple[str, str]:
        registered, free = self.ledger.keys(registered=True), self.ledger.keys(registered=False)
        operation = self.random.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
        if operation != "register" and registered:
            return operation, self.random.choice(registered)
        if len(free) + len(registered) < LIVE_KEYS:
            return "register", f"{self.prefix}/{len(self.ledger.records)}{self.random.choice(SUFFIXES)}"
        return ("register", self.random.choice(free)) if free else ("delete", self.random.choice(registered))

    def _send(self, operation: str, key: str, name: str, due: int, method: str, target: str, **options: Any) -> bool:
        entry, told = self._ask(operation, key, name, method, target, **options)
        if entry is None:
            return False
        created = told.json()["date_created"] if told is not None and told.status in {200, 201} else ""
        self.ledger.note(entry, due, created)
        return entry.acknowledged

    def _ask(
        self, operation: str, key: str, name: str, method: str, target: str, **options: Any
    ) -> tuple[Entry | None, Answer | None]:
        """Send a request; return its entry, None if nothing was sent, and its answer, None if there is none."""
        began = time.time()
        answer: int | str
        told = None
        try:
            told = self.api.send(method, target, **options)
        except ConnectionRefusedError:
            return None, None  # nothing was sent, so nothing was done
        except ContractBreachError as fault:
            self.ledger.breaches.append(str(fault))
            answer = type(fault).__name__
        except (OSError, http.client.HTTPException) as fault:
            answer = type(fault).__name__
        else:
            answer = told.status
        finally:
            if not self.keeps_connection:
                self.api.close()
        return Entry(round(began, 3), round(time.time() - began, 3), operation, key, name, answer), told


@dataclass
class Load:
    """Several clients at once."""

    clients: list[Client]

    def __post_init__(self) -> None:
        self._faults: list[BaseException] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests during the block; at its end wait for every request that is under way."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._guarded, args=(client, stop)) for client in self.clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(END_S)
        assert not any(thread.is_alive() for thread in threads), f"a request has no end after {END_S:g} s"
        if self._faults:
            raise self._faults[0]

    def wait_for_answers(self, count: int, within_s: float = 30.0) -> None:
        """Wait until `count` more requests are answered."""
        due = self.acknowledged() + count
        until(lambda: self.acknowledged() >= due or self._faults, within_s, "the load gets no answers")

    def entries(self) -> list[Entry]:
        """Return all requests in the order in which they were sent."""
        return sorted((entry for client in self.clients for entry in client.ledger.entries), key=lambda one: one.at_s)

    def acknowledged(self) -> int:
        """Count the requests that were answered."""
        return sum(entry.acknowledged for client in self.clients for entry in list(client.ledger.entries))

    def _guarded(self, client: Client, stop: threading.Event) -> None:
        try:
            client.work_until(stop)
        except BaseException as fault:  # noqa: BLE001 - raised again where the threads are waited for
            self._faults.append(fault)
