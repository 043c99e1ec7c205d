"""Dead letters: drained from a real RabbitMQ, kept in the database, shown to the operator, replayed or dropped."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pika
import pytest
import sqlalchemy as sa

from catalog import messages
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.domain import Image, Installation, Job, JobKind
from catalog.errors import DeadLetterNotFoundError, NotReplayableError
from catalog.upkeep import dead_letters
from catalog.upkeep.dead_letters import keep
from catalog_steps import Sent, Steps
from chassis.broker.drain import Drain, DrainedMessage, read
from chassis.broker.publisher import Publisher
from chassis.broker.topology import Queue
from chassis.clock import now
from chassis.database.database import Database
from chassis.envelope import Event
from chassis.errors import DependencyDownError
from deadlines import until

INSTALLATION = Installation("5f1d5e0a-8a53-4c8e-9f0b-3c2f6f8d7e21", owns_unmarked=True)
CATALOG = str(Path(sys.executable).with_name("catalog"))


@pytest.fixture
def database(catalog_database: Database[Store]) -> Database[OperatorsStore]:
    return Database(catalog_database.engine, OperatorsStore, catalog_database.migrations)


def job_letter(image: Image, kind: JobKind = "image.created", message_id: str = "m-1") -> DrainedMessage:
    event = messages.job_event(Job(kind, image.registration, "r", now()), INSTALLATION)
    return DrainedMessage("imaging.jobs", message_id, "delivery-limit", event.encode())


def only_letter(database: Database[OperatorsStore]) -> int:
    [letter] = database.read(OperatorsStore.dead_letters, None, None, 10)
    return letter.dead_letter_id


def test_job_that_was_given_up_fails_its_image_and_frees_its_key(
    database: Database[OperatorsStore], steps: Steps, sent: Sent, open_jobs: Callable[[], int]
) -> None:
    image = steps.register()
    database.transact(keep, job_letter(image))
    failed = steps.image()
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "processing-exhausted"
    assert sent()[-1] == ("image.deleted", image.image_id, 1)  # the deletion of the thumbs that attempts may have left
    steps.thumbs_deleted(image)
    assert open_jobs() == 0


def test_letter_that_comes_again_is_kept_once_and_has_the_image_processed_again(
    database: Database[OperatorsStore], steps: Steps
) -> None:
    """It may come from another worker that had the same message, and has written thumbs since."""
    image = steps.register()
    database.transact(keep, job_letter(image))
    steps.thumbs_deleted(image)
    steps.processed(steps.reprocess())
    database.transact(keep, job_letter(image))
    assert only_letter(database)
    steps.thumbs_deleted(image)
    assert (steps.image().status, steps.image().generation) == ("pending", 3)


def test_letter_of_an_older_generation_does_not_fail_the_present_one(
    database: Database[OperatorsStore], steps: Steps
) -> None:
    image = steps.register()
    steps.processed(image)
    steps.processed(steps.reprocess())
    database.transact(keep, job_letter(image))
    assert steps.image().status == "pending"  # this overwrites what the late attempt may have left in S3


def test_deletion_that_was_given_up_does_not_hold_up_the_next_registration(
    database: Database[OperatorsStore], steps: Steps, sent: Sent
) -> None:
    image = steps.register()
    steps.processed(image)
    steps.delete()
    again = steps.register()
    database.transact(keep, job_letter(image, "image.deleted"))
    assert sent()[-1] == ("image.created", again.image_id, 2)


def test_answer_that_catalog_could_not_apply_fails_its_image_too(
    database: Database[OperatorsStore], steps: Steps
) -> None:
    image = steps.register()
    data = {"image_id": image.image_id, "generation": 1, "s3_bucket": "pics", "s3_key": image.s3_key}
    answer = Event("image.processed", "/imaging", image.image_id, "r", data)
    database.transact(keep, DrainedMessage("catalog.results", "m-1", "malformed-message", answer.encode()))
    assert steps.image().status == "failed"


def poisons() -> list[bytes]:
    about = {"image_id": str(uuid4()), "generation": 1, "s3_bucket": "pics", "s3_key": "a"}
    odd = ({"s3_key": "a\x00b"}, {"s3_key": "x" * 9999}, {"generation": 2**70}, {"image_id": "\x00"}, {"s3_bucket": ""})
    return [
        b"",
        b"\x00\xff",
        b"[]",
        b'{"specversion": "1.0"}',
        Event("nobody.knows\x1b[31m", "/x", "s", "r", {}).encode(),
        Event("image.created", "/x", "s", "r", {}).encode(),
        *(Event("image.created", "/x", "s", "r", {**about, **each}).encode() for each in odd),
    ]


@pytest.mark.parametrize("body", poisons())
def test_poison_is_kept_as_it_came_and_cannot_be_replayed(database: Database[OperatorsStore], body: bytes) -> None:
    database.transact(keep, DrainedMessage("imaging.jobs", "m-1", "malformed-message", body))
    number = only_letter(database)
    letter = database.read(OperatorsStore.dead_letter, number)
    assert letter.body == body
    assert letter.type.isprintable()
    with pytest.raises(NotReplayableError):
        database.transact(dead_letters.replay, number)
    database.transact(dead_letters.drop, number)
    with pytest.raises(DeadLetterNotFoundError):
        database.read(OperatorsStore.dead_letter, number)


def test_replay_starts_a_new_generation_and_takes_the_letter_away(
    database: Database[OperatorsStore], steps: Steps, sent: Sent
) -> None:
    image = steps.register()
    database.transact(keep, job_letter(image))
    steps.thumbs_deleted(image)
    database.transact(dead_letters.replay, only_letter(database))
    assert (steps.image().status, steps.image().generation) == ("pending", 2)
    assert sent()[-1] == ("image.reprocess", image.image_id, 2)
    assert database.read(OperatorsStore.dead_letters, None, None, 10) == []


def test_replay_for_an_image_that_is_gone_says_so_and_keeps_the_letter(
    database: Database[OperatorsStore], steps: Steps
) -> None:
    image = steps.register()
    database.transact(keep, job_letter(image))
    steps.delete()
    with pytest.raises(NotReplayableError, match="gone"):
        database.transact(dead_letters.replay, only_letter(database))
    only_letter(database)


def test_replayed_end_of_a_user_is_sent_again_under_a_new_message_id(
    database: Database[OperatorsStore], sent: Sent
) -> None:
    event = Event("user.deleted", "/auth", "u", "r", {"user_id": "u", "image_id": "-", "generation": 0})
    database.transact(keep, DrainedMessage("catalog.results", "m-1", "processing-exhausted", event.encode()))
    database.transact(dead_letters.replay, only_letter(database))
    assert sent() == [("user.deleted", "-", 0)]


# --- from the broker into the database ---


@contextmanager
def draining(broker_url: str, queue: Queue, keep: Callable[[DrainedMessage], None]) -> Iterator[None]:
    drain = Drain(broker_url, (queue,), keep)
    thread = threading.Thread(target=drain.run)
    thread.start()
    try:
        yield
    finally:
        drain.stop.set()
        thread.join(timeout=30)
        assert not thread.is_alive()


@pytest.fixture
def queue(broker_url: str) -> Iterator[Queue]:
    queue = Queue(f"test.{uuid4().hex}", ())
    yield queue
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    connection.channel().queue_delete(queue.dead)
    connection.close()


def give_up(broker_url: str, queue: Queue, message_id: str) -> None:
    publisher = Publisher(broker_url, "test")
    publisher.send("", queue.dead, b"body", message_id, headers={"x-reason": "because"})
    publisher.close()


def dead_depth(broker_url: str, queue: Queue) -> int:
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    try:
        return connection.channel().queue_declare(queue.dead, passive=True).method.message_count
    finally:
        connection.close()


def test_letters_are_drained_with_their_reasons(broker_url: str, queue: Queue) -> None:
    kept: list[DrainedMessage] = []
    with draining(broker_url, queue, kept.append):
        until(lambda: exists(broker_url, queue), 10, "the drain has declared its queue")
        give_up(broker_url, queue, "m-1")
        until(lambda: kept, 10, "the letter is kept")
    assert kept == [DrainedMessage(queue.name, "m-1", "because", b"body")]
    assert dead_depth(broker_url, queue) == 0


@pytest.mark.parametrize("fault", [DependencyDownError("database"), RuntimeError("a defect")])
def test_letter_that_could_not_be_kept_stays_and_comes_again(broker_url: str, queue: Queue, fault: Exception) -> None:
    kept: list[DrainedMessage] = []
    faults = [fault, fault]

    def keep_at_last(letter: DrainedMessage) -> None:
        if faults:
            raise faults.pop()
        kept.append(letter)

    with draining(broker_url, queue, keep_at_last):
        until(lambda: exists(broker_url, queue), 10, "the drain has declared its queue")
        give_up(broker_url, queue, "m-1")
        until(lambda: kept, 20, "the letter is kept")
    assert [letter.message_id for letter in kept] == ["m-1"]


def exists(broker_url: str, queue: Queue) -> bool:
    try:
        return dead_depth(broker_url, queue) >= 0
    except pika.exceptions.ChannelClosedByBroker:
        return False


def test_reason_is_the_brokers_last_where_no_consumer_gave_one() -> None:
    headers: dict[str, Any] = {"x-reason": "", "x-death": [{"reason": "delivery_limit"}, {"reason": "expired"}]}
    properties = pika.BasicProperties(message_id="m", headers=headers)
    assert read(Queue("q", ()), properties, b"").reason == "delivery-limit"


@pytest.mark.parametrize("headers", [None, {}, {"x-death": "lies"}, {"x-death": [1]}, {"x-reason": "\x00\x1b"}])
def test_headers_may_say_anything(headers: dict[str, object] | None) -> None:
    letter = read(Queue("q", ()), pika.BasicProperties(headers=headers), b"")  # type: ignore[arg-type]
    assert letter.message_id
    assert letter.reason.isprintable()


# --- the commands ---


@pytest.fixture
def command(any_database_url: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs `catalog dead-letters` on the database of the test."""
    env = {**os.environ, "CATALOG_DATABASE_URL": any_database_url}
    run = partial(subprocess.run, env=env, capture_output=True, text=True, timeout=60, check=False)
    return lambda *words: run([CATALOG, "dead-letters", *words])


