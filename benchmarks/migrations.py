"""How long migrations make requests wait: `make bench-migrations`.

The databases of auth and catalog are filled at their first revision, and then brought to each next one by itself, while
clients send the statements of the first release, as its processes would. PostgreSQL tells how long they wait for locks,
from 10 ms on. The figures go to benchmarks/results/migrations.json, and by `make format` into docs/performance.md.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import sqlalchemy as sa
from tabulate import tabulate

import auth.bootstrap
import auth.settings
import catalog.bootstrap
import catalog.settings
from benchmarks.chain import postgresql
from chassis.database.schema import revisions
from deadlines import until
from earlier_release import at_release

if TYPE_CHECKING:
    from chassis.database.database import Database

RESULTS = Path(__file__).parent / "results" / "migrations.json"
REQUESTS = "requests"
"""The clients' name at PostgreSQL, which stands before each line of its log that is about one of them."""
SETTINGS = ("log_lock_waits=on", "deadlock_timeout=10ms", "log_line_prefix=%a in %d: ")
WAIT = re.compile(rf"^{REQUESTS} in (\w+): LOG: .* acquired \w+ on .* after ([0-9.]+) ms", re.MULTILINE)
CLIENTS = 3
PAUSE_S = 0.01  # of a client between two rounds
ROUNDS = 60  # of all clients, before and after each migration
PATIENCE_S = 120.0

FILL = {
    "auth": """
        INSERT INTO users SELECT 'user' || n, 'user' || n, 'hash', now() FROM generate_series(1, {rows} / 10) n;
        INSERT INTO api_keys
        SELECT to_hex(n), 'user' || 1 + n % ({rows} / 10), md5(n::text), 'a key', now() - n * interval '1 minute', now()
          FROM generate_series(1, {rows}) n;
        INSERT INTO outbox
        SELECT 'event' || n, 'user.deleted', 'body', 'published', now(), now(), now()
          FROM generate_series(1, {rows} / 2) n;
    """,
    "catalog": """
        INSERT INTO images (image_id, user_id, s3_bucket, s3_key, title, description, status, generation, date_created,
                            date_updated, width, height, colors, thumbs, placeholder, content_type, bytes, source_etag,
                            recipe)
        SELECT 'image' || n, 'user' || CASE WHEN n % 5 < 2 THEN 0 ELSE n % 9000 END, 'pics', 'folder/' || n || '.jpg',
               'Picture ' || n, 'A picture of a beach', CASE WHEN n % 20 = 0 THEN 'pending' ELSE 'ready' END, 1,
               now() - n * interval '1 minute', now(), 4000, 3000, '["#4a6b8a"]',
               '[{{"square": 64, "width": 64, "height": 48}}]', 'LEHV6nWB2yk8', 'image/jpeg', 3456789, md5(n::text), 1
          FROM generate_series(1, {rows}) n;
        INSERT INTO jobs (kind, s3_bucket, s3_key, image_id, generation, date_created)
        SELECT 'image.created', s3_bucket, s3_key, image_id, 1, now() FROM images WHERE status = 'pending';
        INSERT INTO outbox
        SELECT 'event' || n, 'image.created', 'body', 'published', now(), now(), now()
          FROM generate_series(1, {rows} / 2) n;
        INSERT INTO collections
        SELECT 'album' || n, 'user' || n % 9000, 'album-' || n, now() FROM generate_series(1, {rows} / 5) n;
        INSERT INTO memberships (collection_id, image_id)
        SELECT 'album' || 1 + n % ({rows} / 5), 'image' || n FROM generate_series(1, {rows}) n;
        INSERT INTO upload_prefixes SELECT 'prefix' || n, 'user', now() FROM generate_series(1, {rows} / 2) n;
    """,
}

ROUND = {
    "auth": (
        "SELECT username, password_hash, digest FROM api_keys JOIN users USING (user_id) WHERE key_id = '1a'",
        "INSERT INTO api_keys VALUES (%(short)s, 'user7', 'digest', 'a new key', now(), NULL)",
        "UPDATE api_keys SET date_last_used = now() WHERE key_id = %(short)s",
        "SELECT key_id, description FROM api_keys WHERE user_id = 'user7' ORDER BY date_created DESC, key_id LIMIT 100",
        "DELETE FROM api_keys WHERE key_id = %(short)s",
        "INSERT INTO failures VALUES (%(id)s, 1, now(), now())",
        "INSERT INTO outbox VALUES (%(id)s, 'user.deleted', 'body', 'due', now(), NULL, NULL)",
        "UPDATE outbox SET state = 'published', date_published = now() WHERE id = %(id)s",
    ),
    "catalog": (
        """
        WITH image AS (
            INSERT INTO images (image_id, user_id, s3_bucket, s3_key, title, description, status, generation,
                                date_created, date_updated)
            VALUES (%(id)s, %(user)s, 'pics', %(id)s, '', '', 'pending', 1, now(), now())
        ), job AS (
            INSERT INTO jobs (kind, s3_bucket, s3_key, image_id, generation, date_created)
            VALUES ('image.created', 'pics', %(id)s, %(id)s, 1, now())
        )
        INSERT INTO outbox (id, type, body, state, date_created) VALUES (%(id)s, 'image.created', 'body', 'due', now())
        """,
        "UPDATE outbox SET state = 'published', date_published = now() WHERE id = %(id)s",
        """
        WITH job AS (DELETE FROM jobs WHERE s3_key = %(id)s)
        UPDATE images SET status = 'ready', content_type = 'image/png', bytes = 1000 WHERE image_id = %(id)s
        """,
        "SELECT image_id, title FROM images WHERE s3_key = 'folder/77.jpg'",
        """
        SELECT image_id, title FROM images WHERE user_id = 'user0' ORDER BY date_created DESC, image_id LIMIT 100
        """,
        "INSERT INTO collections (collection_id, user_id, name, date_created) VALUES (%(id)s, %(user)s, %(id)s, now())",
        "INSERT INTO memberships (collection_id, image_id) VALUES (%(id)s, %(id)s)",
        """
        SELECT image_id FROM memberships JOIN images USING (image_id)
         WHERE collection_id = 'album7' ORDER BY position LIMIT 100
        """,
        "INSERT INTO upload_prefixes (prefix, user_id, date_created) VALUES (%(short)s, %(user)s, now())",
        "DELETE FROM collections WHERE collection_id = %(id)s",
        "DELETE FROM images WHERE image_id = %(id)s",
    ),
}


