"""Lists, membership, ownership and odd keys, alike on both databases."""

import base64
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

import catalog.bootstrap
import catalog.settings
from catalog import use_cases
from catalog.adapters.queries import Position
from catalog.adapters.store import Store
from catalog.adapters.tables import images, outbox, upload_prefixes
from catalog.domain import Image
from catalog.errors import (
    CollectionNameTakenError,
    CollectionNotFoundError,
    ImageExistsError,
    ImageNotFoundError,
    KeyNotAllowedError,
    UnacceptableKeyError,
)
from catalog.keys import MAX_KEY_BYTES
from catalog.places import START
from catalog.uploads import check_filename
from catalog.worker import forget
from catalog_steps import ANNA, BERT, Steps, images_of_anna, page_of
from chassis.clock import now
from chassis.database import outbox as chassis_outbox
from chassis.database.database import Database
from chassis.envelope import Event
from chassis.web.etags import StaleError
from chassis.web.paging import PAGE_BYTES

ODD_KEYS = ["a b", "a+b", "100%", "a%2Fb", "what?", "x#y", "back\\slash", "ä", "a\u0308", "🏔/é", "'; --", "A", "a"]


def test_keys_that_differ_in_any_byte_are_different_images(steps: Steps) -> None:
    made = {key: steps.register(key).image_id for key in ODD_KEYS}
    assert len(set(made.values())) == len(ODD_KEYS)
    assert {key: steps.image(key).image_id for key in ODD_KEYS} == made


def found(database: Database[Store], after: Position | None) -> Sequence[Image]:
    """Return the first images of Anna after a position."""
    page, end = images_of_anna(database, 10, after)
    assert end is None
    return page


def test_images_are_listed_newest_first_and_paged_without_gaps(steps: Steps, catalog_database: Database[Store]) -> None:
    keys = [f"page/{number}" for number in range(25)]
    for key in keys:
        steps.register(key)
    steps.register("not mine", BERT)
    listed: list[str] = []
    after = None
    while page := found(catalog_database, after):
        listed += [image.s3_key for image in page]
        after = (page[-1].date_created, page[-1].image_id)
    assert listed == keys[::-1]


EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("moment", [EARLIEST, LATEST])
def test_list_goes_on_at_any_moment_that_a_cursor_can_name(
    steps: Steps, catalog_database: Database[Store], moment: datetime
) -> None:
    image = steps.register("a")
    after = (moment, image.image_id)
    assert found(catalog_database, after) == ([image] if moment == LATEST else [])
    assert catalog_database.read(use_cases.list_collections, ANNA, 10, after) == []


def test_members_keep_the_order_in_which_they_were_added(steps: Steps, catalog_database: Database[Store]) -> None:
    collection = catalog_database.transact(use_cases.create_collection, ANNA, "c")
    order = ["b", "a", "c"]
    for key in sorted(order):
        steps.register(key)
    for key in [*order, "b"]:
        catalog_database.transact(use_cases.put_member, ANNA, "c", key)
    members = page_of(catalog_database, use_cases.list_members, collection, 10, PAGE_BYTES, START)
    assert [image.s3_key for _, image in members] == order
    assert page_of(catalog_database, use_cases.list_members, collection, 10, PAGE_BYTES, (2**63 - 1, 0)) == []
    catalog_database.transact(use_cases.remove_member, ANNA, "c", "b")
    catalog_database.transact(use_cases.remove_member, ANNA, "c", "b")
    catalog_database.transact(use_cases.put_member, ANNA, "c", "b")
    members = page_of(catalog_database, use_cases.list_members, collection, 10, PAGE_BYTES, START)
    assert [image.s3_key for _, image in members] == ["a", "c", "b"]


def test_deleting_an_image_takes_it_out_of_its_collections(steps: Steps, catalog_database: Database[Store]) -> None:
    collection = catalog_database.transact(use_cases.create_collection, ANNA, "c")
    steps.register("a")
    catalog_database.transact(use_cases.put_member, ANNA, "c", "a")
    steps.delete("a")
    assert page_of(catalog_database, use_cases.list_members, collection, 10, PAGE_BYTES, START) == []


