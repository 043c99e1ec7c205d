"""Comparing catalog with a bucket, both ways: what is stuck, which thumbs are missing, which are of nothing.

Finding only looks, and what it gives may be past a moment later. Mending takes one thing that was found, looks again
with its key locked, and acts on what it sees then. Only thumbs are ever deleted, and only those with our metadata.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from catalog import queueing, recovery
from catalog.domain import Image, Thumb, thumb_key, thumb_of

if TYPE_CHECKING:
    from catalog.adapters.operators_store import OperatorsStore
    from catalog.adapters.thumbs import Thumbs
    from chassis.database import Database

# Images looked at together, each with some four thumbs.
PAGE = 250


class StorageError(Exception):
    """S3 does not answer, or refuses."""


@dataclass(frozen=True)
class StoredThumb:
    """An object at a thumb's key. IMAGE_ID is from its metadata; None if it has none of ours, and is somebody's."""

    key: str
    image_id: str | None
    etag: str
    date_modified: datetime


@dataclass(frozen=True)
class Stuck:
    """A key whose jobs get no further by themselves."""

    kind: ClassVar[str] = "stuck"
    key: str


@dataclass(frozen=True)
class MissingThumbs:
    """A ready image, not all of whose thumbs lie where it shows them."""

    kind: ClassVar[str] = "missing-thumbs"
    key: str
    image_id: str
    generation: int


@dataclass(frozen=True)
class ThumbOfNothing:
    """A thumb that we made and that no image shows."""

    kind: ClassVar[str] = "thumb-of-nothing"
    key: str


Finding = Stuck | MissingThumbs | ThumbOfNothing


@dataclass(frozen=True)
class Page:
    """What was found among so many images or objects."""

    looked_at: int
    findings: Sequence[Finding]


class Outcome(StrEnum):
    """What became of a finding: mended; well, when it was looked at again; or left as it is."""

    MENDED = "mended"
    WELL = "well"
    LEFT = "left"


@dataclass(frozen=True)
class Sides:
    """What is compared: the catalog, and BUCKET as THUMBS reaches it."""

    database: "Database[OperatorsStore]"
    thumbs: "Thumbs"
    bucket: str


# --- finding; whatever it looks through, it holds a page at a time ---


def find_stuck(sides: Sides, before: datetime) -> Iterator[Page]:
    """Find keys whose image is pending without a job, or whose oldest job was sent before BEFORE."""
    after = ""
    while keys := sides.database.read(_stuck_keys, sides.bucket, before, after):
        yield Page(len(keys), [Stuck(key) for key in keys])
        after = keys[-1]


def find_in_images(sides: Sides) -> Iterator[Page]:
    """Look at all thumbs that ready images show: find those that are missing, or lie there for another image."""
    after = ""
    while images := sides.database.read(_ready_images, sides.bucket, after):
        shown = [thumb_key(image.s3_key, thumb.square) for image in images for thumb in _thumbs(image)]
        found = {thumb.key: thumb for thumb in sides.thumbs.look_all(sides.bucket, shown)}
        suspects = [image for image in images if _lacks_thumbs(image, found)]
        # An image that was deleted or renewed before its thumbs were looked at is another now.
        present = sides.database.read(_images_at, sides.bucket, [image.s3_key for image in suspects])
        missing = [MissingThumbs(image.s3_key, image.image_id, image.generation) for image in suspects]
        yield Page(
            len(images),
            [
                *(finding for finding in missing if _is_same(finding, present.get(finding.key))),
                *sides.database.read(_those_of_nothing, sides.bucket, list(found.values())),
            ],
        )
        after = images[-1].image_id


def find_in_bucket(sides: Sides) -> Iterator[Page]:
    """List the bucket: find our thumbs at keys where no image shows one; the others find_in_images looks at."""
    for keys in sides.thumbs.list_keys(sides.bucket):
        suspects = sides.database.read(_keys_not_shown, sides.bucket, keys)
        found = sides.thumbs.look_all(sides.bucket, suspects)
        yield Page(len(keys), sides.database.read(_those_of_nothing, sides.bucket, found))


# --- mending: each of these is one transaction, and doing it again changes nothing ---


def mend_stuck(store: "OperatorsStore", sides: Sides, finding: Stuck, before: datetime) -> Outcome:
    """Have the work on a key begin anew, if it is stuck still."""
    return Outcome.MENDED if recovery.restart(store, sides.bucket, finding.key, before) else Outcome.WELL


def mend_missing(store: "OperatorsStore", sides: Sides, finding: MissingThumbs) -> Outcome:
    """Process an image again whose thumbs are missing, if it is the same still and they are missing still."""
    store.lock_key(finding.key)
    image = store.image(finding.key, locked=True)
    if image is None or not _is_same(finding, image):
        return Outcome.WELL
    shown = [thumb_key(image.s3_key, thumb.square) for thumb in _thumbs(image)]
    if not _lacks_thumbs(image, {thumb.key: thumb for thumb in sides.thumbs.look_all(sides.bucket, shown)}):
        return Outcome.WELL
    store.update_image(queueing.renew(store, image))
    return Outcome.MENDED


def delete_thumb(store: "OperatorsStore", sides: Sides, finding: ThumbOfNothing, before: datetime) -> Outcome:
    """Delete a thumb of nothing that was written before BEFORE, if it is of nothing still.

    With the key locked no image takes the thumb over meanwhile. A rollback does not bring it back, and need not: it was
    of nothing when it was deleted.
    """
    place = thumb_of(finding.key)
    if place is None:
        return Outcome.WELL
    store.lock_key(place[0])
    found = sides.thumbs.look(sides.bucket, finding.key)
    # After the look at S3: had the database ended this transaction meanwhile, and with it the lock, this would fail.
    if found is None or not _those_of_nothing(store, sides.bucket, [found]):
        return Outcome.WELL
    if found.date_modified >= before:
        return Outcome.LEFT
    return Outcome.MENDED if sides.thumbs.delete(sides.bucket, finding.key, found.etag) else Outcome.LEFT


# --- what is wrong and what is not ---


def is_of_nothing(found: StoredThumb, square: int, image: Image | None, *, has_jobs: bool) -> bool:
    """Tell whether FOUND, at the thumb key for SQUARE of IMAGE, is ours and shown by no image, nor soon.

    While a job is open, or IMAGE pending, nobody knows yet: imaging may be about to write or delete it.
    """
    if found.image_id is None or has_jobs or (image is not None and image.status == "pending"):
        return False
    return image is None or image.image_id != found.image_id or not _shows(image, square)


def _shows(image: Image, square: int) -> bool:
    return any(thumb.square == square for thumb in _thumbs(image))


def _thumbs(image: Image) -> Sequence[Thumb]:
    return image.picture.thumbs if image.status == "ready" and image.picture is not None else ()


def _lacks_thumbs(image: Image, found: dict[str, StoredThumb]) -> bool:
    there = (found.get(thumb_key(image.s3_key, thumb.square)) for thumb in _thumbs(image))
    return any(thumb is None or thumb.image_id != image.image_id for thumb in there)


def _is_same(finding: MissingThumbs, image: Image | None) -> bool:
    expected = (finding.image_id, finding.generation, "ready")
    return image is not None and (image.image_id, image.generation, image.status) == expected


# --- reads, each in one transaction ---


def _stuck_keys(store: "OperatorsStore", s3_bucket: str, before: datetime, after: str) -> Sequence[str]:
    return [key for _, key in store.stuck_keys(before, PAGE, s3_bucket=s3_bucket, after=after)]


def _ready_images(store: "OperatorsStore", s3_bucket: str, after: str) -> Sequence[Image]:
    return store.ready_images(s3_bucket, after, PAGE)


def _images_at(store: "OperatorsStore", s3_bucket: str, keys: Collection[str]) -> dict[str, Image]:
    return store.images_at(s3_bucket, keys)


def _keys_not_shown(store: "OperatorsStore", s3_bucket: str, keys: Sequence[str]) -> Sequence[str]:
    """Give those of KEYS that have the shape of a thumb's where no image shows one."""
    places = {key: place for key in keys if (place := thumb_of(key)) is not None}
    images = store.images_at(s3_bucket, {s3_key for s3_key, _ in places.values()})
    return [
        key
        for key, (s3_key, square) in places.items()
        if (image := images.get(s3_key)) is None or not _shows(image, square)
    ]


def _those_of_nothing(
    store: "OperatorsStore", s3_bucket: str, found: Sequence[StoredThumb]
) -> Sequence[ThumbOfNothing]:
    places = {thumb: place for thumb in found if (place := thumb_of(thumb.key)) is not None}
    keys = {s3_key for s3_key, _ in places.values()}
    images, busy = store.images_at(s3_bucket, keys), store.keys_with_jobs(s3_bucket, keys)
    return [
        ThumbOfNothing(thumb.key)
        for thumb, (s3_key, square) in places.items()
        if is_of_nothing(thumb, square, images.get(s3_key), has_jobs=s3_key in busy)
    ]
