"""From the outbox through a real RabbitMQ to a handler: confirmed, retried, given up with a reason, never lost."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pika
import pytest
import sqlalchemy as sa
from pika.adapters.blocking_connection import BlockingChannel
from prometheus_client import REGISTRY

import catalog.bootstrap
import catalog.settings
from catalog.adapters.store import Store
from catalog.adapters.tables import outbox
from chassis.broker import topology
from chassis.broker.consumer import Consumer
from chassis.broker.depths import Depths
from chassis.broker.drain import read
from chassis.broker.errors import NotPublishedError
from chassis.broker.publisher import Publisher
from chassis.broker.relay import Relay
from chassis.broker.topology import Queue
from chassis.broker.verdicts import TransientError
from chassis.clock import now
from chassis.database.database import Database
from chassis.database.outbox import CHANNEL, KEEP_PUBLISHED, SWEEP_BATCH, add, lease
from chassis.database.wakeup import Wakeup
from chassis.envelope import Event
from chassis.errors import DependencyDownError
from deadlines import until

Handler = Callable[[Event, int], None]
LISTENERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


@pytest.fixture(params=["container", "distribution"], name="broker_url")
def any_broker_url(request: pytest.FixtureRequest) -> str:
    """AMQP URL of a RabbitMQ 4, and of the one that the distribution's packages have (3.10 on Debian 12)."""
    if request.param == "container":
        return str(request.getfixturevalue("rabbitmq_url"))
    return str(request.getfixturevalue("plain_stack")["AMQP_URL"])


