"""Both services behind a pooler that shares few sessions between many clients: PgBouncer in transaction mode."""

import base64
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pika
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

import auth.bootstrap
import auth.settings
import auth.use_cases
import catalog.bootstrap
import catalog.settings
from auth.adapters.store import Store as AuthStore
from auth.authentication import Authenticator, Policy
from auth.passwords import Verifier, hash_password
from auth.web.app import make_flask as auth_flask
from catalog import messages
from catalog.adapters.store import Store as CatalogStore
from catalog.adapters.tables import outbox
from catalog.web.app import make_flask as catalog_flask
from catalog_steps import BUCKETS
from chassis import tokens, topology
from chassis.database import Database
from chassis.publisher import Publisher
from chassis.relay import Relay
from chassis.topology import Queue
from containers import empty_database
from deadlines import until
from poolers import Pooler

CLIENTS = 16
PROCESSES = 4  # of each service; none knows of the statements that the others prepare
ROUNDS = 8
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Urls:
    """URLs of the two databases."""

    auth: str
    catalog: str


@pytest.fixture
def direct(postgres_url: str) -> Iterator[Urls]:
    """URLs of two empty databases at the server itself."""
    with empty_database(postgres_url) as first, empty_database(postgres_url) as second:
        yield Urls(first, second)


@dataclass
class Client:
    """One client of both services; it has what they answer counted, and knows what they should."""

    number: int
    auth: FlaskClient
    catalog: FlaskClient
    authorization: str
    wrong: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    def send(self, service: str, method: str, path: str, expected: int, **options: Any) -> Any:
        client = self.auth if service == "auth" else self.catalog
        answer = client.open(path, method=method, **options)
        self.answers[answer.status_code] += 1
        if answer.status_code != expected:
            self.wrong.append(f"{method} {path}: {answer.status_code}, not {expected}: {answer.get_data(as_text=True)}")
        return answer.get_json(silent=True)

    def token(self, audience: str) -> dict[str, str]:
        asked = {"authorization": self.authorization, "source": f"192.0.2.{self.number}", "audience": audience}
        told = self.send("auth", "POST", "/tokens", 200, json=asked)
        return {"Authorization": f"Bearer {(told or {}).get('token')}"}

    def work(self) -> None:
        """Register, show, list, change and delete, time and again, and hold each answer against what was done."""
        name = f"collection-{self.number}"
        self.send("catalog", "POST", "/collections", 201, json={"name": name}, headers=self.token("catalog"))
        for number in range(ROUNDS):
            key = f"client{self.number}/{number}.jpg"
            headers = self.token("catalog")
            self.send("catalog", "POST", "/images", 201, json={"s3_key": key, "title": key}, headers=headers)
            shown = self.send("catalog", "GET", "/image", 200, query_string={"s3_key": key}, headers=headers)
            self.expect(key, (shown or {}).get("title"))
            member = {"name": name, "s3_key": key}
            self.send("catalog", "PUT", "/collection/image", 200, query_string=member, headers=headers)
            changed = {"title": f"{key} again", "reprocess": True}
            self.send("catalog", "PUT", "/image", 200, query_string={"s3_key": key}, json=changed, headers=headers)
            self.send("catalog", "GET", "/public/collection", 200, query_string={"name": name})
            listed = self.send("catalog", "GET", "/images", 200, headers=headers)
            self.expect([f"client{self.number}/{each}.jpg" for each in reversed(range(number + 1))], _keys(listed))
            made = self.send("auth", "POST", "/api-keys", 201, json={"description": key}, headers=self.token("auth"))
            key_id = (made or {}).get("id", "none")
            self.send("auth", "DELETE", "/api-key", 204, query_string={"id": key_id}, headers=self.token("auth"))
        for number in range(ROUNDS):
            query = {"s3_key": f"client{self.number}/{number}.jpg"}
            self.send("catalog", "DELETE", "/image", 204, query_string=query, headers=self.token("catalog"))

    def expect(self, expected: object, found: object) -> None:
        if found != expected:
            self.wrong.append(f"{found!r}, not {expected!r}")


