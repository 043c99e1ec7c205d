"""The watchdog: work that is pending for too long is sent again, and work that waits its turn is not."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pika
import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from catalog.adapters.store import Store
from catalog.adapters.tables import images, jobs, outbox
from catalog.jobs.watchdog import Watchdog
from catalog_steps import Sent, Steps
from chassis.broker import topology
from chassis.broker.depths import Depths
from chassis.broker.publisher import Publisher
from chassis.broker.topology import Queue
from chassis.clock import now
from chassis.database.database import Database
from chassis.errors import DependencyDownError
from deadlines import until


@pytest.fixture
def queues(broker_url: str) -> Iterator[tuple[Queue, Queue]]:
    """Two empty queues of the test's own, each with a consumer that takes one message and keeps it unacknowledged."""
    made = Queue(f"test.{uuid4().hex}", ()), Queue(f"test.{uuid4().hex}", ())
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    for queue in made:
        topology.declare(channel, queue)
        channel.basic_consume(queue.name, lambda *_: None)
    yield made
    for queue in made:
        for name in (queue.name, queue.dead, *(queue.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
            channel.queue_delete(name)
    connection.close()


@pytest.fixture
def depths(broker_url: str) -> Iterator[Depths]:
    depths = Depths(broker_url)
    yield depths
    depths.close()


@pytest.fixture
def watchdog(catalog_database: Database[Store], depths: Depths, queues: tuple[Queue, Queue]) -> Watchdog:
    return Watchdog(catalog_database, depths, queues, stuck_after=timedelta(0))


def looks(watchdog: Watchdog) -> int:
    """Look twice, since only what is missing at two looks in a row is lost; return how many keys were restarted."""
    assert watchdog.look() == 0
    return watchdog.look()


@pytest.fixture
def relayed(catalog_database: Database[Store]) -> Callable[[], None]:
    """Empty the outbox, as a relay does whose messages are then lost."""

    def take() -> None:
        with catalog_database.engine.begin() as connection:
            connection.execute(outbox.update().values(state="published", date_published=now()))

    return take


def test_lost_job_is_asked_for_again_under_a_new_generation(
    watchdog: Watchdog, steps: Steps, sent: Sent, relayed: Callable[[], None], open_jobs: Callable[[], int]
) -> None:
    image = steps.register()
    relayed()
    assert looks(watchdog) == 1
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
    assert looks(watchdog) == 1
    assert sent()[-1] == ("image.deleted", image.image_id, 1)
    steps.thumbs_deleted(image)
    assert sent()[-1] == ("image.reprocess", again.image_id, 3)


def test_pending_image_without_any_job_is_queued(
    watchdog: Watchdog, steps: Steps, sent: Sent, relayed: Callable[[], None], catalog_database: Database[Store]
) -> None:
    image = steps.register()
    relayed()
    with catalog_database.engine.begin() as connection:
        connection.execute(jobs.delete())
    assert looks(watchdog) == 1
    assert sent()[-1] == ("image.reprocess", image.image_id, 2)


def test_nothing_is_stuck_while_the_relay_is_behind(
    watchdog: Watchdog, steps: Steps, catalog_database: Database[Store]
) -> None:
    steps.register()
    with catalog_database.engine.begin() as connection:
        connection.execute(outbox.update().values(date_created=now() - timedelta(minutes=1)))
    assert looks(patient(watchdog)) == 0


def patient(watchdog: Watchdog) -> Watchdog:
    """Return `watchdog` with patience for work that may be waiting, and none for other work."""
    return replace(watchdog, stuck_after=timedelta(microseconds=1), patience=10**12)


def put(broker_url: str, queue: Queue, name: str) -> None:
    """Put messages into the queue `name`, one of those of `queue`, and wait until the broker counts them."""
    publisher = Publisher(broker_url, "test")
    for _ in range(2):  # the consumer has one more
        publisher.send("", name, b"{}", "m", headers={})
    publisher.close()
    depths = Depths(broker_url)
    until(lambda: not depths.measure(queue).is_idle, 10, "the messages are counted")
    depths.close()


@pytest.mark.parametrize("name", ["jobs", "retries", "results"])
def test_nothing_is_stuck_while_messages_wait_in_the_broker(
    watchdog: Watchdog, steps: Steps, relayed: Callable[[], None], broker_url: str, name: str
) -> None:
    steps.register()
    relayed()
    watched = watchdog.queues[1 if name == "results" else 0]
    put(broker_url, watched, watched.retry(30) if name == "retries" else watched.name)
    assert looks(patient(watchdog)) == 0


def test_what_is_lost_behind_messages_that_never_end_is_asked_for_again_ever_more_seldom(
    watchdog: Watchdog, steps: Steps, relayed: Callable[[], None], broker_url: str, catalog_database: Database[Store]
) -> None:
    def age() -> None:
        with catalog_database.engine.begin() as connection:
            # The two moments move apart: if they were equal, it would not matter which of them is compared.
            for column, by in ((images.c.date_pending, timedelta(minutes=61)), (jobs.c.date_sent, timedelta(hours=1))):
                [date] = connection.execute(sa.select(column)).scalars().all()
                connection.execute(sa.update(column.table).values({column.name: date - by}))

    steps.register()
    relayed()
    put(broker_url, watchdog.queues[0], watchdog.queues[0].retry(30))
    watchdog = replace(watchdog, stuck_after=timedelta(minutes=50) / watchdog.patience)
    asked = []
    for _ in range(16):
        asked.append(watchdog.look())
        age()
    # First when the patience is over, then each time after as long again as until the last re-send.
    assert [number for number, count in enumerate(asked) if count] == [1, 3, 7, 15]


def test_broker_that_tells_of_no_consumers_is_not_believed(
    catalog_database: Database[Store], steps: Steps, relayed: Callable[[], None], broker_url: str, depths: Depths
) -> None:
    unserved = Queue(f"test.{uuid4().hex}", ()), Queue(f"test.{uuid4().hex}", ())
    watchdog = Watchdog(catalog_database, depths, unserved, stuck_after=timedelta(0))
    steps.register()
    relayed()
    assert looks(patient(watchdog)) == 0
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    for queue in unserved:
        for name in (queue.name, queue.dead, *(queue.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
            connection.channel().queue_delete(name)
    connection.close()


def test_what_is_answered_between_two_looks_was_in_hand(
    watchdog: Watchdog, steps: Steps, relayed: Callable[[], None]
) -> None:
    image = steps.register()
    relayed()
    assert watchdog.look() == 0
    steps.processed(image)
    assert watchdog.look() == 0
    assert steps.image().generation == 1


def test_what_was_answered_or_is_young_is_left_alone(
    catalog_database: Database[Store], depths: Depths, queues: tuple[Queue, Queue], steps: Steps, sent: Sent,
    relayed: Callable[[], None],
) -> None:  # fmt: skip
    steps.processed(steps.register("done.jpg"))
    steps.register("young.jpg")
    relayed()
    before = sent()
    assert looks(Watchdog(catalog_database, depths, queues, stuck_after=timedelta(minutes=5))) == 0
    assert sent() == before


def test_age_of_what_is_pending_is_seen_also_while_the_broker_is_away(
    catalog_database: Database[Store], queues: tuple[Queue, Queue], steps: Steps
) -> None:
    steps.register()
    with catalog_database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE images SET date_pending = '2020-01-01 00:00:00'"))
    away = Watchdog(catalog_database, Depths("amqp://127.0.0.1:9"), queues, stuck_after=timedelta(0))
    with pytest.raises(DependencyDownError):
        away.look()
    assert (REGISTRY.get_sample_value("imghost_pending_images_oldest_age_seconds") or 0) > 86400


def test_key_that_cannot_begin_anew_holds_up_no_other(
    watchdog: Watchdog, steps: Steps, relayed: Callable[[], None], catalog_database: Database[Store]
) -> None:
    steps.register("a")
    steps.register("b")
    with catalog_database.engine.begin() as connection:
        unreadable = {"width": 1, "colors": [], "thumbs": [{"of": "a later release"}]}
        connection.execute(images.update().where(images.c.s3_key == "a").values(unreadable))
    relayed()
    assert looks(watchdog) == 1
    assert steps.image("b").generation == 2