@pytest.fixture
def queue(broker_url: str) -> Iterator[Queue]:
    """A queue of the test's own, bound to a type of its own."""
    name = f"test.{uuid4().hex}"
    queue = Queue(name, (f"{name}.happened",))
    with channel(broker_url) as opened:
        topology.declare(opened, queue)
    yield queue
    with channel(broker_url) as opened:
        for each in (queue.name, queue.dead, *(queue.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
            opened.queue_delete(each)


@pytest.fixture
def publisher(broker_url: str) -> Iterator[Publisher]:
    publisher = Publisher(broker_url, "test")
    yield publisher
    publisher.close()


@contextmanager
def channel(broker_url: str) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    yield connection.channel()
    connection.close()


def depth(broker_url: str, name: str) -> int:
    with channel(broker_url) as opened:
        return opened.queue_declare(name, passive=True).method.message_count


def wait_for(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    until(condition, within_s, "the broker and its consumers are not there yet")


def happened(queue: Queue) -> Event:
    return Event(queue.types[0], "/test", "subject", "request-1", {"a": 1})


@contextmanager
def consuming(
    broker_url: str, queue: Queue, handle: Handler, threads: int = 2, retrying: Publisher | None = None
) -> Iterator[Consumer]:
    retrying = retrying or Publisher(broker_url, "test retries")
    consumer = Consumer(broker_url, queue, handle, retrying, threads=threads)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        yield consumer
    finally:
        consumer.stop.set()
        thread.join(timeout=30)
        retrying.close()
        assert not thread.is_alive()


def test_message_that_no_queue_takes_counts_as_not_published(publisher: Publisher) -> None:
    with pytest.raises(NotPublishedError, match="no queue takes"):
        publisher.publish(Event("nobody.listens", "/test", "s", "r", {}))


def test_broker_that_is_away_counts_as_not_published() -> None:
    with pytest.raises(NotPublishedError) as told:
        Publisher("amqp://127.0.0.1:9", "test").publish(Event("a", "/test", "s", "r", {}))
    assert told.value.broker_is_away


def test_handled_message_is_gone(broker_url: str, publisher: Publisher, queue: Queue) -> None:
    seen: list[Event] = []
    with consuming(broker_url, queue, lambda event, _attempt: seen.append(event)):
        event = happened(queue)
        publisher.publish(event)
        wait_for(lambda: seen == [event])
    assert depth(broker_url, queue.name) == 0


# A worker that a message kills, as when the kernel kills it for the memory that it takes.
DYING = """
import os, sys
from chassis.broker.consumer import Consumer
from chassis.broker.publisher import Publisher
from chassis.broker.topology import Queue
url, name = sys.argv[1:]
def die(event, attempt):
    os._exit(9)
Consumer(url, Queue(name, (f"{name}.happened",)), die, Publisher(url, "dying"), threads=1).run()
"""


def test_message_of_a_worker_that_died_comes_again_by_itself(
    broker_url: str, publisher: Publisher, queue: Queue
) -> None:
    publisher.publish(happened(queue))
    worker = [sys.executable, "-c", DYING, broker_url, queue.name]
    for _ in range(2):
        assert subprocess.run(worker, check=False, timeout=60).returncode == 9
    moments: list[float] = []
    began = time.monotonic()
    with consuming(broker_url, queue, lambda _event, _attempt: moments.append(time.monotonic())):
        wait_for(lambda: bool(moments))
    # Delayed twice, so that the other messages of those workers are not worked on together with this one again.
    assert moments[0] - began >= 0.75 * topology.RETRY_DELAYS_S[1]


def test_message_that_the_broker_gives_up_is_a_dead_letter_with_its_reason(
    broker_url: str, publisher: Publisher, queue: Queue
) -> None:
    publisher.publish(happened(queue))
    for _ in range(topology.DELIVERY_LIMIT + 1):
        wait_for(lambda: depth(broker_url, queue.name) == 1)
        with channel(broker_url) as opened:
            assert opened.basic_get(queue.name)[0] is not None  # and the connection is lost before an ack
    wait_for(lambda: depth(broker_url, queue.dead) == 1)
    with channel(broker_url) as opened:
        _, properties, body = opened.basic_get(queue.dead, auto_ack=True)
    assert properties is not None
    assert body is not None
    assert read(queue, properties, body).reason == "delivery-limit"


def test_fault_of_a_dependency_brings_the_message_back_later(
    broker_url: str, publisher: Publisher, queue: Queue
) -> None:
    moments: list[float] = []

    def handle(_event: Event, _attempt: int) -> None:
        moments.append(time.monotonic())
        if len(moments) < 3:
            raise TransientError("S3 is away")

    with consuming(broker_url, queue, handle):
        publisher.publish(happened(queue))
        wait_for(lambda: len(moments) == 3, within_s=20)
    assert moments[1] - moments[0] >= 0.7
    assert moments[2] - moments[1] >= 1.4
    assert depth(broker_url, queue.dead) == 0


class BlockedPublisher(Publisher):
    """A publisher on a broker with an alarm, until `alarm` is False."""

    alarm = True
    refused = 0

    def send(self, *args: Any, **kwargs: Any) -> None:
        if self.alarm:
            self.refused += 1
            raise NotPublishedError("blocked")
        super().send(*args, **kwargs)


def test_alarm_of_the_broker_sends_nothing_to_the_dead_letters(
    broker_url: str, publisher: Publisher, queue: Queue
) -> None:
    blocked = BlockedPublisher(broker_url, "test retries")
    handled = threading.Event()

    def handle(_event: Event, _attempt: int) -> None:
        if blocked.alarm:
            raise TransientError("the answer cannot be published either")
        handled.set()

    with consuming(broker_url, queue, handle, retrying=blocked):
        publisher.publish(happened(queue))
        # More often than the queue's delivery limit allows for a message that is returned.
        wait_for(lambda: blocked.refused > topology.DELIVERY_LIMIT + 1)
        assert depth(broker_url, queue.dead) == 0
        blocked.alarm = False
        assert handled.wait(10)
    assert depth(broker_url, queue.dead) == 0


def test_consumer_told_to_stop_under_an_alarm_stops_and_the_message_stays(
    broker_url: str, publisher: Publisher, queue: Queue
) -> None:
    begun = threading.Event()

    def handle(_event: Event, _attempt: int) -> None:
        begun.set()
        raise TransientError("S3 is away")

    with consuming(broker_url, queue, handle, retrying=BlockedPublisher(broker_url, "test retries")):
        publisher.publish(happened(queue))
        assert begun.wait(10)
    wait_for(lambda: depth(broker_url, queue.name) == 1)


def test_consumer_goes_on_after_its_queue_was_deleted_under_it(
    broker_url: str, publisher: Publisher, queue: Queue
) -> None:
    seen: list[Event] = []
    with consuming(broker_url, queue, lambda event, _attempt: seen.append(event)) as consumer:
        assert consumer.connected.wait(10)
        with channel(broker_url) as opened:
            opened.queue_delete(queue.name)
        event = happened(queue)

        def published() -> bool:
            try:
                publisher.publish(event)
            except NotPublishedError:
                return False
            return True

        wait_for(published)
        wait_for(lambda: seen == [event])


def test_dead_letter_bears_to_be_looked_at_any_number_of_times(
    broker_url: str, publisher: Publisher, queue: Queue
) -> None:
    publisher.send("", queue.dead, b"junk", "message-1", headers={})
    with channel(broker_url) as opened:
        for _ in range(25):
            method, _, _ = opened.basic_get(queue.dead)
            assert method is not None
            assert method.delivery_tag is not None
            opened.basic_reject(method.delivery_tag, requeue=True)
            wait_for(lambda: depth(broker_url, queue.dead) == 1)


def test_message_that_waits_holds_up_no_other(broker_url: str, publisher: Publisher, queue: Queue) -> None:
    seen: list[str] = []

    def handle(event: Event, _attempt: int) -> None:
        if event.subject == "slow":
            raise TransientError("later")
        seen.append(event.event_id)

    with consuming(broker_url, queue, handle, threads=1):
        publisher.publish(Event(queue.types[0], "/test", "slow", "r", {}))
        for _ in range(5):
            publisher.publish(happened(queue))
        wait_for(lambda: len(seen) == 5, within_s=3)


def test_what_is_no_event_goes_to_the_dead_letters_with_its_reason(
    broker_url: str, publisher: Publisher, queue: Queue
) -> None:
    def handle(_event: Event, _attempt: int) -> None:
        raise AssertionError("never called")

    with consuming(broker_url, queue, handle):
        publisher.send("", queue.name, b"junk", "message-1", headers={})
        wait_for(lambda: depth(broker_url, queue.dead) == 1)
    with channel(broker_url) as opened:
        _, properties, body = opened.basic_get(queue.dead, auto_ack=True)
    assert properties is not None
    assert properties.headers is not None
    assert (body, properties.message_id) == (b"junk", "message-1")
    assert properties.headers["x-reason"] == "malformed-message"


def test_defect_is_tried_again_and_then_given_up(broker_url: str, publisher: Publisher, queue: Queue) -> None:
    attempts: list[str] = []

    def handle(event: Event, _attempt: int) -> None:
        attempts.append(event.event_id)
        raise RuntimeError("a defect")

    with consuming(broker_url, queue, handle):
        publisher.publish(happened(queue))
        wait_for(lambda: depth(broker_url, queue.dead) == 1, within_s=20)
    assert len(attempts) == 3
    assert depth(broker_url, queue.name) == 0


def test_work_in_hand_is_finished_and_acked_when_told_to_stop(
    broker_url: str, publisher: Publisher, queue: Queue
) -> None:
    begun, finished = threading.Event(), threading.Event()

    def handle(_event: Event, _attempt: int) -> None:
        begun.set()
        time.sleep(1)
        finished.set()

    with consuming(broker_url, queue, handle) as consumer:
        publisher.publish(happened(queue))
        assert begun.wait(10)
        consumer.stop.set()
    assert finished.is_set()
    assert depth(broker_url, queue.name) == 0


def test_relay_sends_what_was_committed_and_nothing_else(
    broker_url: str, publisher: Publisher, queue: Queue, catalog_database: Database[Store]
) -> None:
    def write(connection: sa.Connection, *, stumble: bool) -> None:
        add(connection, outbox, happened(queue))
        if stumble:
            raise RuntimeError("rolled back")

    with catalog_database.engine.begin() as connection:
        write(connection, stumble=False)
    with pytest.raises(RuntimeError), catalog_database.engine.begin() as connection:
        write(connection, stumble=True)
    relay = Relay(catalog_database.engine, outbox, publisher)
    assert relay.relay_batch() == 1
    assert relay.relay_batch() == 0
    wait_for(lambda: depth(broker_url, queue.name) == 1)


def test_what_no_queue_takes_stays_due_and_holds_up_no_other(
    publisher: Publisher, queue: Queue, catalog_database: Database[Store]
) -> None:
    with catalog_database.engine.begin() as connection:
        add(connection, outbox, Event("nobody.listens", "/test", "s", "r", {}))
        add(connection, outbox, happened(queue))
    relay = Relay(catalog_database.engine, outbox, publisher)
    with pytest.raises(NotPublishedError):
        relay.relay_batch()
    with catalog_database.engine.connect() as connection:
        states = dict(connection.execute(sa.select(outbox.c.type, outbox.c.state)).all())
    assert states == {"nobody.listens": "due", queue.types[0]: "published"}


def test_event_that_is_committed_late_is_not_passed_over(
    publisher: Publisher, queue: Queue, database_url: str, broker_url: str
) -> None:
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=database_url))
    database.migrate()
    relay = Relay(database.engine, outbox, publisher)
    early, late = happened(queue), happened(queue)
    with database.engine.begin() as slow:
        add(slow, outbox, early)
        with database.engine.begin() as fast:
            add(fast, outbox, late)
        assert relay.relay_batch() == 1
    assert relay.relay_batch() == 1
    wait_for(lambda: depth(broker_url, queue.name) == 2)
    database.engine.dispose()


def test_relay_that_dies_with_a_batch_is_replaced_when_its_lease_runs_out(
    publisher: Publisher, queue: Queue, catalog_database: Database[Store]
) -> None:
    with catalog_database.engine.begin() as connection:
        add(connection, outbox, happened(queue))
    with catalog_database.engine.begin() as connection:
        assert len(lease(connection, outbox)) == 1  # and then it dies
    relay = Relay(catalog_database.engine, outbox, publisher)
    assert relay.relay_batch() == 0
    with catalog_database.engine.begin() as connection:
        connection.execute(outbox.update().values(date_leased_until=sa.text("'2020-01-01 00:00:00'")))
    assert relay.relay_batch() == 1


def test_many_relays_send_each_event_once(broker_url: str, queue: Queue, catalog_database: Database[Store]) -> None:
    with catalog_database.engine.begin() as connection:
        for _ in range(250):
            add(connection, outbox, happened(queue))

    def relay_all(_: int) -> int:
        publisher = Publisher(broker_url, "test")
        relay = Relay(catalog_database.engine, outbox, publisher)
        moved = 0
        while batch := relay.relay_batch():
            moved += batch
        publisher.close()
        return moved

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(relay_all, range(3))) == 250
    wait_for(lambda: depth(broker_url, queue.name) == 250)


