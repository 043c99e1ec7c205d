"""Both services behind PgBouncer in transaction mode, a pooler that shares few sessions between many clients."""

import base64
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pika
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from structlog.testing import capture_logs

import auth.bootstrap
import auth.settings
import auth.use_cases
import catalog.bootstrap
import catalog.settings
from auth.adapters.store import Store as AuthStore
from auth.authentication import Authenticator, Policy
from auth.passwords import Verifier, hash_password
from auth.rate_limits import RateLimits
from auth.web.app import make_flask as auth_flask
from catalog import messages
from catalog.adapters.store import Store as CatalogStore
from catalog.adapters.tables import outbox
from catalog.web.app import make_flask as catalog_flask
from catalog_steps import BUCKETS
from chassis import token_keys
from chassis.broker import topology
from chassis.broker.publisher import Publisher
from chassis.broker.relay import Relay
from chassis.broker.topology import Queue
from chassis.database.database import Database
from chassis.database.engines import LIMITS_MS, connect
from chassis.database.transactions import attempt, transact
from chassis.database.wakeup import Wakeup
from chassis.errors import DependencyDownError
from chassis.token_keys import SigningKeys
from chassis.web.paging import PAGE_BYTES
from containers import empty_database
from deadlines import until
from poolers import Pooler

CLIENTS = 16
PROCESSES = 4  # of each service; each process would prepare its statements in sessions that others use too
ROUNDS = 8
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Urls:
    """URLs of the two databases."""

    auth: str
    catalog: str


@pytest.fixture
def direct(postgres_url: str) -> Iterator[Urls]:
    """URLs of two empty databases, past the pooler."""
    with empty_database(postgres_url) as first, empty_database(postgres_url) as second:
        yield Urls(first, second)


