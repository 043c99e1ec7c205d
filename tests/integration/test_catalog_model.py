"""Random walks over everything that users and a hostile imaging can do, and what must be true when all work is done.

The imaging of these tests answers late, twice, in reverse or only at the end, pauses between two thumbs while others go
on, gives jobs up half done and loses some without a trace. It records what the real one would have in S3: the image and
generation of the thumb at each key, written and deleted under the same conditions. The seed is in the test's name.
"""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from catalog import use_cases
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.adapters.tables import METADATA, formats_of_users, images, images_of_users, outbox, use_of_users
from catalog.domain import Answer, Failed, Fault, Image, Processed, Registration, Status, ThumbsDeleted, Use
from catalog.errors import CatalogError
from catalog.jobs import recovery, results
from catalog.jobs.results import Received
from catalog.upkeep import dead_letters
from catalog.users import forget_user
from catalog.worker import FORGET_S
from catalog_steps import ANNA, BERT, Steps, picture
from chassis.broker.drain import DrainedMessage
from chassis.clock import now
from chassis.database.database import Database
from chassis.envelope import Event

KEYS = ("a/1.jpg", "a/2.jpg", "b.jpg")
SQUARES = (64, 128)
LOST, GIVEN_UP, BROKEN = 0.03, 0.08, 0.15  # what can happen to a job


@dataclass(frozen=True)
class StoredThumb:
    """A thumb in S3. Its `etag` is of its bytes, so all thumbs of an original have the same, whoever wrote them."""

    image_id: str
    generation: int
    etag: str


@dataclass
class Worker:
    """A worker with a `job`: it has still to write thumbs for `left`; `seen` is what it found where the next goes."""

    job: Event
    etag: str
    left: list[int]
    seen: StoredThumb | None = None

    @property
    def key(self) -> str:
        return str(self.job.data["s3_key"])

    @property
    def registration(self) -> Registration:
        return Registration(self.job.data["image_id"], self.job.data["generation"], "pics", self.key)