def test_age_of_what_is_due_is_seen_also_while_the_broker_is_away(catalog_database: Database[Store]) -> None:
    stop = threading.Event()
    relay = Relay(catalog_database.engine, outbox, Publisher("amqp://127.0.0.1:9", "test"), stop)
    with catalog_database.engine.begin() as connection:
        add(connection, outbox, Event("something.happened", "/test", "s", "r", {}))
        connection.execute(outbox.update().values(date_created=sa.text("'2020-01-01 00:00:00'")))
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        relay.tidy()
        assert (REGISTRY.get_sample_value("imghost_outbox_oldest_age_seconds") or 0) > 86400
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()


def test_what_was_published_long_ago_is_swept_and_nothing_else(
    catalog_database: Database[Store], publisher: Publisher
) -> None:
    moment = now()
    row = {"type": "something.happened", "body": b"{}", "date_created": moment - 2 * KEEP_PUBLISHED}
    published = {**row, "state": "published", "date_published": moment - 2 * KEEP_PUBLISHED}
    with catalog_database.engine.begin() as connection:
        # More than one batch of the sweep.
        connection.execute(
            outbox.insert(), [{**published, "id": f"old {number}"} for number in range(2 * SWEEP_BATCH + 1)]
        )
        connection.execute(outbox.insert(), {**published, "id": "fresh", "date_published": moment})
        connection.execute(outbox.insert(), {**row, "id": "due", "state": "due"})
    Relay(catalog_database.engine, outbox, publisher).tidy()
    with catalog_database.engine.connect() as connection:
        assert set(connection.scalars(sa.select(outbox.c.id))) == {"fresh", "due"}


