"""Comparing catalog with a bucket, both ways: which keys are stuck, which thumbs are missing, which are orphans.

Finding only reads, and what it returns may be out of date a moment later. Mending takes one finding, looks again with
the key locked, and acts on what it sees then. Only thumbs are ever deleted, and only those with our metadata that this
installation made: others may share the bucket.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.thumbs import Thumbs
from catalog.domain import Image, Installation
from catalog.jobs import recovery
from catalog.keys import thumb_key, thumb_of
from catalog.stored_objects import StoredThumb
from catalog.upkeep.findings import (
    Batch,
    DifferingThumbs,
    MissingThumbs,
    OrphanThumb,
    Outcome,
    Stuck,
    count_foreign,
    fault_of,
    is_orphan,
    is_same,
    lacks_thumbs,
    shown_thumbs,
    shows,
)
from chassis.database.database import Database

# Images looked at together, each with some four thumbs.
PAGE = 250


@dataclass(frozen=True)
class Comparison:
    """What is compared: the catalog in `database`, and `bucket` as `thumbs` reaches it."""

    database: Database[OperatorsStore]
    thumbs: Thumbs
    bucket: str


# --- finding, a page at a time ---


def find_stuck(compared: Comparison, before: datetime) -> Iterator[Batch]:
    """Find keys whose image is pending without a job, or whose oldest job was sent before `before`."""
    for found in recovery.find_stuck(compared.database, before):
        keys = [key for bucket, key in found if bucket == compared.bucket]
        yield Batch(len(keys), [Stuck(key) for key in keys])


def find_in_images(compared: Comparison) -> Iterator[Batch]:
    """Look at all thumbs that ready images show: find those that are missing, or are of another image."""
    for images in _ready_images(compared):
        owners = {
            thumb_key(image.s3_key, thumb.square): image.image_id for image in images for thumb in shown_thumbs(image)
        }
        found = {thumb.key: thumb for thumb in compared.thumbs.look_all(compared.bucket, list(owners))}
        installation = compared.database.read(_installation)
        suspects = [wrong for image in images if (wrong := fault_of(image, found, installation)) is not None]
        # An image that was deleted or renewed before its thumbs were looked at is not the same any more.
        present = compared.database.read(_images_at, compared.bucket, [wrong.key for wrong in suspects])
        yield Batch(
            len(images),
            [
                *(wrong for wrong in suspects if is_same(wrong, present.get(wrong.key))),
                *compared.database.read(_orphans, compared.bucket, list(found.values())),
            ],
            kept=sum(thumb.image_id == owners[key] for key, thumb in found.items()),
            foreign=count_foreign(found.values(), installation),
        )


def find_in_bucket(compared: Comparison) -> Iterator[Batch]:
    """List the bucket: find orphans at keys where no image shows a thumb; `find_in_images` looks at the others."""
    for keys in compared.thumbs.list_keys(compared.bucket):
        suspects = compared.database.read(_keys_not_shown, compared.bucket, keys)
        found = compared.thumbs.look_all(compared.bucket, suspects)
        yield Batch(
            len(keys),
            compared.database.read(_orphans, compared.bucket, found),
            foreign=count_foreign(found, compared.database.read(_installation)),
        )


# --- mending: each of these is one transaction, and doing it again changes nothing ---


def mend_stuck(store: OperatorsStore, compared: Comparison, finding: Stuck, before: datetime) -> Outcome:
    """Restart the work on a key, if it is still stuck since `before`."""
    return Outcome.MENDED if recovery.restart(store, compared.bucket, finding.key, before) else Outcome.ALREADY_FINE


def mend_thumbs(store: OperatorsStore, compared: Comparison, finding: MissingThumbs | DifferingThumbs) -> Outcome:
    """Process an image again, above the generations of its thumbs, if the same is still wrong with it."""
    queue = store.key_queue(finding.key)
    image = queue.image
    if image is None or not is_same(finding, image):
        return Outcome.ALREADY_FINE
    found = {thumb.key: thumb for thumb in compared.thumbs.look_all(compared.bucket, _thumb_keys(image))}
    match finding, fault_of(image, found, store.installation()):
        case MissingThumbs(), _ if lacks_thumbs(image, found):
            queue.renew(image)
        case DifferingThumbs(), DifferingThumbs(newest=newest):
            queue.renew(image, above=newest)
        case _:
            return Outcome.ALREADY_FINE
    store.save(queue)
    return Outcome.MENDED


def delete_thumb(
    store: OperatorsStore, compared: Comparison, finding: OrphanThumb, before: datetime, *, unmarked: bool
) -> Outcome:
    """Delete an orphan thumb that was written before `before`, if it is still an orphan.

    A thumb that does not say which installation made it is skipped unless `unmarked`; so are all thumbs while it is not
    settled which installation this is. With the key locked no image can take the thumb over meanwhile. A rollback does
    not bring the thumb back, and need not: it was an orphan when it was deleted.
    """
    place = thumb_of(finding.key)
    if place is None:
        return Outcome.ALREADY_FINE
    store.lock_key(place[0])
    found = compared.thumbs.look(compared.bucket, finding.key)
    # Asked after the look at S3: had the database ended this transaction meanwhile, and released the lock, this fails.
    orphans = _orphans(store, compared.bucket, [found]) if found else []
    if found is None or not orphans:
        return Outcome.ALREADY_FINE
    is_kept = not orphans[0].is_marked and not unmarked
    if is_kept or found.date_modified >= before or not store.installation().is_settled:
        return Outcome.SKIPPED
    return Outcome.MENDED if compared.thumbs.delete(compared.bucket, finding.key, found.etag) else Outcome.SKIPPED


def _thumb_keys(image: Image) -> Sequence[str]:
    return [thumb_key(image.s3_key, thumb.square) for thumb in shown_thumbs(image)]


# --- reads, each in one transaction ---


def _ready_images(compared: Comparison) -> Iterator[Sequence[Image]]:
    """Yield the ready images of the bucket, ordered by id, up to `PAGE` at a time."""
    after: str | None = ""
    while after is not None:
        images, after = compared.database.read(OperatorsStore.ready_images, compared.bucket, after, PAGE)
        if images:
            yield images


def _images_at(store: OperatorsStore, s3_bucket: str, keys: Collection[str]) -> dict[str, Image]:
    return store.images_at(s3_bucket, keys)


def _installation(store: OperatorsStore) -> Installation:
    return store.installation()


def _keys_not_shown(store: OperatorsStore, s3_bucket: str, keys: Sequence[str]) -> Sequence[str]:
    """Return those of `keys` that have the shape of a thumb's key and at which no image shows a thumb."""
    places = {key: place for key in keys if (place := thumb_of(key)) is not None}
    images = store.images_at(s3_bucket, {s3_key for s3_key, _ in places.values()})
    return [
        key
        for key, (s3_key, square) in places.items()
        if (image := images.get(s3_key)) is None or not shows(image, square)
    ]


def _orphans(store: OperatorsStore, s3_bucket: str, found: Sequence[StoredThumb]) -> Sequence[OrphanThumb]:
    installation = store.installation()
    own = [thumb for thumb in found if installation.owns(thumb.installation_id)]
    places = {thumb: place for thumb in own if (place := thumb_of(thumb.key)) is not None}
    keys = {s3_key for s3_key, _ in places.values()}
    images, busy = store.images_at(s3_bucket, keys), store.keys_with_jobs(s3_bucket, keys)
    return [
        OrphanThumb(thumb.key, is_marked=thumb.installation_id is not None)
        for thumb, (s3_key, square) in places.items()
        if is_orphan(thumb, square, images.get(s3_key), has_jobs=s3_key in busy)
    ]
