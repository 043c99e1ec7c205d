"""Uploads that nobody registered: what lies under prefixes that were handed out for uploads, and is no image.

Finding only reads, and what it returns may be out of date a moment later. Deleting takes one of them, looks again with
the key locked, and acts on what it sees then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.thumbs import Thumbs
from catalog.keys import thumb_of
from catalog.stored_objects import StoredObject
from catalog.upkeep.findings import Outcome
from chassis.database.database import Database

# Prefixes that are read together.
PAGE = 250


@dataclass(frozen=True)
class Uploads:
    """Where uploads lie: `bucket`, as `storage` reaches it, under the prefixes that are in `database`."""

    database: Database[OperatorsStore]
    storage: Thumbs
    bucket: str


@dataclass(frozen=True)
class Found:
    """What lies under `prefixes` more prefixes, or under a part of one, and is not registered."""

    prefixes: int
    unregistered: Sequence[StoredObject]


def find(uploads: Uploads, before: datetime) -> Iterator[Found]:
    """Look under the prefixes that were handed out before `before`. Raise `StorageError` or `DependencyDownError`."""
    last: tuple[datetime, str] | None = None
    while page := uploads.database.read(OperatorsStore.upload_prefixes, before, PAGE, last):
        for last in page:
            for objects in uploads.storage.list_objects(uploads.bucket, f"{last[1]}/"):
                yield Found(0, uploads.database.read(_unregistered, uploads.bucket, objects))
            yield Found(1, ())


def delete(store: OperatorsStore, uploads: Uploads, key: str, before: datetime) -> Outcome:
    """Delete what was uploaded to `key` before `before`, if it is not registered still.

    It is kept if it has thumbs: it was registered once, which a database that was restored from a backup does not know.
    It is also kept while it is not settled which installation this is. With the key locked nobody can register it
    meanwhile. Raise `StorageError`.
    """
    prefix = key.partition("/")[0]
    if store.owner_of_upload_prefix(prefix) is None:
        return Outcome.SKIPPED
    store.lock_key(key)
    found = uploads.storage.look(uploads.bucket, key)
    has_thumbs = any(
        (place := thumb_of(other.key)) is not None and place[0] == key
        for page in uploads.storage.list_objects(uploads.bucket, f"{key.rpartition('/')[0]}/t")
        for other in page
    )
    # Asked after the looks at S3: had the database ended this transaction meanwhile, and released the lock, this fails.
    if found is None or not _unregistered(store, uploads.bucket, [StoredObject(key, 0)]):
        return Outcome.ALREADY_FINE
    if has_thumbs or found.date_modified >= before or not store.installation().is_settled:
        return Outcome.SKIPPED
    return Outcome.MENDED if uploads.storage.delete(uploads.bucket, key, found.etag) else Outcome.SKIPPED


def _unregistered(store: OperatorsStore, s3_bucket: str, objects: Sequence[StoredObject]) -> Sequence[StoredObject]:
    """Return those of `objects` that are neither registered nor thumbs, which `catalog reconcile` looks after."""
    own = [found for found in objects if thumb_of(found.key) is None]
    keys = [found.key for found in own]
    known = {image.s3_key for image in store.images_with_keys(keys)} | set(store.keys_with_jobs(s3_bucket, keys))
    return [found for found in own if found.key not in known]