def test_collection_names_are_unique_over_all_users(catalog_database: Database[Store]) -> None:
    catalog_database.transact(use_cases.create_collection, ANNA, "name")
    with pytest.raises(CollectionNameTakenError):
        catalog_database.transact(use_cases.create_collection, BERT, "name")
    with pytest.raises(CollectionNotFoundError):
        catalog_database.read(use_cases.own_collection, BERT, "name")


def test_images_of_another_user_stay_out_of_a_collection(steps: Steps, catalog_database: Database[Store]) -> None:
    catalog_database.transact(use_cases.create_collection, ANNA, "c")
    steps.register("theirs", BERT)
    with pytest.raises(ImageNotFoundError):
        catalog_database.transact(use_cases.put_member, ANNA, "c", "theirs")


def test_prefix_that_was_handed_out_for_uploads_is_of_one_user(steps: Steps, catalog_database: Database[Store]) -> None:
    """Otherwise another user who learns of an upload could register it first, and decide about it from then on."""
    prefix = catalog_database.transact(use_cases.hand_out_prefix, ANNA)
    with pytest.raises(KeyNotAllowedError):
        steps.register(f"{prefix}/a.jpg", BERT)
    assert steps.register(f"{prefix}/a.jpg", ANNA).user_id == ANNA.user_id


def test_prefix_has_128_random_bits_and_leaves_room_for_the_longest_name(
    steps: Steps, catalog_database: Database[Store]
) -> None:
    """Once its time is over, who guesses it can register what was uploaded there."""
    prefixes = [catalog_database.transact(use_cases.hand_out_prefix, ANNA) for _ in range(2)]
    bits = [base64.b32decode(prefix.upper() + "======") for prefix in prefixes]
    assert [len(each) for each in bits] == [16, 16]
    assert bits[0] != bits[1]
    longest = "x" * (MAX_KEY_BYTES - len(prefixes[0]) - 1)
    check_filename(longest)
    steps.register(f"{prefixes[0]}/{longest}", ANNA)
    with pytest.raises(UnacceptableKeyError):
        check_filename(f"{longest}x")


def test_prefix_is_reserved_for_a_time_and_then_shared(steps: Steps, catalog_database: Database[Store]) -> None:
    old, recent = ([catalog_database.transact(use_cases.hand_out_prefix, ANNA) for _ in range(25)] for _ in range(2))
    registered = steps.register(f"{old[0]}/a.jpg", ANNA)
    week = timedelta(days=7)
    with catalog_database.engine.begin() as connection:
        long_ago = now() - week - timedelta(seconds=1)
        connection.execute(
            upload_prefixes.update().where(upload_prefixes.c.prefix.in_(old)).values(date_created=long_ago)
        )
    forget(Store.forget_upload_prefixes, catalog_database, week, threading.Event(), batch=10)
    owners = {prefix: catalog_database.read(Store.owner_of_upload_prefix, prefix) for prefix in (*old, *recent)}
    assert owners == dict.fromkeys(old) | dict.fromkeys(recent, ANNA.user_id)
    assert steps.image(registered.s3_key) == registered
    with pytest.raises(ImageExistsError):
        steps.register(registered.s3_key, BERT)
    assert steps.register(f"{old[1]}/b.jpg", BERT).user_id == BERT.user_id


def test_forgetting_prefixes_ends_between_batches_if_the_worker_is_to_end(catalog_database: Database[Store]) -> None:
    prefixes = [catalog_database.transact(use_cases.hand_out_prefix, ANNA) for _ in range(5)]
    stop = threading.Event()
    stop.set()
    forget(Store.forget_upload_prefixes, catalog_database, timedelta(0), stop, batch=2)
    left = [prefix for prefix in prefixes if catalog_database.read(Store.owner_of_upload_prefix, prefix)]
    assert len(left) == 3


def test_sample_of_a_prefix_is_not_recorded(catalog_database: Database[Store]) -> None:
    prefix = catalog_database.read(use_cases.sample_prefix, ANNA)
    assert catalog_database.read(Store.owner_of_upload_prefix, prefix) is None


