"""What is pending for too long is queued again, and what merely waits its turn is not."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import pika
import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from catalog.adapters.store import Store
from catalog.adapters.tables import images, jobs, outbox
from catalog.watchdog import BATCH, Watchdog
from catalog_steps import Sent, Steps
from chassis import depths, topology
from chassis.database import Database, now
from chassis.errors import DependencyDownError
from chassis.publisher import Publisher
from chassis.topology import Queue
from deadlines import until


@pytest.fixture
def queues(broker_url: str) -> Iterator[tuple[Queue, Queue]]:
    """Two queues of this test's own, both empty."""
    made = Queue(f"test.{uuid4().hex}", ()), Queue(f"test.{uuid4().hex}", ())
    yield made
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    for queue in made:
        for name in (queue.name, queue.dead, *(queue.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
            connection.channel().queue_delete(name)
    connection.close()


@pytest.fixture
def watchdog(catalog_database: Database[Store], broker_url: str, queues: tuple[Queue, Queue]) -> Watchdog:
    return Watchdog(catalog_database, broker_url, *queues, stuck_after=timedelta(0))


@pytest.fixture
def relayed(catalog_database: Database[Store]) -> Callable[[], None]:
    """Take what is due out of the outbox, as a relay does whose messages are then lost."""

    def take() -> None:
        with catalog_database.engine.begin() as connection:
            connection.execute(outbox.update().values(state="published", date_published=now()))

    return take


def test_lost_job_is_asked_for_again_under_a_new_generation(
    watchdog: Watchdog, steps: Steps, sent: Sent, relayed: Callable[[], None], open_jobs: Callable[[], int]
) -> None:
    image = steps.register()
    relayed()
    assert watchdog.look() == 1
    assert sent()[-1] == ("image.reprocess", image.image_id, 2)
    assert open_jobs() == 1
    steps.processed(steps.image())
    assert steps.image().status == "ready"
    assert open_jobs() == 0


def test_lost_deletion_is_asked_for_again_as_it_is(
    watchdog: Watchdog, steps: Steps, sent: Sent, relayed: Callable[[], None]
) -> None:
    image = steps.register()
    steps.processed(image)
    steps.delete()
    again = steps.register()
    relayed()
    assert watchdog.look() == 1
    assert sent()[-1] == ("image.deleted", image.image_id, 1)
    steps.thumbs_deleted(image)
    assert sent()[-1] == ("image.reprocess", again.image_id, 2)


def test_pending_image_without_any_job_is_queued(
    watchdog: Watchdog, steps: Steps, sent: Sent, relayed: Callable[[], None], catalog_database: Database[Store]
) -> None:
    image = steps.register()
    relayed()
    with catalog_database.engine.begin() as connection:
        connection.execute(jobs.delete())
    assert watchdog.look() == 1
    assert sent()[-1] == ("image.reprocess", image.image_id, 2)


def test_nothing_is_stuck_while_the_relay_is_behind(
    watchdog: Watchdog, steps: Steps, catalog_database: Database[Store]
) -> None:
    steps.register()
    with catalog_database.engine.begin() as connection:
        connection.execute(outbox.update().values(date_created=now() - timedelta(minutes=1)))
    assert watchdog.look() == 0


def put(broker_url: str, queue: Queue, name: str, messages: int = 1) -> None:
    """Put MESSAGES into the part of QUEUE that has this NAME, and wait until the broker counts them."""
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    topology.declare(connection.channel(), queue)
    connection.close()
    publisher = Publisher(broker_url, "test")
    for _ in range(messages):
        publisher.send("", name, b"{}", "m", headers={})
    publisher.close()

    def counted() -> int:
        depth = depths.measure(broker_url, queue)
        return depth.ready + depth.retrying + depth.dead

    until(lambda: counted() == messages, 10, "the messages are counted")


@pytest.mark.parametrize("name", ["jobs", "retries", "results"])
def test_nothing_is_stuck_while_messages_wait_in_the_broker(
    watchdog: Watchdog, steps: Steps, relayed: Callable[[], None], broker_url: str, name: str
) -> None:
    steps.register()
    relayed()
    watched = watchdog.results if name == "results" else watchdog.jobs
    put(broker_url, watched, watched.retry(30) if name == "retries" else watched.name)
    assert watchdog.look() == 0


def test_what_is_retried_for_hours_hides_nothing_that_is_lost(
    watchdog: Watchdog, steps: Steps, relayed: Callable[[], None], broker_url: str
) -> None:
    steps.register("retried.jpg")
    steps.register("lost.jpg")
    relayed()
    put(broker_url, watchdog.jobs, watchdog.jobs.retry(30))
    assert watchdog.look() == 2  # which of them is lost cannot be told; the other's second answer changes nothing


def test_many_that_are_retried_for_hours_hide_nothing_that_is_lost(
    watchdog: Watchdog, steps: Steps, relayed: Callable[[], None], broker_url: str
) -> None:
    for number in range(BATCH + 20):
        steps.register(f"{number}.jpg")
    relayed()
    put(broker_url, watchdog.jobs, watchdog.jobs.retry(30), messages=BATCH + 10)
    assert watchdog.look() == BATCH


def test_what_was_answered_or_is_young_is_left_alone(
    catalog_database: Database[Store], broker_url: str, queues: tuple[Queue, Queue], steps: Steps, sent: Sent,
    relayed: Callable[[], None],
) -> None:  # fmt: skip
    steps.processed(steps.register("done.jpg"))
    steps.register("young.jpg")
    relayed()
    before = sent()
    assert Watchdog(catalog_database, broker_url, *queues, stuck_after=timedelta(minutes=5)).look() == 0
    assert sent() == before


def test_age_of_what_is_pending_is_seen_also_while_the_broker_is_away(
    catalog_database: Database[Store], queues: tuple[Queue, Queue], steps: Steps
) -> None:
    steps.register()
    with catalog_database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE images SET date_updated = '2020-01-01 00:00:00'"))
    away = Watchdog(catalog_database, "amqp://127.0.0.1:9", *queues, stuck_after=timedelta(0))
    with pytest.raises(DependencyDownError):
        away.look()
    assert (REGISTRY.get_sample_value("oldest_pending_seconds") or 0) > 86400


def test_key_that_cannot_begin_anew_holds_up_no_other(
    watchdog: Watchdog, steps: Steps, relayed: Callable[[], None], catalog_database: Database[Store]
) -> None:
    steps.register("a")
    steps.register("b")
    with catalog_database.engine.begin() as connection:
        unreadable = {"width": 1, "colors": [], "thumbs": [{"of": "a later release"}]}
        connection.execute(images.update().where(images.c.s3_key == "a").values(unreadable))
    relayed()
    assert watchdog.look() == 1
    assert steps.image("b").generation == 2