@dataclass
class HostileImaging:
    """Takes jobs from the outbox and works on them in any order, any number of times."""

    database: Database[Store]
    chance: random.Random
    taken: set[str] = field(default_factory=set)
    jobs: list[Event] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    thumbs: dict[tuple[str, int], StoredThumb] = field(default_factory=dict)
    # Keys whose originals were deleted, and images that were at such a key just then.
    deleted: set[str] = field(default_factory=set)
    robbed: list[Image] = field(default_factory=list)
    etags: dict[str, str] = field(default_factory=lambda: dict.fromkeys(KEYS, "first"))

    def fetch(self) -> None:
        with self.database.engine.connect() as connection:
            rows = connection.execute(sa.select(outbox.c.id, outbox.c.body).order_by(outbox.c.date_created)).all()
        self.jobs += [Event.decode(row.body) for row in rows if row.id not in self.taken]
        self.taken.update(row.id for row in rows)

    def begin(self, *, again: bool) -> None:
        """Begin a job; with `again` it will be delivered to another worker too, as if this one were taken for dead."""
        if not self.jobs:
            return
        job = self.chance.choice(self.jobs)
        if not again:
            self.jobs.remove(job)
        if self.chance.random() < LOST:
            return
        worker = Worker(job, self.etags[job.data["s3_key"]], list(SQUARES))
        if job.type == "image.deleted":
            newest = self.take_away(worker)
            if job.data["original"]:
                self.delete_original(worker.key)
            self.answers.append(ThumbsDeleted(worker.registration, newest, took_original=job.data["original"]))
        elif self.chance.random() < BROKEN:
            newest = self.take_away(worker)
            self.answers.append(Failed(worker.registration, Fault("malformed", "broken"), newest))
        else:
            self.workers.append(worker)

    def work(self) -> None:
        """Let one of the workers take its next step."""
        if not self.workers:
            return
        worker = self.chance.choice(self.workers)
        if self.chance.random() < GIVEN_UP:
            self.workers.remove(worker)
            self.give_up(worker.job)
        elif not worker.left:
            self.workers.remove(worker)
            self.answers.append(Processed(worker.registration, picture(worker.etag)))
        else:
            self.write(worker)

    def write(self, worker: Worker) -> None:
        """Write the next thumb under a condition; if that fails, look at what is there: is the job late?"""
        place, mine = (worker.key, worker.left[0]), worker.registration
        there = self.thumbs.get(place)
        if there is None or (worker.seen is not None and worker.seen.etag == there.etag):
            self.thumbs[place] = StoredThumb(mine.image_id, mine.generation, worker.etag)
            worker.left, worker.seen = worker.left[1:], None
        elif there.image_id == mine.image_id and there.generation > mine.generation:
            self.workers.remove(worker)
            self.take_away(worker)
            self.answers.append(ThumbsDeleted(mine, there.generation))
        else:
            worker.seen = there

    def take_away(self, worker: Worker) -> int:
        """Delete the thumbs of a job's image up to its generation; return the newest of the generations left."""
        mine = worker.registration
        newest = 0
        for square in SQUARES:
            there = self.thumbs.get((worker.key, square))
            if there is None or there.image_id != mine.image_id:
                continue
            if there.generation <= mine.generation:
                del self.thumbs[worker.key, square]
            else:
                newest = max(newest, there.generation)
        return newest

    def delete_original(self, key: str) -> None:
        self.deleted.add(key)
        image = self.database.read(Store.image, key)
        if image is not None:
            self.robbed.append(image)

    def give_up(self, job: Event) -> None:
        """Make a dead letter of a job; it may come twice."""
        letter = DrainedMessage("imaging.jobs", job.event_id, "delivery-limit", job.encode())
        for _ in range(self.chance.randint(1, 2)):
            self.database.transact(dead_letters.keep, letter)

    def answer(self, *, again: bool) -> None:
        """Apply some answers together, no two about the same key; `again` leaves them to come once more."""
        some = self.chance.sample(self.answers, min(len(self.answers), self.chance.randint(1, 3)))
        together = {answer.registration.s3_key: answer for answer in some}.values()
        if not again:
            self.answers = [answer for answer in self.answers if answer not in together]
        if together:
            self.database.transact(results.apply, [Received(answer) for answer in together])

    def watch(self) -> int:
        """Do what the watchdog does when the queues are empty, and an operator about deletions that were given up."""
        operators = Database(self.database.engine, OperatorsStore, self.database.migrations)
        moment = now()
        stuck, _ = self.database.read(Store.stuck_keys, moment, 1000)
        for place in [("pics", key) for key in KEYS]:  # the query and the rule are the same thing said twice
            queue = self.database.read(Store.key_queue, place[1], place[0])
            assert queue.is_stuck(moment) == (place in stuck)
        letters = operators.read(OperatorsStore.dead_letters, None, None, 1000)
        deletions = [letter.dead_letter_id for letter in letters if letter.type == "image.deleted"]
        for number in deletions:
            operators.transact(dead_letters.replay, number)
        restarted = sum(self.database.transact(recovery.restart, bucket, key, moment) for bucket, key in stuck)
        return restarted + len(deletions)

    def settle(self) -> None:
        """Work and answer until nothing is left to do; lost jobs are noticed when nothing happens any more."""
        for _ in range(4000):
            self.fetch()
            if not self.jobs and not self.workers and not self.answers and not self.watch():
                return
            self.begin(again=False)
            self.work()
            self.answer(again=False)
        pytest.fail("catalog and imaging keep each other busy for ever")


def walk(steps: Steps, imaging: HostileImaging, chance: random.Random, length: int, *, originals: bool = False) -> None:
    """Let users and imaging take `length` steps; with `originals`, users delete those of their uploads, too."""
    for number in range(length):
        key, caller = chance.choice(KEYS), chance.choice((ANNA, BERT))
        with suppress(CatalogError):
            match chance.randrange(14 if originals else 12):
                case 0 | 1:
                    steps.register(key, caller)
                case 2:
                    steps.reprocess(key, caller)
                case 3:
                    steps.delete(key, caller)
                case 4:
                    imaging.etags[key] = f"etag-{number}"
                case 5 | 6:
                    imaging.fetch()
                    imaging.begin(again=chance.random() < 0.3)
                case 7 | 8 | 9:
                    imaging.work()
                case 10 | 11:
                    imaging.answer(again=chance.random() < 0.3)
                case 12 | 13:
                    steps.delete(key, caller, original=True)


# The last ones are seeds of walks that have found defects.
@pytest.mark.parametrize("seed", [*range(12), 18, 40, 99, 114, 164, 448])
def test_after_any_history_nothing_is_pending_and_no_thumb_is_of_nobody(
    seed: int, steps: Steps, catalog_database: Database[Store], open_jobs: Callable[[], int]
) -> None:
    chance = random.Random(seed)
    imaging = HostileImaging(catalog_database, chance)
    gone = False
    walk(steps, imaging, chance, 200)
    if chance.random() < 0.5:
        gone = forget_user(catalog_database.transact, BERT.user_id, FORGET_S)
    walk(steps, imaging, chance, 100)
    imaging.settle()

    assert open_jobs() == 0
    registered = all_images(catalog_database)
    assert written(imaging) == shown(registered)
    demand_right_counts(catalog_database, registered)
    assert not (gone and any(image.user_id == BERT.user_id for image in registered))


