"""What users, imaging, the loops of the worker and operators do to a catalog that `filled_catalog` has filled.

Together these are all statements of catalog. Each of the steps can be done again, in another `turn`, on other rows.
"""

import itertools
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from catalog import messages, use_cases, worker
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.adapters.tables import audit_notes, images, jobs, kept_answers, kept_in_hours, memberships, outbox
from catalog.domain import Chosen, Failed, Fault, Image, Limits, Search
from catalog.jobs import recovery
from catalog.runs import Selection
from catalog.upkeep import dead_letters, installation, reprocessing, takedown
from catalog.upkeep.status import FAILED_WITHIN, MINUTES
from catalog.users import forget_user
from catalog_steps import BUCKETS, Steps
from chassis.broker.drain import DrainedMessage
from chassis.clock import now
from chassis.database import audit_notes as chassis_audit_notes
from chassis.database import kept_answers as chassis_kept_answers
from chassis.database import outbox as chassis_outbox
from chassis.database.database import Database
from chassis.database.kept_answers import Kept
from chassis.envelope import Event
from chassis.idempotency import Claim, KeptAnswer
from chassis.tokens import Principal
from filled_catalog import BUCKET, COLLECTION, MEMBERS_AFTER_GAP, OWNER, SMALL_COLLECTION

PAGE, PAGE_BYTES, WATCHED = 1001, 256 * 1024, 500

# The functions whose statements may take longer the more there is, each with the reason. Who mends one removes it.
_COUNTS = "an exact number, counted in an index that holds nothing else: "
MAY_GROW = {
    "collection_queries.CollectionQueries.count_members": f"{_COUNTS}the members of one collection, some 0.1 µs each",
    "upkeep_queries.UpkeepQueries.pending": f"{_COUNTS}images that are pending",
    "upkeep_queries.UpkeepQueries.count_dead_letters": f"{_COUNTS}dead letters, until an operator has dealt with them",
    "outbox.due": f"{_COUNTS}events that wait for the broker",
    "operators_store.OperatorsStore.open_work": f"{_COUNTS}jobs, when an operator asks for them",
    "operators_store.OperatorsStore.spare_originals": "looks at all jobs, once, in a database that was restored",
    "operators_store.OperatorsStore.drop_due": "deletes all events that wait, once, in a database that was restored",
}


def of_service(database: Database[OperatorsStore]) -> Database[Store]:
    return Database(database.engine, Store, database.migrations)


def owner() -> Principal:
    return Principal(OWNER, "owner", "password")


def some_keys(
    database: Database[OperatorsStore], count: int, *conditions: sa.ColumnElement[bool], behind: int = 1000
) -> list[str]:
    """Return the keys of some images of the owner, those after the first `behind`."""
    with database.engine.connect() as connection:
        query = sa.select(images.c.s3_key).where(images.c.user_id == OWNER, *conditions)
        return list(connection.scalars(query.order_by(images.c.date_created).offset(behind).limit(count)))