def _keys(listed: Any) -> list[str]:
    return [image.get("s3_key", "") for image in listed] if isinstance(listed, list) else [str(listed)]


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.fixture
def jobs_queue(broker_url: str) -> Iterator[Queue]:
    """A queue of this test's own that takes all jobs, so that the relay finds a taker."""
    queue = Queue(f"test.{uuid4().hex}", messages.JOBS)
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    topology.declare(connection.channel(), queue)
    yield queue
    channel = connection.channel()
    for each in (queue.name, queue.dead, *(queue.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
        channel.queue_delete(each)
    connection.close()


@dataclass
class Replicas:
    """Several processes' worth of both services on the same two databases, with an engine each."""

    auth: list[Database[AuthStore]]
    catalog: list[Database[CatalogStore]]

    def clients(self, folder: Path, authorizations: list[str]) -> list[Client]:
        tokens.create_key_files(folder / "private", folder / "public")
        key = (folder / "private").read_text()
        public = tokens.public_key_of(key)
        doors = [
            auth_flask(
                auth.bootstrap.App(
                    database, Authenticator(database, Verifier(2, 10, 10), Policy(3, 300, 100)), key, public
                )
            )
            for database in self.auth
        ]
        apps = [catalog_flask(catalog.bootstrap.App(database, BUCKETS, None, public)) for database in self.catalog]
        return [
            Client(
                number, doors[number % PROCESSES].test_client(), apps[number % PROCESSES].test_client(), authorization
            )
            for number, authorization in enumerate(authorizations)
        ]


def replicas(urls: Urls, ends: ExitStack) -> Replicas:
    """Make PROCESSES of each service that reach their databases through a pooler at URLS, until ENDS ends."""
    of_auth = auth.settings.DatabaseSettings(database_url=urls.auth, database_pooler=True)
    of_catalog = catalog.settings.DatabaseSettings(database_url=urls.catalog, database_pooler=True)
    made = Replicas(
        [auth.bootstrap.make_database(of_auth) for _ in range(PROCESSES)],
        [catalog.bootstrap.make_database(of_catalog) for _ in range(PROCESSES)],
    )
    for engine in [each.engine for each in made.auth] + [each.engine for each in made.catalog]:
        ends.callback(engine.dispose)
    return made


def migrate(urls: Urls) -> list[str]:
    """Bring both databases up to date and make a user for each client; give the credentials of each."""
    users = auth.bootstrap.make_database(auth.settings.DatabaseSettings(database_url=urls.auth))
    users.migrate()
    hashed = hash_password(PASSWORD)
    for number in range(CLIENTS):
        users.transact(auth.use_cases.create_user, f"client{number}", hashed)
    users.engine.dispose()
    pictures = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=urls.catalog))
    pictures.migrate()
    pictures.engine.dispose()
    return [basic(f"client{number}", PASSWORD) for number in range(CLIENTS)]


def through(urls: Urls, behind: Callable[[str], str]) -> Urls:
    return Urls(behind(urls.auth), behind(urls.catalog))


def test_sixteen_clients_get_right_answers_through_few_shared_sessions(
    direct: Urls, pooler: Pooler, broker_url: str, jobs_queue: Queue, tmp_path: Path
) -> None:
    authorizations = migrate(direct)
    stop = threading.Event()
    publisher = Publisher(broker_url, "test")
    with ExitStack() as ends, ThreadPoolExecutor(CLIENTS + 1) as threads:
        made = replicas(through(direct, pooler()), ends)
        relay = Relay(made.catalog[0].engine, outbox, publisher, stop)
        ends.callback(stop.set)
        relaying = threads.submit(relay.run)
        clients = made.clients(tmp_path, authorizations)
        for done in [threads.submit(client.work) for client in clients]:
            done.result(timeout=120)
        wrong = [fault for client in clients for fault in client.wrong]
        assert wrong == [], sum((client.answers for client in clients), Counter())
        until(lambda: relay.relay_batch() == 0, 30, "the relay has not emptied the outbox")
        stop.set()
        relaying.result(timeout=30)
        with made.catalog[0].engine.connect() as connection:
            states = set(connection.scalars(sa.select(outbox.c.state)))
    assert states == {"published"}
    assert depth(broker_url, jobs_queue) >= CLIENTS * ROUNDS
    publisher.close()


def depth(broker_url: str, queue: Queue) -> int:
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    messages_ready = int(connection.channel().queue_declare(queue.name, passive=True).method.message_count)
    connection.close()
    return messages_ready
