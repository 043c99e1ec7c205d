"""Comparing catalog with a bucket, both ways: what is stuck, which thumbs are missing, which are of nothing.

Finding only looks, and what it gives may be past a moment later. Mending takes one thing that was found, looks again
with its key locked, and acts on what it sees then. Only thumbs are ever deleted, and only those with our metadata that
this installation made: others may share the bucket.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from catalog import queueing, recovery
from catalog.domain import Image, Installation, Thumb, thumb_key, thumb_of

if TYPE_CHECKING:
    from catalog.adapters.operators_store import OperatorsStore
    from catalog.adapters.thumbs import Thumbs
    from chassis.database.database import Database

# Images looked at together, each with some four thumbs.
PAGE = 250


class StorageError(Exception):
    """S3 does not answer, or refuses."""


@dataclass(frozen=True)
class StoredThumb:
    """An object at a thumb's key. IMAGE_ID is from its metadata; None if it has none of ours, and is somebody's.

    So are GENERATION and SOURCE_ETAG, of the work that made it, and INSTALLATION_ID, None if an earlier release did.
    """

    key: str
    image_id: str | None
    etag: str
    date_modified: datetime
    generation: int = 0
    source_etag: str = ""
    installation_id: str | None = None


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
class DifferingThumbs:
    """A ready image with a thumb that other work made than it tells of: catalog and bucket are not of one time.

    NEWEST is the highest generation that its thumbs tell of.
    """

    kind: ClassVar[str] = "differing-thumbs"
    key: str
    image_id: str
    generation: int
    newest: int


@dataclass(frozen=True)
class ThumbOfNothing:
    """A thumb that we made and that no image shows; an unmarked one does not say which installation made it."""

    kind: ClassVar[str] = "thumb-of-nothing"
    key: str
    is_marked: bool = True


Finding = Stuck | MissingThumbs | DifferingThumbs | ThumbOfNothing


@dataclass(frozen=True)
class Page:
    """What was found among so many images or objects.

    KEPT is how many thumbs an image shows that are its own, FOREIGN how many other installations have, by their ids.
    """

    looked_at: int
    findings: Sequence[Finding]
    kept: int = 0
    foreign: Mapping[str, int] = field(default_factory=dict)


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
        owners = {thumb_key(image.s3_key, thumb.square): image.image_id for image in images for thumb in _thumbs(image)}
        found = {thumb.key: thumb for thumb in sides.thumbs.look_all(sides.bucket, list(owners))}
        installation = sides.database.read(_installation)
        suspects = [wrong for image in images if (wrong := _wrong_with(image, found, installation)) is not None]
        # An image that was deleted or renewed before its thumbs were looked at is another now.
        present = sides.database.read(_images_at, sides.bucket, [wrong.key for wrong in suspects])
        yield Page(
            len(images),
            [
                *(wrong for wrong in suspects if _is_same(wrong, present.get(wrong.key))),
                *sides.database.read(_those_of_nothing, sides.bucket, list(found.values())),
            ],
            kept=sum(thumb.image_id == owners[key] for key, thumb in found.items()),
            foreign=_count_foreign(found.values(), installation),
        )
        after = images[-1].image_id


def find_in_bucket(sides: Sides) -> Iterator[Page]:
    """List the bucket: find our thumbs at keys where no image shows one; the others find_in_images looks at."""
    for keys in sides.thumbs.list_keys(sides.bucket):
        suspects = sides.database.read(_keys_not_shown, sides.bucket, keys)
        found = sides.thumbs.look_all(sides.bucket, suspects)
        yield Page(
            len(keys),
            sides.database.read(_those_of_nothing, sides.bucket, found),
            foreign=_count_foreign(found, sides.database.read(_installation)),
        )


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


def mend_differing(store: "OperatorsStore", sides: Sides, finding: DifferingThumbs) -> Outcome:
    """Process an image again whose thumbs are of another time, above their generation, if it is the same still."""
    store.lock_key(finding.key)
    image = store.image(finding.key, locked=True)
    if image is None or not _is_same(finding, image):
        return Outcome.WELL
    shown = [thumb_key(image.s3_key, thumb.square) for thumb in _thumbs(image)]
    found = {thumb.key: thumb for thumb in sides.thumbs.look_all(sides.bucket, shown)}
    wrong = _wrong_with(image, found, store.installation())
    if not isinstance(wrong, DifferingThumbs):
        return Outcome.WELL
    newest = max(image.generation, wrong.newest)
    store.update_image(queueing.renew(store, replace(image, generation=newest)))
    return Outcome.MENDED


def delete_thumb(
    store: "OperatorsStore", sides: Sides, finding: ThumbOfNothing, before: datetime, *, unmarked: bool
) -> Outcome:
    """Delete a thumb of nothing that was written before BEFORE, if it is of nothing still.

    One that does not say which installation made it is left unless UNMARKED; all are while it is not settled which
    installation this is.

    With the key locked no image takes the thumb over meanwhile. A rollback does not bring it back, and need not: it was
    of nothing when it was deleted.
    """
    place = thumb_of(finding.key)
    if place is None:
        return Outcome.WELL
    store.lock_key(place[0])
    found = sides.thumbs.look(sides.bucket, finding.key)
    # After the look at S3: had the database ended this transaction meanwhile, and with it the lock, this would fail.
    of_nothing = _those_of_nothing(store, sides.bucket, [found]) if found else []
    if found is None or not of_nothing:
        return Outcome.WELL
    is_kept = not of_nothing[0].is_marked and not unmarked
    if is_kept or found.date_modified >= before or not store.installation().is_settled:
        return Outcome.LEFT
    return Outcome.MENDED if sides.thumbs.delete(sides.bucket, finding.key, found.etag) else Outcome.LEFT


# --- what is wrong and what is not ---


def is_of_nothing(found: StoredThumb, square: int, image: Image | None, *, has_jobs: bool) -> bool:
    """Tell whether FOUND, of this installation at the thumb key for SQUARE of IMAGE, is shown by no image, nor soon.

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


