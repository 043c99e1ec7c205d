"""What is remembered of images that were deleted, and originals that go with them: never a registered one's."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from catalog import messages
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.adapters.tables import deleted_images, outbox
from catalog.domain import Image
from catalog.errors import ImageNotFoundError, KeyBlockedError, OriginalDeletedError, OriginalNotUploadedError
from catalog.upkeep import dead_letters, installation, takedown
from catalog.worker import DELETED_IMAGES, forget
from catalog_steps import ANNA, BERT, Steps
from chassis.broker.drain import DrainedMessage
from chassis.clock import now
from chassis.database.database import Database
from chassis.envelope import Event

Asked = Callable[[], list[tuple[str, bool]]]


@pytest.fixture
def operators(catalog_database: Database[Store]) -> Database[OperatorsStore]:
    return Database(catalog_database.engine, OperatorsStore, catalog_database.migrations)


@pytest.fixture
def asked(catalog_database: Database[Store]) -> Asked:
    """A function that returns the deletions that were sent to imaging so far: (key, with the original)."""

    def read() -> list[tuple[str, bool]]:
        return [(event.data["s3_key"], event.data["original"]) for event in deletions(catalog_database)]

    return read


def deletions(database: Database[Store]) -> list[Event]:
    query = sa.select(outbox.c.body).where(outbox.c.type == "image.deleted").order_by(outbox.c.date_created)
    with database.engine.connect() as connection:
        return [Event.decode(body) for body in connection.scalars(query)]


def a_day_passes(database: Database[Store]) -> None:
    """Let the worker forget what is a day old, as everything is now."""
    with database.engine.begin() as connection:
        long_ago = now() - DELETED_IMAGES - timedelta(seconds=1)
        connection.execute(deleted_images.update().values(date_deleted=long_ago))
    forget(Store.forget_deleted_images, database, DELETED_IMAGES, threading.Event())


def ready(steps: Steps) -> Image:
    image = steps.upload()
    steps.processed(image)
    return image


def test_own_upload_is_deleted_by_a_job(steps: Steps, asked: Asked) -> None:
    image = ready(steps)
    steps.delete(image.s3_key, original=True)
    assert asked() == [(image.s3_key, True)]
    steps.thumbs_deleted(image, original=True)
    assert steps.jobs(image.s3_key) == []


def test_original_stays_unless_asked_for(steps: Steps, asked: Asked) -> None:
    image = ready(steps)
    steps.delete(image.s3_key)
    assert asked() == [(image.s3_key, False)]
    steps.thumbs_deleted(image)
    assert steps.register(image.s3_key).status == "pending"


def test_original_goes_also_where_no_thumb_was_ever_made(steps: Steps, asked: Asked) -> None:
    image = ready(steps)
    steps.delete(image.s3_key)
    again = steps.register(image.s3_key)  # waits for the deletion, so that its own first job is never sent
    steps.delete(again.s3_key, original=True)
    steps.thumbs_deleted(image)
    assert asked() == [(image.s3_key, False), (image.s3_key, True)]


def test_what_came_to_s3_in_another_way_is_refused_and_stays_as_it_is(
    steps: Steps, asked: Asked, catalog_database: Database[Store]
) -> None:
    elsewhere = steps.upload(bucket="elsewhere")  # under an own prefix, but not in the bucket of uploads
    shared = steps.register("a/b.jpg")
    old = ready(steps)
    forget(Store.forget_upload_prefixes, catalog_database, timedelta(0), threading.Event())
    steps.delete(old.s3_key)
    steps.thumbs_deleted(old)
    found = steps.register(old.s3_key, BERT)  # who knows the key, once its prefix is a shared one
    for image, caller in ((elsewhere, ANNA), (shared, ANNA), (found, BERT)):
        with pytest.raises(OriginalNotUploadedError):
            steps.delete(image.s3_key, caller, original=True)
        assert steps.image(image.s3_key) == image
    assert asked() == [(old.s3_key, False)]


def test_upload_is_the_users_also_when_its_prefix_is_forgotten(
    steps: Steps, asked: Asked, catalog_database: Database[Store]
) -> None:
    image = ready(steps)
    forget(Store.forget_upload_prefixes, catalog_database, timedelta(0), threading.Event())
    steps.delete(image.s3_key, original=True)
    assert asked() == [(image.s3_key, True)]


def test_key_is_free_a_day_after_the_original_is_gone_and_not_before(
    steps: Steps, catalog_database: Database[Store]
) -> None:
    """A copy of the job that comes late would delete the original of whoever registers the key."""
    image = ready(steps)
    steps.delete(image.s3_key, original=True)
    a_day_passes(catalog_database)  # imaging is away
    for bucket in ("pics", "elsewhere"):
        with pytest.raises(OriginalDeletedError):
            steps.register(image.s3_key, bucket=bucket)
    steps.thumbs_deleted(image, original=True)
    forget(Store.forget_deleted_images, catalog_database, DELETED_IMAGES, threading.Event())
    with pytest.raises(OriginalDeletedError):
        steps.register(image.s3_key)
    a_day_passes(catalog_database)
    assert steps.register(image.s3_key).status == "pending"


def test_answer_of_an_imaging_that_leaves_originals_is_not_taken_for_it(steps: Steps, asked: Asked) -> None:
    """An earlier release deletes the thumbs only; the job is sent again until a later one answers."""
    image = ready(steps)
    steps.delete(image.s3_key, original=True)
    steps.thumbs_deleted(image)
    (job,) = steps.jobs(image.s3_key)
    assert job.takes_original
    assert asked() == [(image.s3_key, True)]


def test_original_of_what_was_taken_down_is_the_operators(
    steps: Steps, operators: Database[OperatorsStore], asked: Asked
) -> None:
    image = ready(steps)
    operators.transact(takedown.take_down, image.s3_key, "a complaint")
    with pytest.raises(KeyBlockedError):
        steps.delete(image.s3_key, original=True)
    steps.delete(image.s3_key)
    assert all(not original for _, original in asked())


def test_another_installation_leaves_the_originals_of_the_one_it_was_copied_from(
    steps: Steps, operators: Database[OperatorsStore], asked: Asked
) -> None:
    leaving, staying = ready(steps), ready(steps)
    steps.delete(leaving.s3_key, original=True)
    operators.transact(installation.begin_anew)
    list(installation.resume(operators))
    assert asked()[-1] == (leaving.s3_key, False)
    with pytest.raises(OriginalNotUploadedError):
        steps.delete(staying.s3_key, original=True)
    assert steps.image(staying.s3_key).status == "ready"
    own = ready(steps)
    steps.delete(own.s3_key, original=True)
    assert asked()[-1] == (own.s3_key, True)


def given_up(steps: Steps, operators: Database[OperatorsStore]) -> tuple[Image, int]:
    """Return an upload whose deletion has become a dead letter, and the id of the letter."""
    image = ready(steps)
    steps.delete(image.s3_key, original=True)
    event = deletions(steps.database)[-1]
    letter = DrainedMessage("imaging.jobs", event.event_id, "exhausted", event.encode())
    steps.database.transact(dead_letters.keep, letter)
    (kept,) = operators.read(OperatorsStore.dead_letters, None, None, 10)
    return image, kept.dead_letter_id


def test_deletion_that_was_given_up_is_replayed_with_the_original(
    steps: Steps, operators: Database[OperatorsStore], asked: Asked, catalog_database: Database[Store]
) -> None:
    image, letter = given_up(steps, operators)
    assert steps.jobs(image.s3_key) == []
    a_day_passes(catalog_database)
    operators.transact(dead_letters.replay, letter)
    assert asked() == [(image.s3_key, True)] * 2
    with pytest.raises(OriginalDeletedError):
        steps.register(image.s3_key)


def test_replay_leaves_the_original_of_an_image_that_was_registered_since(
    steps: Steps, operators: Database[OperatorsStore], asked: Asked, catalog_database: Database[Store]
) -> None:
    image, letter = given_up(steps, operators)
    a_day_passes(catalog_database)
    again = steps.register(image.s3_key)
    operators.transact(dead_letters.replay, letter)
    steps.processed(again)
    assert asked() == [(image.s3_key, True), (image.s3_key, False)]


def test_jobs_of_an_earlier_release_take_no_original(steps: Steps, catalog_database: Database[Store]) -> None:
    image = ready(steps)
    steps.delete(image.s3_key, original=True)
    with catalog_database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET takes_original = NULL")
    assert [job.takes_original for job in steps.jobs(image.s3_key)] == [False]
    event = deletions(catalog_database)[0]
    earlier = {name: value for name, value in event.data.items() if name != "original"}
    assert not messages.takes_original(Event("image.deleted", "/catalog", image.image_id, "r", earlier))


def test_new_image_begins_above_the_one_before_for_a_day(steps: Steps, catalog_database: Database[Store]) -> None:
    for generation in (1, 2, 3):
        image = steps.register()
        assert image.generation == generation == steps.image().generation
        steps.delete()
    a_day_passes(catalog_database)
    assert steps.register().generation == 1


def test_second_deletion_finds_nothing(steps: Steps) -> None:
    image = ready(steps)
    steps.delete(image.s3_key, original=True)
    with pytest.raises(ImageNotFoundError):
        steps.delete(image.s3_key, original=True)