def users_ask(database: Database[OperatorsStore], turn: int = 0) -> None:
    steps, caller, read, transact = Steps(of_service(database)), owner(), database.read, database.transact
    keys = some_keys(database, 100, images.c.status == "ready", behind=1000 + 100 * turn)
    unlimited = Limits(images=10**9, bytes=10**15, collections=10**9)
    transact(
        use_cases.register_image, caller, BUCKETS, s3_bucket=BUCKET, s3_key=f"new/{turn}.jpg", title="", description="",
        limits=unlimited,
    )  # fmt: skip
    transact(use_cases.hand_out_prefix, caller, unlimited)
    steps.reprocess(keys[0], caller)
    steps.delete(keys[1], caller)
    read(use_cases.public_image, keys[2])
    read(use_cases.public_images, keys)
    read(use_cases.own_images, [(caller, key) for key in keys])
    middle = read(use_cases.public_image, keys[50])
    for search, collection in searches(middle):
        for max_bytes, behind in ((PAGE_BYTES, None), (10**9, (middle.date_created, middle.image_id))):
            read(use_cases.find_images, caller, search, collection, limit=PAGE, max_bytes=max_bytes, after=behind)
    read(use_cases.stats, caller)
    transact(use_cases.create_collection, caller, "a-new-one", unlimited)
    mine = read(use_cases.list_collections, caller, PAGE, None)
    read(use_cases.list_collections, caller, PAGE, (mine[-1].date_created, mine[-1].collection_id))
    large = read(use_cases.public_collection, COLLECTION)
    with database.engine.connect() as connection:
        of_large = memberships.c.collection_id == large.collection_id
        last = connection.scalars(sa.select(sa.func.max(memberships.c.position)).where(of_large)).one()
    gap_ends = last - MEMBERS_AFTER_GAP
    read(use_cases.count_members, large)
    # From the beginning, in the middle, before the gap.
    for position in (0, gap_ends // 4, gap_ends // 2 - 5):
        for limit in (20, PAGE):
            read(use_cases.list_members, large, limit, PAGE_BYTES, (position, 0))
            read(use_cases.member_versions, large, limit, (position, 0))
    for before in (None, (gap_ends // 4, 0)):
        for limit in (31, PAGE):
            read(use_cases.newest_members, large, limit, PAGE_BYTES, before)
    transact(use_cases.put_member, caller, COLLECTION, keys[3])
    read(use_cases.get_member, caller, COLLECTION, keys[3])
    read(use_cases.public_member, large, keys[3])
    for key in keys[4:44]:  # more than there is room for at one spot
        transact(use_cases.put_member, caller, COLLECTION, key, behind=Chosen(keys[3]))
    transact(use_cases.put_member, caller, COLLECTION, keys[4], behind=Chosen(None))
    unchanged: dict[str, Any] = {"new_name": None, "title": None, "description": None}
    transact(use_cases.change_collection, caller, COLLECTION, lambda _, __: None, **unchanged, cover=Chosen(keys[4]))
    transact(use_cases.remove_member, caller, COLLECTION, keys[3])
    transact(use_cases.delete_collection, caller, "a-new-one", lambda _store, _collection: None)
    kept = Kept(kept_answers, kept_in_hours, 10**9, 10**15)
    claim = Claim(OWNER, f"digest {turn}", "fingerprint")
    with database.engine.begin() as connection:
        chassis_kept_answers.claim(connection, kept_answers, claim)
        chassis_kept_answers.keep(connection, kept, claim, KeptAnswer(201, {}, b"{}"))


def searches(image: Image) -> Iterator[tuple[Search, str | None]]:
    """Yield a search by each thing, by most pairs, and by all; and the name of the collection that it is in."""
    until = image.date_created
    moment: dict[str, Any] = {"created_after": until - timedelta(days=20), "created_before": until}
    sha256: dict[str, Any] = {"sha256": image.picture.sha256 if image.picture else None}
    # In all images, in one of fifty, in one, in none.
    texts: list[dict[str, Any]] = [{"text": text} for text in ("picture", "a beach", "picture 5000", "no such words")]
    statuses: list[dict[str, Any]] = [{"status": status} for status in ("pending", "ready", "failed")]
    kinds: list[dict[str, Any]] = [{"content_type": f"image/{name}"} for name in ("jpeg", "gif", "bmp")]
    each: list[dict[str, Any]] = [{}, moment, sha256, *texts, *statuses, *kinds]
    for one, other in itertools.combinations(each, 2):
        for oldest_first in (False, True):
            yield Search(**{**one, **other}, oldest_first=oldest_first), None
    for one in each:
        for collection in (COLLECTION, SMALL_COLLECTION):
            yield Search(**one), collection
    yield Search(**moment, **sha256, **texts[0], **statuses[1], **kinds[0]), COLLECTION


def imaging_answers(database: Database[OperatorsStore], turn: int = 0) -> None:
    steps = Steps(of_service(database))
    for key in some_keys(database, 3, images.c.status == "pending", behind=10):
        steps.processed(steps.image(key))
        steps.processed(steps.image(key))
    with database.engine.connect() as connection:
        waits = jobs.c.date_sent.is_(None)
        waiting = connection.scalars(sa.select(jobs.c.s3_key).where(waits).limit(1)).one()
    steps.answer(Failed(steps.image(waiting).registration, Fault("malformed", "broken")))
    letter = f"new/letter-{turn}.jpg"
    steps.register(letter, owner(), BUCKET)
    event = messages.job_event(steps.jobs(letter, BUCKET)[0], database.read(Store.installation))
    for body in (event.encode(), event.encode(), b"not ours"):
        database.transact(dead_letters.keep, DrainedMessage("imaging.jobs", event.event_id, "exhausted", body))


def loops_turn(database: Database[OperatorsStore], turn: int = 0) -> None:
    engine, stop, long_ago = database.engine, threading.Event(), now() - timedelta(days=365)
    with engine.begin() as connection:
        worker.may_relay(connection)
        leased = [row.id for row in chassis_outbox.lease(connection, outbox)]
        chassis_outbox.mark_published(connection, outbox, leased[:50])
        chassis_outbox.release(connection, outbox, leased[50:])
        chassis_outbox.due(connection, outbox)
        chassis_outbox.sweep(connection, outbox)
    database.read(Store.oldest_due)
    database.read(Store.pending)
    database.read(Store.count_dead_letters)
    for before in (long_ago, now()):  # nothing is that old; everything is
        for _ in recovery.find_stuck(database, before):
            pass
        database.read(Store.unanswered, before, WATCHED)
    for key in some_keys(database, 2, images.c.status == "pending", behind=10 + turn):
        database.transact(recovery.restart, BUCKET, key, now())
    for old in (Store.forget_upload_prefixes, Store.forget_deleted_images):
        worker.forget(old, of_service(database), timedelta(hours=20), stop)
    chassis_kept_answers.forget_old(engine, kept_answers, kept_in_hours, stop)


def operators_look(database: Database[OperatorsStore], turn: int = 0) -> None:
    read, moment = database.read, now()
    minutes = [moment - timedelta(minutes=each) for each in MINUTES]
    read(OperatorsStore.open_work)
    read(OperatorsStore.sent_since, minutes)
    read(OperatorsStore.answered_since, minutes)
    read(OperatorsStore.failures, moment - FAILED_WITHIN)
    for queue, reason in ((None, None), ("imaging.jobs", None), (None, "crashed"), ("other", None), ("other", "odd")):
        read(Store.count_dead_letters, queue, reason)
        read(OperatorsStore.dead_letters, queue, reason, 500)
    read(OperatorsStore.has_images, "elsewhere")
    for bucket in (BUCKET, "elsewhere"):
        read(OperatorsStore.count_ready, bucket)
        read(OperatorsStore.ready_images, bucket, "", 250)
    keys = some_keys(database, 250, behind=1000 + turn)
    read(OperatorsStore.images_at, BUCKET, keys)
    read(OperatorsStore.keys_with_jobs, BUCKET, keys)
    ((date, prefix), *_) = read(OperatorsStore.upload_prefixes, now(), 250)
    read(OperatorsStore.upload_prefixes, now(), 250, (date, prefix))
    read(OperatorsStore.owners_of_upload_prefixes, [prefix, "unknown"])
    read(Store.owner_of_upload_prefix, prefix)


def selections(database: Database[OperatorsStore]) -> Iterator[Selection]:
    """Yield one selection of each kind, and some that few images or none fulfil."""
    collection = database.read(use_cases.public_collection, COLLECTION)
    yield Selection()
    yield Selection(keys=tuple(some_keys(database, 20)))
    yield Selection(collection_id=collection.collection_id)
    yield Selection(user_id=OWNER)
    yield Selection(user_id="nobody")
    yield Selection(status="failed")
    yield Selection(recipe_older_than=1)
    yield Selection(recipe_older_than=2, user_id=OWNER, collection_id=collection.collection_id)


def operators_act(database: Database[OperatorsStore], turn: int = 0) -> None:
    read, transact = database.read, database.transact
    read(OperatorsStore.unknown_keys, ["unknown"])
    for selection in selections(database):
        run = transact(reprocessing.begin, selection)
        for _ in range(2):
            run = transact(reprocessing.queue_batch, run.run_id, 10)
        read(OperatorsStore.newest_unfinished_run)
    for limit in (8, 1000):
        read(OperatorsStore.count_open_keys, limit)
    (letter,) = read(OperatorsStore.dead_letters, None, "exhausted", 500)
    transact(dead_letters.replay, letter.dead_letter_id)
    (letter,) = read(OperatorsStore.dead_letters, None, None, 1)
    transact(dead_letters.drop, letter.dead_letter_id)
    (key,) = some_keys(database, 1, images.c.status == "ready", behind=1050 + 100 * turn)
    transact(takedown.take_down, key, "a complaint")
    transact(takedown.undo, key)
    chassis_audit_notes.write(database.engine, audit_notes)
    transact(Store.send, Event("user.deleted", "/auth", OWNER, "request", {}))


def installation_begins_anew(database: Database[OperatorsStore]) -> None:
    database.transact(installation.begin_anew)
    database.transact(installation.go_on)


def users_are_deleted(database: Database[OperatorsStore]) -> None:
    with database.engine.connect() as connection:
        query = sa.select(images.c.user_id).where(images.c.user_id != OWNER).limit(1)
        other = connection.scalars(query).one()
    assert forget_user(database.transact, other, 60)
    assert not forget_user(database.transact, OWNER, 0)


REPEATED = (users_ask, imaging_answers, loops_turn, operators_look, operators_act)
ONCE = (installation_begins_anew, users_are_deleted)
"""Steps that can be done once only, after the others."""