@pytest.mark.parametrize("seed", range(12))
def test_after_any_history_a_restored_backup_and_any_history_all_is_well_but_for_images_it_does_not_know(
    seed: int, steps: Steps, catalog_database: Database[Store], open_jobs: Callable[[], int]
) -> None:
    """The bucket, the messages under way and the workers are those of the time after the backup."""
    chance = random.Random(seed)
    imaging = HostileImaging(catalog_database, chance)
    walk(steps, imaging, chance, 100)
    backup = dump(catalog_database)
    walk(steps, imaging, chance, 150)
    restore(catalog_database, backup)
    for image in all_images(catalog_database):
        steps.reprocess(image.s3_key, ANNA if image.user_id == ANNA.user_id else BERT)
    walk(steps, imaging, chance, 100)
    imaging.settle()

    assert open_jobs() == 0
    registered = all_images(catalog_database)
    known = {image.image_id for image in registered} | set(backup.image_ids)
    of_known = {place: owner for place, owner in written(imaging).items() if owner[0] in known}
    assert of_known == shown(registered)
    demand_right_counts(catalog_database, registered)


@pytest.mark.parametrize("seed", range(12))
def test_after_any_history_no_image_was_registered_whose_original_was_being_deleted(
    seed: int, steps: Steps, catalog_database: Database[Store], open_jobs: Callable[[], int]
) -> None:
    chance = random.Random(seed)
    imaging = HostileImaging(catalog_database, chance)
    catalog_database.transact(Store.add_upload_prefix, "a", ANNA.user_id)
    for _ in range(4):
        walk(steps, imaging, chance, 100, originals=True)
        imaging.settle()
        # A day later no copy of a job is under way, and the keys are free.
        catalog_database.transact(Store.forget_deleted_images, now(), 1000)

    assert open_jobs() == 0
    assert written(imaging) == shown(all_images(catalog_database))
    assert imaging.deleted
    assert imaging.robbed == []


@dataclass(frozen=True)
class Backup:
    """All rows of a database, by table."""

    rows: dict[str, list[dict[str, Any]]]

    @property
    def image_ids(self) -> list[str]:
        return [row["image_id"] for row in self.rows["images"]]


# The database itself keeps the counts, as rows come and go.
COUNTS = {use_of_users, images_of_users, formats_of_users}
TABLES = [table for table in METADATA.sorted_tables if table not in COUNTS]


def dump(database: Database[Store]) -> Backup:
    with database.engine.connect() as connection:
        return Backup(
            {table.name: [dict(row) for row in connection.execute(table.select()).mappings()] for table in TABLES}
        )


def restore(database: Database[Store], backup: Backup) -> None:
    with database.engine.begin() as connection:
        for table in reversed(TABLES):
            connection.execute(table.delete())
        for table in TABLES:
            if backup.rows[table.name]:
                connection.execute(table.insert(), backup.rows[table.name])


def all_images(database: Database[Store]) -> list[Image]:
    """Return all images, none of which is pending any more."""
    with database.engine.connect() as connection:
        keys = connection.scalars(sa.select(images.c.s3_key)).all()
    return [database.read(use_cases.public_image, key) for key in keys]


STATUSES: tuple[Status, ...] = ("pending", "ready", "failed")


def demand_right_counts(database: Database[Store], registered: list[Image]) -> None:
    """Compare what is counted of each user with what the user has."""
    for caller in (ANNA, BERT):
        own = [image for image in registered if image.user_id == caller.user_id]
        size = sum(image.picture.bytes for image in own if image.picture is not None)
        assert database.read(Store.use, caller.user_id) == Use(len(own), size, 0)
        stats = database.read(Store.stats, caller.user_id)
        by_status = Counter(image.status for image in own)
        assert (stats.pending, stats.ready, stats.failed) == tuple(by_status[each] for each in STATUSES)
        assert sum(each.images for each in stats.formats) == sum(image.picture is not None for image in own)
        assert sum(each.bytes for each in stats.formats) == size


def shown(registered: list[Image]) -> dict[tuple[str, int], tuple[str, int]]:
    """Return the image and generation whose thumb must be at each key."""
    assert {image.status for image in registered} <= {"ready", "failed"}
    ready = [image for image in registered if image.status == "ready"]
    return {(image.s3_key, square): (image.image_id, image.generation) for image in ready for square in SQUARES}


def written(imaging: HostileImaging) -> dict[tuple[str, int], tuple[str, int]]:
    """Return the image and generation whose thumb is at each key."""
    return {place: (thumb.image_id, thumb.generation) for place, thumb in imaging.thumbs.items()}