def test_relay_is_woken_by_the_commit_and_need_not_look_again(
    broker_url: str, queue: Queue, database_url: str, publisher: Publisher
) -> None:
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=database_url))
    database.migrate()
    relay = Relay(database.engine, outbox, publisher, wakeable_poll_s=60)
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        wait_for(lambda: listener(database) is not None)
        with database.engine.begin() as connection:
            add(connection, outbox, happened(queue))
        wait_for(lambda: depth(broker_url, queue.name) == 1)
    finally:
        relay.stop.set()
        with database.engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))
        thread.join(timeout=30)
        database.engine.dispose()
    assert not thread.is_alive()


def test_relay_goes_on_when_its_connection_for_wake_ups_is_lost(
    broker_url: str, queue: Queue, database_url: str, publisher: Publisher
) -> None:
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=database_url))
    database.migrate()
    relay = Relay(database.engine, outbox, publisher)
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        wait_for(lambda: listener(database) is not None)
        with database.engine.begin() as connection:
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": listener(database)})
            add(connection, outbox, happened(queue))
        wait_for(lambda: depth(broker_url, queue.name) == 1)
        wait_for(lambda: listener(database) is not None)
    finally:
        relay.stop.set()
        thread.join(timeout=30)
        database.engine.dispose()
    assert not thread.is_alive()


