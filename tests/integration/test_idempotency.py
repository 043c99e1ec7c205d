"""A request that is sent again under the same Idempotency-Key is not carried out again, on both databases."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

import auth.settings
import auth.worker
import catalog.bootstrap
import catalog.settings
import catalog.worker
from auth import use_cases as of_auth
from auth.adapters.store import Store as AuthStore
from auth.adapters.tables import kept_answers as kept_by_auth
from auth.adapters.tables import kept_in_hours as counts_of_auth
from auth.authentication import Authenticator, Policy
from auth.bootstrap import App as AuthApp
from auth.domain import mark_of
from auth.keys import digest
from auth.passwords import Verifier
from auth.rate_limits import RateLimits
from auth.web.app import make_flask as auth_flask
from catalog import users
from catalog.adapters.store import Store as CatalogStore
from catalog.adapters.tables import kept_answers as kept_by_catalog
from catalog.adapters.tables import kept_in_hours as counts_of_catalog
from catalog.bootstrap import App as CatalogApp
from catalog.web.app import make_flask as catalog_flask
from catalog_steps import ANNA, BERT, BUCKETS
from chassis import token_keys, tokens
from chassis.clock import now
from chassis.database import kept_answers
from chassis.database.database import Database
from chassis.database.kept_answers import Kept
from chassis.idempotency import KEPT_FOR
from chassis.token_keys import SigningKeys
from chassis.tokens import Principal
from chassis.web.paging import PAGE_BYTES
from deadlines import until

KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'
LONGEST_TEXT = "\x01" * 10_000  # six bytes each as JSON


@dataclass(frozen=True)
class Caller:
    """Sends requests to a service as `principal`."""

    service: Flask
    audience: str
    keys: SigningKeys
    principal: Principal = ANNA

    def post(self, path: str, key: str | None = KEY, **options: Any) -> TestResponse:
        """Send POST under `key`, if there is one."""
        return self.send("POST", path, {} if key is None else {"Idempotency-Key": key}, **options)

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> TestResponse:
        """Send a request."""
        token = tokens.sign(self.keys.signing(), self.audience, self.principal)
        sent = {"Authorization": f"Bearer {token}", **(headers or {})}
        return self.service.test_client().open(path, method=method, headers=sent, **options)

    def register(self, s3_key: str = "a", key: str | None = KEY, **fields: str) -> TestResponse:
        """Register an image."""
        return self.post("/images", key, json={"s3_key": s3_key, **fields})

    def as_(self, principal: Principal) -> "Caller":
        """Return the same for somebody else."""
        return replace(self, principal=principal)


@pytest.fixture
def signing_keys(tmp_path: Path) -> SigningKeys:
    token_keys.create_files(tmp_path / "private", tmp_path / "public")
    return SigningKeys(tmp_path / "private")


def serving_catalog(
    database: Database[CatalogStore], signing_keys: SigningKeys, most: int = 0, size: int = 0
) -> Caller:
    kept = Kept(kept_by_catalog, counts_of_catalog, most, size)
    app = CatalogApp(database, BUCKETS, None, signing_keys, PAGE_BYTES, kept=kept)
    return Caller(catalog_flask(app), "catalog", signing_keys)


@pytest.fixture
def catalog_of(catalog_database: Database[CatalogStore], signing_keys: SigningKeys) -> Caller:
    return serving_catalog(catalog_database, signing_keys)


@pytest.fixture
def auth_of(auth_database: Database[AuthStore], signing_keys: SigningKeys) -> Caller:
    authenticator = Authenticator(auth_database, Verifier(1, 9, 1, 1), Policy(3, 300, 1000, 100))
    kept = Kept(kept_by_auth, counts_of_auth, most=1)
    app = AuthApp(auth_database, authenticator, signing_keys, RateLimits(auth_database, {}), kept=kept)
    user = auth_database.transact(of_auth.create_user, "anna", "unusable")
    return Caller(auth_flask(app), "auth", signing_keys, Principal(user.user_id, "anna", "password"))


def count(database: Database[Any], table: str) -> int:
    with database.engine.connect() as connection:
        return connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0  # noqa: S608 - a name of this file


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


# --- images and collections ---


def test_request_that_is_sent_again_is_answered_again_and_does_nothing(
    catalog_of: Caller, catalog_database: Database[CatalogStore]
) -> None:
    first, again = catalog_of.register(), catalog_of.register()
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert first.headers["Location"] == again.headers["Location"] == "/api/images/a"
    assert first.headers["Content-Type"] == again.headers["Content-Type"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (count(catalog_database, "images"), count(catalog_database, "jobs")) == (1, 1)


def test_answer_is_the_first_one_also_when_the_image_is_gone(catalog_of: Caller) -> None:
    first = catalog_of.register()
    assert catalog_of.send("DELETE", "/image?s3_key=a").status_code == 204
    assert catalog_of.register().data == first.data
    assert catalog_of.register(key="other").headers.get("Idempotency-Replayed") is None


def test_without_a_key_nothing_is_kept(catalog_of: Caller, catalog_database: Database[CatalogStore]) -> None:
    assert catalog_of.register(key=None).status_code == 201
    assert code(catalog_of.register(key=None)) == (409, "image-exists")
    assert count(catalog_database, "kept_answers") == 0


def test_another_request_under_the_same_key_is_refused(
    catalog_of: Caller, catalog_database: Database[CatalogStore]
) -> None:
    catalog_of.register()
    others = [
        catalog_of.register(title="other"),
        catalog_of.register("b"),
        catalog_of.post("/images", data={"s3_key": "a"}),
        catalog_of.post("/collections", json={"name": "a"}),
    ]
    assert {code(answer) for answer in others} == {(422, "idempotency-key-reused")}
    assert (count(catalog_database, "images"), count(catalog_database, "collections")) == (1, 0)


def test_key_is_of_one_user(catalog_of: Caller, catalog_database: Database[CatalogStore]) -> None:
    assert catalog_of.register().status_code == 201
    bert = catalog_of.as_(BERT)
    assert code(bert.register()) == (409, "image-exists")
    assert bert.register("b").status_code == 201
    assert bert.register("b").headers["Idempotency-Replayed"] == "true"
    assert count(catalog_database, "images") == 2


def test_key_counts_with_quotation_marks_or_without(catalog_of: Caller) -> None:
    catalog_of.register(key='"one"')
    assert catalog_of.register(key="one").headers["Idempotency-Replayed"] == "true"
    assert code(catalog_of.register(key="One")) == (409, "image-exists")


@pytest.mark.parametrize("key", ["", '""', '"a', "a b", "a,b", '"a","b"', "ä", "a\tb", "x" * 256])
def test_malformed_key_is_refused(catalog_of: Caller, catalog_database: Database[CatalogStore], key: str) -> None:
    assert code(catalog_of.register(key=key)) == (400, "malformed-idempotency-key")
    assert count(catalog_database, "images") == 0


def test_longest_key_is_taken(catalog_of: Caller) -> None:
    catalog_of.register(key="x" * 255)
    assert catalog_of.register(key=f'"{"x" * 255}"').headers["Idempotency-Replayed"] == "true"


def test_refusal_is_not_kept(catalog_of: Caller, catalog_database: Database[CatalogStore]) -> None:
    catalog_of.register(key=None)
    assert code(catalog_of.register()) == (409, "image-exists")
    assert code(catalog_of.post("/images", json={"s3_key": "/"})) == (422, "invalid-fields")
    assert count(catalog_database, "kept_answers") == 0
    assert catalog_of.register("b").status_code == 201


REFUSING_ROWS = {
    "sqlite": ["CREATE TRIGGER refuse BEFORE INSERT ON kept_answers BEGIN SELECT RAISE(ABORT, 'no'); END"],
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON kept_answers FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}
REFUSING_NO_MORE = {"sqlite": "DROP TRIGGER refuse", "postgresql": "DROP TRIGGER refuse ON kept_answers"}


def test_change_whose_answer_cannot_be_kept_is_not_made(
    catalog_of: Caller, catalog_database: Database[CatalogStore]
) -> None:
    dialect = catalog_database.engine.dialect.name
    with catalog_database.engine.begin() as connection:
        for statement in REFUSING_ROWS[dialect]:
            connection.exec_driver_sql(statement)
    assert code(catalog_of.register()) == (500, "internal-error")
    assert [count(catalog_database, table) for table in ("images", "jobs", "outbox")] == [0, 0, 0]
    with catalog_database.engine.begin() as connection:
        connection.exec_driver_sql(REFUSING_NO_MORE[dialect])
    assert catalog_of.register().headers.get("Idempotency-Replayed") is None


def test_nothing_is_kept_for_a_caller_who_hung_up(catalog_of: Caller, catalog_database: Database[CatalogStore]) -> None:
    headers = {"Idempotency-Key": KEY, "X-Time-Left": "0.000001"}
    assert catalog_of.send("POST", "/images", headers, json={"s3_key": "a"}).status_code == 503
    assert count(catalog_database, "kept_answers") == 0
    assert catalog_of.register().headers.get("Idempotency-Replayed") is None


def test_key_without_the_scope_is_refused_before_anything_is_answered_again(catalog_of: Caller) -> None:
    catalog_of.register()
    reader = catalog_of.as_(replace(ANNA, method="key", scopes=frozenset({"read"}), key_id="a" * 16))
    assert code(reader.register()) == (403, "insufficient-scope")


def test_largest_answer_is_kept(catalog_of: Caller) -> None:
    fields = {"s3_key": "ä" * 500, "title": "\x01" * 255, "description": LONGEST_TEXT}
    first, again = (catalog_of.post("/images", data=fields) for _ in range(2))
    assert first.status_code == 201, first.get_json()
    assert first.data == again.data
    assert again.headers["Idempotency-Replayed"] == "true"


def test_collection_is_made_once(catalog_of: Caller, catalog_database: Database[CatalogStore]) -> None:
    first, again = (catalog_of.post("/collections", data={"name": "c"}) for _ in range(2))
    assert first.data == again.data
    assert (again.status_code, again.headers["Location"]) == (201, "/api/collections/c")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(catalog_database, "collections") == 1


# --- how long ---


def age(database: Database[Any], table: sa.Table, by: timedelta) -> None:
    with database.engine.begin() as connection:
        connection.execute(table.update().values(date_created=now() - by))


def test_answer_is_kept_for_a_day(catalog_of: Caller, catalog_database: Database[CatalogStore]) -> None:
    catalog_of.register()
    age(catalog_database, kept_by_catalog, KEPT_FOR - timedelta(minutes=1))
    forget_old(catalog_database, kept_by_catalog)
    assert catalog_of.register().headers["Idempotency-Replayed"] == "true"
    age(catalog_database, kept_by_catalog, KEPT_FOR)
    assert code(catalog_of.register()) == (409, "image-exists")
    assert catalog_of.register("b").status_code == 201
    assert catalog_of.register("b").headers["Idempotency-Replayed"] == "true"


def test_old_answers_are_deleted_in_batches(catalog_of: Caller, catalog_database: Database[CatalogStore]) -> None:
    for number in range(5):
        catalog_of.register(str(number), key=str(number))
    age(catalog_database, kept_by_catalog, KEPT_FOR)
    catalog_of.register("young", key="young")
    forget_old(catalog_database, kept_by_catalog)
    assert count(catalog_database, "kept_answers") == 1


def test_workers_delete_old_answers(tmp_path: Path) -> None:
    urls = {"database_url": f"sqlite:///{tmp_path}/test.db", "broker_url": "amqp://127.0.0.1:1"}
    workers = (
        auth.worker.make_worker(auth.settings.WorkerSettings.model_validate(urls)),
        catalog.worker.make_worker(catalog.settings.WorkerSettings.model_validate(urls)),
    )
    assert all("kept answers" in worker.loops for worker in workers)


def forget_old(database: Database[Any], table: sa.Table) -> None:
    hours = table.metadata.tables["kept_in_hours"]
    kept_answers.forget_old(database.engine, table, hours, threading.Event(), batch=2)


def test_answers_of_a_deleted_user_are_deleted(catalog_of: Caller, catalog_database: Database[CatalogStore]) -> None:
    catalog_of.register()
    catalog_of.as_(BERT).register("b")
    assert users.forget_user(catalog_database.transact, ANNA.user_id, 10)
    with catalog_database.engine.connect() as connection:
        for table in (kept_by_catalog, counts_of_catalog):
            assert connection.scalars(sa.select(table.c.user_id)).all() == [BERT.user_id]


# --- how much ---


@pytest.mark.parametrize("bounds", [{"most": 2}, {"size": 1200}])
def test_no_more_is_kept_for_a_user_than_may_be_and_what_is_kept_is_answered_again(
    catalog_database: Database[CatalogStore], signing_keys: SigningKeys, bounds: dict[str, int]
) -> None:
    """Otherwise one who makes and deletes what has a long description fills the disk."""
    caller = serving_catalog(catalog_database, signing_keys, **bounds)
    first = caller.register("a", key="a", description="x" * 100)
    assert (first.status_code, caller.register("b", key="b").status_code) == (201, 201)
    for _ in range(2):
        refused = caller.register("c", key="c")
        assert code(refused) == (429, "too-many-idempotency-keys")
        assert 24 * 3600 <= int(refused.headers["Retry-After"]) <= 25 * 3600
    assert (count(catalog_database, "images"), count(catalog_database, "kept_answers")) == (2, 2)
    assert caller.register("a", key="a", description="x" * 100).data == first.data
    assert code(caller.register("a", key="new")) == (409, "image-exists")
    assert caller.register("c", key=None).status_code == 201
    assert caller.as_(BERT).register("d", key="a").status_code == 201
    with catalog_database.engine.begin() as connection:
        connection.execute(counts_of_catalog.update().values(date_begins=now() - timedelta(hours=25)))
    assert caller.register("e", key="e").status_code == 201
    forget_old(catalog_database, kept_by_catalog)
    assert count(catalog_database, "kept_in_hours") == 1


# --- API keys ---


def test_secret_is_not_kept_and_a_repeat_names_the_key(auth_of: Caller, auth_database: Database[AuthStore]) -> None:
    first = auth_of.post("/api-keys", json={"description": "x"})
    assert first.status_code == 201
    again = auth_of.post("/api-keys", json={"description": "x"})
    assert code(again) == (409, "secret-not-kept")
    assert again.headers["Location"] == first.headers["Location"] == first.get_json()["uri"]
    assert code(auth_of.post("/api-keys", key="another")) == (429, "too-many-idempotency-keys")
    assert count(auth_database, "api_keys") == 1
    secret = first.get_json()["key"].rpartition("_")[2].encode()
    with auth_database.engine.connect() as connection:
        (row,) = connection.execute(sa.select(kept_by_auth)).all()
    assert row.body is None
    assert secret not in repr(row).encode()


def test_key_is_rotated_once(auth_of: Caller, auth_database: Database[AuthStore]) -> None:
    """Also if the answer is lost with the new secret: the program has the former one only, and sends the same again."""
    made = auth_of.post("/api-keys", key=None).get_json()
    mark = mark_of(digest(made["key"]))
    auth_of = auth_of.as_(replace(auth_of.principal, method="key", key_id=made["id"], credential_mark=mark))
    rotation = f"/api-key/rotation?id={made['id']}"
    assert auth_of.post(rotation).status_code == 200
    with auth_database.engine.connect() as connection:
        digests = connection.execute(sa.text("SELECT digest, previous_digest FROM api_keys")).all()
    again = auth_of.post(rotation)
    assert code(again) == (409, "secret-not-kept")
    assert again.headers["Location"] == made["uri"]
    with auth_database.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT digest, previous_digest FROM api_keys")).all() == digests
    assert code(auth_of.post(rotation, json={"overlap_s": 0})) == (422, "idempotency-key-reused")
    another = auth_of.post(rotation, key="another")
    assert code(another) == (403, "secret-replaced")
    assert "until" in another.get_json()["detail"]


def test_answers_of_a_user_whom_the_operator_deletes_are_deleted(
    auth_of: Caller, auth_database: Database[AuthStore]
) -> None:
    auth_of.post("/api-keys")
    auth_database.transact(of_auth.delete_user, "anna")
    assert (count(auth_database, "kept_answers"), count(auth_database, "kept_in_hours")) == (0, 0)


# --- several replicas, which only PostgreSQL can have ---


@pytest.fixture
def replicas(database_url: str, signing_keys: SigningKeys) -> Iterator[tuple[Caller, Caller]]:
    """Two replicas of catalog on one database."""
    settings = catalog.settings.DatabaseSettings(database_url=database_url)
    databases = [catalog.bootstrap.make_database(settings) for _ in range(2)]
    databases[0].migrate()
    yield serving_catalog(databases[0], signing_keys, 25), serving_catalog(databases[1], signing_keys, 25)
    for database in databases:
        database.engine.dispose()


@contextmanager
def held(database_url: str) -> Iterator[None]:
    """Hold what the registration of `a` waits for, as another one does that is slow."""
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended('key/a', 0))")
        yield
    engine.dispose()


def waits(database_url: str) -> bool:
    """Return whether a session of the database waits for an advisory lock."""
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        waiting = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
            " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
        ).scalar()
    engine.dispose()
    return bool(waiting)


def test_request_in_flight_on_another_replica_is_refused_until_it_is_answered(
    replicas: tuple[Caller, Caller], database_url: str
) -> None:
    one, other = replicas
    with ThreadPoolExecutor(1) as pool:
        with held(database_url):
            slow = pool.submit(one.register)
            until(lambda: waits(database_url), 10, "the first request does not wait")
            refused = other.register()
            assert code(refused) == (409, "idempotency-key-in-flight")
            assert int(refused.headers["Retry-After"]) > 0
            assert code(other.register(title="other")) == (409, "idempotency-key-in-flight")
            assert other.register("b", key="other").status_code == 201
        first = slow.result()
    assert first.status_code == 201
    again = other.register()
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_parallel_requests_on_two_replicas_have_one_effect(replicas: tuple[Caller, Caller]) -> None:
    names = [f"c{number}" for number in range(20)]
    sent = [(caller, name) for name in names for caller in replicas * 4]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: each[0].post("/collections", each[1], json={"name": each[1]}), sent))
    made = [answer for answer in answers if answer.status_code == 201]
    assert {code(answer) for answer in answers if answer.status_code != 201} <= {(409, "idempotency-key-in-flight")}
    assert len({answer.data for answer in made}) == len(names)
    assert sum("Idempotency-Replayed" not in answer.headers for answer in made) == len(names)
    listed = replicas[0].send("GET", "/collections").get_json()
    assert sorted(each["name"] for each in listed) == sorted(names)


def test_replicas_keep_no_more_together_than_may_be(replicas: tuple[Caller, Caller]) -> None:
    sent = [(replicas[number % 2], f"k{number}") for number in range(30)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: each[0].post("/collections", each[1], json={"name": each[1]}), sent))
    assert sorted(answer.status_code for answer in answers) == [201] * 25 + [429] * 5