def _wrong_with(
    image: Image, found: dict[str, StoredThumb], installation: Installation
) -> MissingThumbs | DifferingThumbs | None:
    """Tell what is wrong with the thumbs of IMAGE among those FOUND, None if nothing is, or nothing can be mended."""
    there = [
        thumb for shown in _thumbs(image) if (thumb := found.get(thumb_key(image.s3_key, shown.square))) is not None
    ]
    if _count_foreign(there, installation):
        return None  # imaging would not write over them, and the image would fail
    if _lacks_thumbs(image, found):
        return MissingThumbs(image.s3_key, image.image_id, image.generation)
    told = {(thumb.generation, thumb.source_etag) for thumb in there}
    if image.picture is None or told <= {(image.generation, image.picture.source_etag.strip('"'))}:
        return None
    newest = max(thumb.generation for thumb in there)
    return DifferingThumbs(image.s3_key, image.image_id, image.generation, newest)


def _count_foreign(found: Iterable[StoredThumb], installation: Installation) -> Counter[str]:
    """Count the thumbs that other installations made, by their ids."""
    foreign = (thumb for thumb in found if thumb.image_id is not None and not installation.owns(thumb.installation_id))
    return Counter(thumb.installation_id or "unmarked" for thumb in foreign)


def _is_same(finding: MissingThumbs | DifferingThumbs, image: Image | None) -> bool:
    expected = (finding.image_id, finding.generation, "ready")
    return image is not None and (image.image_id, image.generation, image.status) == expected


# --- reads, each in one transaction ---


def _stuck_keys(store: "OperatorsStore", s3_bucket: str, before: datetime, after: str) -> Sequence[str]:
    return [key for _, key in store.stuck_keys(before, PAGE, s3_bucket=s3_bucket, after=after)]


def _ready_images(store: "OperatorsStore", s3_bucket: str, after: str) -> Sequence[Image]:
    return store.ready_images(s3_bucket, after, PAGE)


def _images_at(store: "OperatorsStore", s3_bucket: str, keys: Collection[str]) -> dict[str, Image]:
    return store.images_at(s3_bucket, keys)


def _installation(store: "OperatorsStore") -> Installation:
    return store.installation()


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
    installation = store.installation()
    own = [thumb for thumb in found if installation.owns(thumb.installation_id)]
    places = {thumb: place for thumb in own if (place := thumb_of(thumb.key)) is not None}
    keys = {s3_key for s3_key, _ in places.values()}
    images, busy = store.images_at(s3_bucket, keys), store.keys_with_jobs(s3_bucket, keys)
    return [
        ThumbOfNothing(thumb.key, is_marked=thumb.installation_id is not None)
        for thumb, (s3_key, square) in places.items()
        if is_of_nothing(thumb, square, images.get(s3_key), has_jobs=s3_key in busy)
    ]