def test_image_of_another_user_answers_like_one_that_is_not_there(
    steps: Steps, catalog_database: Database[Store]
) -> None:
    image = steps.register("theirs", BERT)
    for key in ("theirs", "no such"):
        with pytest.raises(ImageNotFoundError):
            catalog_database.read(use_cases.own_image, ANNA, key)
        with pytest.raises(ImageNotFoundError):
            steps.reprocess(key, ANNA)
        with pytest.raises(ImageNotFoundError):
            steps.delete(key, ANNA)
    assert steps.image("theirs") == image


def test_change_of_a_title_is_updated_later_than_the_state_before_although_the_clock_went_back(
    steps: Steps, catalog_database: Database[Store]
) -> None:
    image = steps.register("a")
    ahead = now() + timedelta(minutes=1)
    with catalog_database.engine.begin() as connection:
        connection.execute(images.update().values(date_updated=ahead))
    changed = catalog_database.transact(
        use_cases.change_image, ANNA, "a", lambda _: None, title="new", description=None, reprocess=False
    )
    assert changed.date_updated > ahead
    assert steps.image("a") == changed
    assert image.date_updated < ahead


def stale(_image: Image) -> None:
    """Raise `StaleError`, as for an image that is not in the state which the caller has read."""
    raise StaleError


def test_image_in_another_state_than_the_caller_has_read_is_neither_changed_nor_deleted(
    steps: Steps, catalog_database: Database[Store]
) -> None:
    image = steps.register("a")
    with pytest.raises(StaleError):
        catalog_database.transact(
            use_cases.change_image, ANNA, "a", stale, title="new", description=None, reprocess=True
        )
    with pytest.raises(StaleError):
        catalog_database.transact(use_cases.delete_image, ANNA, "a", stale)
    assert steps.image("a") == image


def test_use_case_that_raises_leaves_nothing_behind(steps: Steps, catalog_database: Database[Store]) -> None:
    def register_and_stumble(store: Store) -> None:
        queue = store.key_queue(image.s3_key, image.s3_bucket)
        queue.register(image)
        store.save(queue)
        raise RuntimeError("stumbled")

    image = steps.register("first")
    steps.delete("first")
    with pytest.raises(RuntimeError, match="stumbled"):
        catalog_database.transact(register_and_stumble)
    with pytest.raises(ImageNotFoundError):
        steps.image("first")


def test_key_queue_is_saved_once(steps: Steps, catalog_database: Database[Store]) -> None:
    """Saved again it would add its jobs and send its message twice."""
    image = steps.register()

    def save_twice(store: Store) -> None:
        queue = store.key_queue(image.s3_key)
        queue.renew(image)
        store.save(queue)
        store.save(queue)

    with pytest.raises(AssertionError, match="saved once"):
        catalog_database.transact(save_twice)
    assert len(steps.jobs()) == 1


def test_most_events_stay_on_their_page_when_they_are_leased(database_url: str) -> None:
    """Then no index of the outbox has to be written. Which of the updates are so, PostgreSQL counts."""
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=database_url))
    database.migrate()
    for _ in range(chassis_outbox.BATCH):
        database.transact(Store.send, Event("user.deleted", "/auth", "user", "request", {"user_id": "x" * 300}))
    with database.engine.begin() as connection:
        leased = len(chassis_outbox.lease(connection, outbox))
        kept = connection.scalar(sa.text("SELECT pg_stat_get_xact_tuples_hot_updated('outbox'::regclass)"))
    assert kept > 0.8 * leased > 0
    database.engine.dispose()


def test_deletions_leave_the_outbox_after_all_other_jobs(
    catalog_database: Database[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis_outbox, "BATCH", 2)
    steps = Steps(catalog_database)
    for number in range(3):
        image = steps.register(f"gone/{number}")
        steps.processed(image)
        steps.delete(f"gone/{number}")
    with catalog_database.engine.begin() as connection:  # what was registered there has left
        connection.execute(outbox.update().where(outbox.c.type != "image.deleted").values(state="published"))
    steps.register("new")
    with catalog_database.engine.begin() as connection:
        leaving = [[row.type for row in chassis_outbox.lease(connection, outbox)] for _ in range(2)]
    assert leaving == [["image.created", "image.deleted"], ["image.deleted", "image.deleted"]]