def test_of_several_relays_one_is_woken_and_another_when_that_is_gone(database_url: str) -> None:
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=database_url))
    first, second = (Wakeup(database.engine, CHANNEL) for _ in range(2))

    def is_woken(waiting: Wakeup) -> bool:
        with database.engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))
        began = time.monotonic()
        waiting.wait(timeout_s=0.5, poll_s=0.5, stop=threading.Event())
        return time.monotonic() - began < 0.4

    try:
        for waiting in (first, second):  # whoever comes first listens
            waiting.wait(timeout_s=0, poll_s=0, stop=threading.Event())
        assert is_woken(first)
        assert not is_woken(second)
        first.close()
        assert not is_woken(second)  # it begins to listen
        assert is_woken(second)
        with database.engine.begin() as connection:
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": listener(database)})
        first.wait(timeout_s=0, poll_s=0, stop=threading.Event())
        assert is_woken(first)
    finally:
        first.close()
        second.close()
        database.engine.dispose()


def test_relay_without_a_broker_is_not_the_one_that_is_woken(database_url: str) -> None:
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=database_url))
    database.migrate()
    relay = Relay(database.engine, outbox, Publisher("amqp://127.0.0.1:9", "test"))
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        wait_for(lambda: listener(database) is not None)
        with database.engine.begin() as connection:
            add(connection, outbox, Event("something.happened", "/test", "s", "r", {}))
        wait_for(lambda: listener(database) is None)
    finally:
        relay.stop.set()
        thread.join(timeout=30)
        database.engine.dispose()


def listener(database: Database[Store]) -> int | None:
    """Return the PostgreSQL process whose connection waits for wake-ups, or None."""
    with database.engine.connect() as connection:
        found: int | None = connection.scalar(sa.text(LISTENERS))
        return found


def test_password_that_the_broker_refuses_is_told_from_a_broker_that_is_away(broker_url: str) -> None:
    parts = urlsplit(broker_url)
    refused = broker_url.replace(f":{parts.password}@", ":hidden-password@")
    away = f"amqp://imghost:hidden-password@{parts.hostname}:9/%2F"
    event = Event("test.happened", "/test", "subject", "request", {})
    for url, is_refused in ((refused, True), (away, False)):
        publisher, depths = Publisher(url, "test"), Depths(url)
        with pytest.raises(NotPublishedError) as told:
            publisher.publish(event)
        with pytest.raises(DependencyDownError) as measured:
            depths.measure(Queue("test.refused", ()))
        for said in (str(told.value), measured.value.for_operators):
            assert ("keeps the password of its first start" in said) == is_refused, said
            assert len(said.splitlines()) == 1
            assert "hidden" not in said


def test_queue_takes_no_longer_what_it_took_in_an_earlier_release(
    broker_url: str, queue: Queue, publisher: Publisher
) -> None:
    with pika.BlockingConnection(pika.URLParameters(broker_url)) as connection:
        topology.declare(connection.channel(), queue)
        publisher.publish(happened(queue))
        topology.declare(connection.channel(), Queue(queue.name, (), formerly=queue.types))
    with pytest.raises(NotPublishedError, match="no queue takes"):
        publisher.publish(happened(queue))
    assert depth(broker_url, queue.name) == 1
