"""A walk at random over all that users and a hostile imaging can do, and what has to hold when all is quiet again.

Imaging here answers late, twice, in reverse or not before the end, gives jobs up half done, loses some without a trace,
and keeps what it would have written to S3: thumbs of an image and generation at a key, taken away as the real one takes
them. The seed is in the test's name.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from catalog import dead_letters, recovery, results, use_cases
from catalog.adapters.store import Store
from catalog.adapters.tables import images, outbox
from catalog.domain import CatalogError, Fault, Outcome
from catalog_steps import ANNA, BERT, Steps, picture
from chassis.database import Database, now
from chassis.dead_letters import DeadLetter
from chassis.envelope import Event

KEYS = ("a/1.jpg", "a/2.jpg", "b.jpg")
LOST, GIVEN_UP = 0.03, 0.08  # chances of a job


@dataclass
class HostileImaging:
    """Takes jobs from the outbox, works on any of them in any order and as often as it likes."""

    database: Database[Store]
    chance: random.Random
    taken: set[str] = field(default_factory=set)
    jobs: list[Event] = field(default_factory=list)
    answers: list[Outcome] = field(default_factory=list)
    thumbs: dict[str, tuple[str, int]] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=lambda: dict.fromkeys(KEYS, "first"))

    def fetch(self) -> None:
        with self.database.engine.connect() as connection:
            rows = connection.execute(sa.select(outbox.c.id, outbox.c.body).order_by(outbox.c.date_created)).all()
        self.jobs += [Event.decode(row.body) for row in rows if row.id not in self.taken]
        self.taken.update(row.id for row in rows)

    def work(self, *, again: bool) -> None:
        """Work on a job; AGAIN leaves it there for another delivery, as if the worker had died before its ack."""
        if not self.jobs:
            return
        job = self.chance.choice(self.jobs)
        if not again:
            self.jobs.remove(job)
        key, image_id, generation = job.data["s3_key"], job.data["image_id"], job.data["generation"]
        owner = self.thumbs.get(key)
        mine = owner is not None and owner[0] == image_id
        outcome = Outcome("pics", key, image_id, generation)
        stale = mine and owner is not None and owner[1] > generation
        if self.chance.random() < LOST:
            return
        if self.chance.random() < GIVEN_UP:
            if job.type != "image.deleted" and not stale:
                self.thumbs[key] = (image_id, generation)
            self.give_up(job)
        elif job.type == "image.deleted" or self.chance.random() < 0.15:
            if job.type != "image.deleted":
                outcome = Outcome("pics", key, image_id, generation, error=Fault("malformed", "broken"))
            if mine and not stale:
                del self.thumbs[key]
            self.answers.append(outcome)
        elif not stale:  # which is acked without an answer
            self.thumbs[key] = (image_id, generation)
            self.answers.append(Outcome("pics", key, image_id, generation, picture(self.etags[key])))

    def give_up(self, job: Event) -> None:
        """Make a dead letter of a job, which may come twice."""
        letter = DeadLetter("imaging.jobs", job.event_id, "delivery-limit", job.encode())
        for _ in range(self.chance.randint(1, 2)):
            self.database.transact(dead_letters.keep, letter)

    def answer(self, *, again: bool) -> None:
        if self.answers:
            outcome = self.chance.choice(self.answers)
            if not again:
                self.answers.remove(outcome)
            self.database.transact(results.apply, outcome)

    def watch(self) -> int:
        """Do what the watchdog does when the queues are empty, and the operator about deletions that were given up."""
        moment = now()
        stuck = self.database.read(Store.stuck_jobs, moment, recovery.BATCH)
        letters = self.database.read(Store.dead_letters, None, None, 1000)
        deletions = [letter.dead_letter_id for letter in letters if letter.type == "image.deleted"]
        for number in deletions:
            self.database.transact(dead_letters.replay, number)
        return sum(self.database.transact(recovery.requeue_job, job, moment) for job in stuck) + len(deletions)

    def settle(self) -> None:
        """Work and answer until there is nothing left to do; what is lost is noticed when nothing moves any more."""
        for _ in range(1000):
            self.fetch()
            if not self.jobs and not self.answers and not self.watch():
                return
            self.work(again=False)
            self.answer(again=False)
        pytest.fail("catalog and imaging keep each other busy for ever")


@pytest.mark.parametrize("seed", range(12))
def test_after_any_history_nothing_is_pending_and_no_thumb_is_of_nobody(
    seed: int, steps: Steps, catalog_database: Database[Store], open_jobs: Callable[[], int]
) -> None:
    chance = random.Random(seed)
    imaging = HostileImaging(catalog_database, chance)
    gone = False
    for number in range(200):
        key, caller = chance.choice(KEYS), chance.choice((ANNA, BERT))
        with suppress(CatalogError):
            match chance.randrange(9):
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
                    imaging.work(again=chance.random() < 0.3)
                case 7 | 8:
                    imaging.answer(again=chance.random() < 0.3)
        if number == 150 and chance.random() < 0.5:
            results.forget_user(catalog_database.transact, BERT.user_id)
            gone = True
    imaging.settle()

    assert open_jobs() == 0
    with catalog_database.engine.connect() as connection:
        left = connection.execute(sa.select(images.c.s3_key, images.c.user_id)).all()
    registered = {key: catalog_database.read(use_cases.public_image, key) for key, _ in left}
    assert {image.status for image in registered.values()} <= {"ready", "failed"}
    ready = {key: (image.image_id, image.generation) for key, image in registered.items() if image.status == "ready"}
    assert imaging.thumbs == ready
    assert not (gone and any(user_id == BERT.user_id for _, user_id in left))