@dataclass(frozen=True)
class Migrated:
    """What one migration took: its seconds, and of the requests meanwhile their statements and the longest wait."""

    service: str
    migration: str
    took_s: float
    statements: int
    failed: int
    longest_wait_ms: float


class Requests:
    """Clients of a database that send what the first release sends, each statement a transaction."""

    def __init__(self, service: str, url: str) -> None:
        self.statements, self.failures = 0, list[str]()
        self._service, self._url = service, url.replace("+psycopg", "")
        self._rounds = 0
        self._lock, self._stop = threading.Lock(), threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send statements during the block."""
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(PATIENCE_S)

    def wait_for_rounds(self) -> None:
        """Wait until the clients have ended some rounds more."""
        due = self._rounds + ROUNDS
        until(lambda: self._rounds >= due, PATIENCE_S, "the clients get no answers")

    def _work(self, number: int) -> None:
        with psycopg.connect(self._url, autocommit=True, application_name=REQUESTS) as connection:
            while not self._stop.wait(PAUSE_S):
                name = str(uuid4())
                # Users of their own: what clients wait for of each other is not what migrations make them wait for.
                values = {"id": name, "short": name[-12:], "user": f"client{number}"}
                for statement in ROUND[self._service]:
                    self._send(connection, statement, values)
                with self._lock:
                    self._rounds += 1

    def _send(self, connection: psycopg.Connection[Any], statement: str, values: Mapping[str, str]) -> None:
        try:
            connection.execute(statement.encode(), values)
        except psycopg.Error as fault:
            with self._lock:
                self.failures.append(str(fault))
        with self._lock:
            self.statements += 1


def waits(container: str, database: str) -> list[float]:
    """Return for how many milliseconds requests have waited for locks, those that were longer than 10 ms."""
    done = subprocess.run(["docker", "logs", container], check=True, capture_output=True, text=True)  # noqa: S607
    return [float(wait) for name, wait in WAIT.findall(done.stderr) if name == database]


def measured(service: ModuleType, name: str, url: str, rows: int, container: str) -> Iterator[Migrated]:
    """Yield the figures of the migrations of a service, beside those of as much load without any."""
    settings = sys.modules[f"{name}.settings"].DatabaseSettings(database_url=url)
    database: Database[Any] = service.make_database(settings)
    numbers = revisions(database.migrations)
    files = {path.name[:4]: path.stem for path in (database.migrations / "versions").glob("0*.py")}
    with TemporaryDirectory() as folder:
        at_release(database, numbers[0], Path(folder) / numbers[0]).migrate()
        with database.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql(FILL[name].format(rows=rows).replace("%", "%%"))
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM (ANALYZE)"))
        requests = Requests(name, url)
        with requests.running():
            for number in (None, *numbers[1:]):
                before, sent, failed = len(waits(container, name)), requests.statements, len(requests.failures)
                requests.wait_for_rounds()
                began = time.monotonic()
                if number is not None:
                    at_release(database, number, Path(folder) / number).migrate()
                took_s = time.monotonic() - began
                requests.wait_for_rounds()
                longest = max(waits(container, name)[before:], default=0.0)
                sent, failed = requests.statements - sent, len(requests.failures) - failed
                migration = files[number] if number else "none"
                yield Migrated(name, migration, round(took_s, 2), sent, failed, round(longest))
    database.engine.dispose()
    if requests.failures:
        print(f"failed in {name}: {sorted(set(requests.failures))[:5]}")  # noqa: T201


def main() -> None:
    """Measure, print the table and write it."""
    rows = int(sys.argv[1])
    found: Sequence[Migrated] = []
    container = f"imghost-migrations-{os.getpid()}"
    with postgresql(["auth", "catalog"], container, SETTINGS) as urls:
        for module, name in ((auth.bootstrap, "auth"), (catalog.bootstrap, "catalog")):
            found = [*found, *measured(module, name, urls[name], rows, container)]
    load = round(os.getloadavg()[0], 1)
    print(f"{rows:,} rows, load {load}\n\n{tabulate([asdict(row) for row in found], headers='keys')}")  # noqa: T201
    lines = ",\n".join(f"    {json.dumps(asdict(row))}" for row in found)
    RESULTS.write_text(f'{{\n  "rows": {rows},\n  "load": {load},\n  "migrations": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