def test_operator_lists_shows_replays_and_drops(
    database: Database[OperatorsStore], steps: Steps, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert command("list").stderr == "no dead letters\n"
    image = steps.register()
    database.transact(keep, job_letter(image))
    database.transact(keep, DrainedMessage("imaging.jobs", "m-2", "malformed-message", b"\x1b[31mnot JSON"))
    table = command("list").stdout
    assert "1  imaging.jobs  delivery-limit" in table
    assert f"image.created       {image.s3_key}" in table
    listed = json.loads(command("list", "--json").stdout)
    assert {each["reason"]: each["count"] for each in listed["counts"]} == {"delivery-limit": 1, "malformed-message": 1}
    job, poison = [str(each["id"]) for each in listed["dead_letters"]]
    some = json.loads(command("list", "--json", "--reason", "delivery-limit").stdout)
    assert [each["reason"] for each in (*some["counts"], *some["dead_letters"])] == ["delivery-limit"] * 2
    assert json.loads(command("show", job, "--json").stdout)["body"]["data"]["image_id"] == image.image_id
    assert "\\x1b[31mnot JSON" in command("show", poison).stdout

    assert command("replay").returncode == 2
    replayed = command("replay", "--all")
    assert (replayed.returncode, replayed.stdout) == (1, "replayed 1, 1 could not be\n")
    assert "no message of ours" in replayed.stderr
    assert steps.image().generation == 2
    dropped = command("drop", job, poison, "--yes")  # the first no longer exists, which must not stop the second
    assert (dropped.returncode, dropped.stdout) == (1, "dropped 1, 1 could not be\n")
    assert json.loads(command("list", "--json").stdout) == {"counts": [], "dead_letters": []}


@pytest.mark.parametrize("body", [b'"\\u001b[31m"', b'{"a": "\\u001b[31m"}', b"[" * 50_000, b"[" * 900 + b"]" * 900])
def test_body_may_be_anything_and_no_terminal_obeys_it(
    database: Database[OperatorsStore], command: Callable[..., subprocess.CompletedProcess[str]], body: bytes
) -> None:
    database.transact(keep, DrainedMessage("imaging.jobs", "m-1", "malformed-message", body))
    number = str(only_letter(database))
    for words in (("show", number), ("show", number, "--json")):
        shown = command(*words)
        assert shown.returncode == 0, shown.stderr[-500:]
        assert "\x1b" not in shown.stdout


def test_list_leaves_the_bodies_where_they_are(database: Database[OperatorsStore]) -> None:
    database.transact(keep, DrainedMessage("imaging.jobs", "m-1", "malformed-message", b"x" * 5_000_000))
    statements: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    [letter] = database.read(OperatorsStore.dead_letters, None, None, 10)
    assert "body" not in " ".join(statements)
    assert database.read(OperatorsStore.dead_letter, letter.dead_letter_id).body == b"x" * 5_000_000


def test_replayed_image_is_pending_since_its_replay(database: Database[OperatorsStore], steps: Steps) -> None:
    image = steps.register()
    database.transact(keep, job_letter(image))
    steps.thumbs_deleted(image)
    failed = steps.image()
    database.transact(dead_letters.replay, only_letter(database))
    assert steps.image().date_updated > failed.date_updated