@dataclass
class Client:
    """A client of both services that knows what they must answer."""

    number: int
    auth: FlaskClient
    catalog: FlaskClient
    authorization: str

    def send(self, service: str, method: str, path: str, expected: int, **options: Any) -> Any:
        client = self.auth if service == "auth" else self.catalog
        answer = client.open(path, method=method, **options)
        assert answer.status_code == expected, f"{method} {path}: {answer.get_data(as_text=True)}"
        return answer.get_json(silent=True)

    def token(self, audience: str) -> dict[str, str]:
        asked = {"authorization": self.authorization, "source": f"192.0.2.{self.number}", "audience": audience}
        told = self.send("auth", "POST", "/tokens", 200, json=asked)
        return {"Authorization": f"Bearer {told['token']}"}

    def work(self) -> None:
        """Register twice, show, list, change and delete repeatedly, and check each answer."""
        name = f"collection-{self.number}"
        self.send("catalog", "POST", "/collections", 201, json={"name": name}, headers=self.token("catalog"))
        for number in range(ROUNDS):
            key = f"client{self.number}/{number}.jpg"
            headers = self.token("catalog")
            once = {**headers, "Idempotency-Key": f'"{key}"'}
            made, again = (
                self.send("catalog", "POST", "/images", 201, json={"s3_key": key, "title": key}, headers=once)
                for _ in range(2)
            )
            assert made == again
            shown = self.send("catalog", "GET", "/image", 200, query_string={"s3_key": key}, headers=headers)
            assert shown["title"] == key
            member = {"name": name, "s3_key": key}
            self.send("catalog", "PUT", "/collection/image", 200, query_string=member, headers=headers)
            changed = {"title": f"{key} again", "reprocess": True}
            self.send("catalog", "PUT", "/image", 200, query_string={"s3_key": key}, json=changed, headers=headers)
            self.send("catalog", "GET", "/public/collection", 200, query_string={"name": name})
            listed = self.send("catalog", "GET", "/images", 200, headers=headers)
            own = [f"client{self.number}/{each}.jpg" for each in reversed(range(number + 1))]
            assert [image["s3_key"] for image in listed] == own
            made = self.send("auth", "POST", "/api-keys", 201, json={"description": key}, headers=self.token("auth"))
            self.send("auth", "DELETE", "/api-key", 204, query_string={"id": made["id"]}, headers=self.token("auth"))
        for number in range(ROUNDS):
            query = {"s3_key": f"client{self.number}/{number}.jpg"}
            self.send("catalog", "DELETE", "/image", 204, query_string=query, headers=self.token("catalog"))


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@contextmanager
def taking(broker_url: str, types: tuple[str, ...]) -> Iterator[Queue]:
    """Create a queue bound to events of `types` during the block, so that the relay can publish them."""
    queue = Queue(f"test.{uuid4().hex}", types)
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    topology.declare(connection.channel(), queue)
    connection.close()
    yield queue
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    channel = connection.channel()
    for each in (queue.name, queue.dead, *(queue.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
        channel.queue_delete(each)
    connection.close()


@pytest.fixture
def jobs_queue(broker_url: str) -> Iterator[Queue]:
    """A queue bound to all jobs."""
    with taking(broker_url, messages.JOBS) as queue:
        yield queue


@pytest.fixture
def deletions_queue(broker_url: str) -> Iterator[Queue]:
    """A queue bound to the deletions of users."""
    with taking(broker_url, (messages.USER_DELETED,)) as queue:
        yield queue


@dataclass
class Replicas:
    """Both services as several processes would run them: on the same two databases, with an engine each."""

    auth: list[Database[AuthStore]]
    catalog: list[Database[CatalogStore]]

    def clients(self, folder: Path, authorizations: list[str]) -> list[Client]:
        token_keys.create_files(folder / "private", folder / "public")
        keys = SigningKeys(folder / "private")
        doors = [
            auth_flask(
                auth.bootstrap.App(
                    database,
                    Authenticator(database, Verifier(2, 9, 10, 10), Policy(3, 300, 1000, 100)),
                    keys,
                    RateLimits(database, {}),
                )
            )
            for database in self.auth
        ]
        catalogs = [catalog.bootstrap.App(database, BUCKETS, None, keys, PAGE_BYTES) for database in self.catalog]
        apps = [catalog_flask(app) for app in catalogs]
        return [
            Client(
                number, doors[number % PROCESSES].test_client(), apps[number % PROCESSES].test_client(), authorization
            )
            for number, authorization in enumerate(authorizations)
        ]


def replicas(urls: Urls, ends: ExitStack) -> Replicas:
    """Make `processes` of each service with databases at `urls`, which go through a pooler, until `ends` ends."""
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
    """Migrate both databases and create a user for each client; return the credentials of all."""
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
    with ThreadPoolExecutor(CLIENTS + 1) as threads, ExitStack() as ends:
        made = replicas(through(direct, pooler()), ends)
        relay = Relay(made.catalog[0].engine, outbox, publisher, stop)
        ends.callback(stop.set)
        relaying = threads.submit(relay.run)
        clients = made.clients(tmp_path, authorizations)
        for done in [threads.submit(client.work) for client in clients]:
            done.result(timeout=120)
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


LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def limits(connection: sa.Connection) -> list[str]:
    return [str(connection.scalar(sa.text(f"SHOW {name}"))) for name in LIMITS]


@pytest.mark.parametrize("pooler_mode", [False, True])
def test_every_transaction_has_its_limits_and_leaves_none_behind(
    database_url: str, pooler: Pooler, *, pooler_mode: bool
) -> None:
    url = pooler(default_pool_size="1")(database_url) if pooler_mode else database_url
    engine = connect(catalog.settings.DatabaseSettings(database_url=url, database_pooler=pooler_mode))
    assert attempt(engine, limits) == ["15s", "5s", "30s"]
    assert transact(engine, limits) == ["15s", "5s", "30s"]
    with pytest.raises(RuntimeError):
        transact(engine, stumble)
    assert attempt(engine, limits) == ["15s", "5s", "30s"]
    engine.dispose()
    if pooler_mode:  # another transaction occupies the only session
        other = sa.create_engine(url, poolclass=sa.NullPool)
        with other.connect() as connection:
            assert limits(connection) == ["0", "0", "0"]


def stumble(connection: sa.Connection) -> None:
    connection.execute(sa.text("CREATE TABLE left_behind ()"))
    raise RuntimeError("rolled back")


def test_statement_that_takes_too_long_is_ended_behind_a_pooler(
    database_url: str, pooler: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS_MS, "statement_timeout", 200)
    engine = connect(catalog.settings.DatabaseSettings(database_url=pooler()(database_url), database_pooler=True))
    with pytest.raises(DependencyDownError) as told:
        attempt(engine, lambda connection: connection.execute(sa.text("SELECT pg_sleep(20)")))
    assert "statement timeout" in told.value.for_operators
    engine.dispose()


def test_pooler_that_keeps_the_limits_is_warned_of(database_url: str, pooler: Pooler) -> None:
    """A client cannot find out whether the pooler also keeps sessions, so this is no reason not to start."""
    name = sa.make_url(database_url).database
    server = sa.create_engine(database_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET statement_timeout = '15s'")
    behind = pooler(ignore_startup_parameters="options")(database_url)
    engine = connect(catalog.settings.DatabaseSettings(database_url=behind))
    with capture_logs() as logged:
        assert attempt(engine, lambda connection: connection.scalar(sa.select(1))) == 1
    engine.dispose()
    assert [each["setting"] for each in logged] == ["CATALOG_DATABASE_POOLER"]


def test_server_itself_is_not_taken_for_a_pooler(database_url: str) -> None:
    engine = connect(catalog.settings.DatabaseSettings(database_url=database_url))
    with capture_logs() as logged:
        assert attempt(engine, lambda connection: connection.scalar(sa.select(1))) == 1
    engine.dispose()
    assert logged == []


def test_worker_relays_behind_a_pooler(
    direct: Urls, pooler: Pooler, broker_url: str, deletions_queue: Queue, tmp_path: Path
) -> None:
    """The whole process: its loops, its health, its clean end."""
    migrate(direct)
    behind = pooler()(direct.auth)
    variables = {"DATABASE_URL": behind, "DATABASE_POOLER": "true", "BROKER_URL": broker_url, "OPS_PORT": "0"}
    env = {**os.environ, **{f"AUTH_{name}": value for name, value in variables.items()}}
    command = str(Path(sys.executable).with_name("auth"))
    log = tmp_path / "log"
    with log.open("wb") as output:
        worker = subprocess.Popen([command, "worker"], env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        for number in range(3):
            subprocess.run([command, "delete-user", f"client{number}", "--yes"], env=env, check=True)
        until(lambda: depth(broker_url, deletions_queue) == 3, 30, "the worker relays nothing")
    finally:
        worker.terminate()
        ended = worker.wait(30)
    said = log.read_text()
    assert ended == 0, said
    assert not [line for line in said.splitlines() if '"level": "info"' not in line]


def test_who_waits_for_work_behind_a_pooler_looks_often_and_holds_no_session(database_url: str, pooler: Pooler) -> None:
    """Notifications for LISTEN would go to whichever client has the session next."""
    behind = pooler()(database_url)
    engine = connect(catalog.settings.DatabaseSettings(database_url=behind, database_pooler=True))
    waiting = Wakeup(engine, "outbox")
    began = time.monotonic()
    waiting.wait(timeout_s=60, poll_s=0.05, stop=threading.Event())
    assert time.monotonic() - began < 10
    assert isinstance(engine.pool, sa.QueuePool)
    assert engine.pool.checkedout() == 0
    engine.dispose()
