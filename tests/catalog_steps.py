"""Helpers for tests of catalog: what users ask for, and the answers of imaging."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa

from catalog import use_cases
from catalog.adapters.queries import Position
from catalog.adapters.store import Store
from catalog.adapters.tables import jobs, outbox
from catalog.buckets import Bucket, Buckets
from catalog.domain import (
    EVERYTHING,
    Answer,
    Failed,
    Fault,
    Image,
    Job,
    Picture,
    Processed,
    Search,
    Thumb,
    ThumbsDeleted,
)
from catalog.jobs import results
from catalog.jobs.results import Received
from catalog.places import Place
from chassis.database.database import Database
from chassis.envelope import Event
from chassis.tokens import Principal
from chassis.web.paging import PAGE_BYTES

ANNA = Principal("11111111-1111-1111-1111-111111111111", "anna", "password")
BERT = Principal("22222222-2222-2222-2222-222222222222", "bert", "password")
Sent = Callable[[], list[tuple[str, str, int]]]
BUCKETS = Buckets({name: Bucket(f"https://{name}.test/", ("",), {}) for name in ("pics", "elsewhere")}, "pics")


def page_of(
    database: Database[Store], use_case: Callable[..., Iterable[tuple[Place, Image]]], *args: Any, hides: bool = False
) -> list[tuple[Place, Image]]:
    """Return all members that `use_case` yields for `args`: they are there only until its transaction ends."""
    more = {"hides": True} if hides else {}
    return database.read(lambda store: [*use_case(store, *args, **more)])


def images_of_anna(
    database: Database[Store],
    limit: int,
    after: Position | None = None,
    search: Search = EVERYTHING,
    collection: str | None = None,
) -> tuple[list[Image], Position | None]:
    """Return up to `limit` images of Anna that are found after a position, and up to where others were looked for."""

    def load(store: Store) -> tuple[list[Image], Position | None]:
        found, end = use_cases.find_images(
            store, ANNA, search, collection, limit=limit, max_bytes=PAGE_BYTES, after=after
        )
        return [*found], end

    return database.read(load)


def picture(etag: str = "etag", recipe: int = 1) -> Picture:
    """Return a picture as imaging might have found it."""
    thumbs = (Thumb(64, 64, 48), Thumb(128, 128, 96))
    return Picture(640, 480, ("#102030",), thumbs, "hash", "image/jpeg", 1234, etag, recipe)


@dataclass(frozen=True)
class Steps:
    """What users and imaging do, each step in a transaction of its own."""

    database: Database[Store]

    def register(self, key: str = "a/b.jpg", caller: Principal = ANNA, bucket: str = "pics") -> Image:
        return self.database.transact(
            use_cases.register_image, caller, BUCKETS, s3_bucket=bucket, s3_key=key, title="", description=""
        )

    def reprocess(self, key: str = "a/b.jpg", caller: Principal = ANNA) -> Image:
        return self.database.transact(
            use_cases.change_image, caller, key, lambda _: None, title=None, description=None, reprocess=True
        )

    def upload(self, caller: Principal = ANNA, bucket: str = "pics") -> Image:
        """Register an image under a prefix that was handed out to `caller`."""
        prefix = self.database.transact(use_cases.hand_out_prefix, caller)
        return self.register(f"{prefix}/b.jpg", caller, bucket)

    def delete(self, key: str = "a/b.jpg", caller: Principal = ANNA, *, original: bool = False) -> None:
        self.database.transact(use_cases.delete_image, caller, key, lambda _: None, takes_original=original)

    def image(self, key: str = "a/b.jpg") -> Image:
        return self.database.read(use_cases.public_image, key)

    def jobs(self, key: str = "a/b.jpg", bucket: str = "pics") -> list[Job]:
        """Return the open jobs of a key, oldest first."""
        return self.database.read(Store.key_queue, key, bucket).jobs

    def processed(self, image: Image, etag: str = "etag", recipe: int = 1, display: Thumb | None = None) -> None:
        self.answer(Processed(image.registration, replace(picture(etag, recipe), display=display)))

    def failed(self, image: Image) -> None:
        self.answer(Failed(image.registration, Fault("malformed", "broken")))

    def thumbs_deleted(self, image: Image, *, original: bool = False) -> None:
        self.answer(ThumbsDeleted(image.registration, took_original=original))

    def answer(self, answer: Answer) -> None:
        self.database.transact(results.apply, [Received(answer)])


@pytest.fixture
def steps(catalog_database: Database[Store]) -> Steps:
    """What users and imaging do, on the database of the test."""
    return Steps(catalog_database)


@pytest.fixture
def sent(catalog_database: Database[Store]) -> Sent:
    """A function that returns what was sent to imaging so far, in order: (type, image id, generation)."""

    def read() -> list[tuple[str, str, int]]:
        with catalog_database.engine.connect() as connection:
            bodies = connection.scalars(sa.select(outbox.c.body).order_by(outbox.c.date_created)).all()
        events = [Event.decode(body) for body in bodies]
        return [(event.type, event.data["image_id"], event.data["generation"]) for event in events]

    return read


@pytest.fixture
def open_jobs(catalog_database: Database[Store]) -> Callable[[], int]:
    """A function that counts the jobs that imaging has not answered yet, those that were not sent included."""

    def count() -> int:
        with catalog_database.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(jobs)) or 0

    return count
