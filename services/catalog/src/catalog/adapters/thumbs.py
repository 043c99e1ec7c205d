"""S3 for reconciliation and sweeping, which list objects, read their metadata and delete them on a condition."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from catalog.adapters.listing import faults, list_objects
from catalog.domain import MAX_GENERATION
from catalog.settings import ReconcileSettings
from catalog.stored_objects import StoredObject, StoredThumb
from chassis.s3 import client as s3
from chassis.s3.conditions import Conditions, KeptConditions, is_refusal_of_condition

# Metadata that imaging writes. An object without the first is somebody else's and is never touched.
IMAGE_ID, GENERATION, SOURCE_ETAG, INSTALLATION = (
    "imghost-image-id",
    "imghost-generation",
    "imghost-etag",
    "imghost-installation",
)
_LOOKS_AT_ONCE = 16

Report = Callable[[str, KeptConditions], None]


class Thumbs:
    """A client of S3, and threads for many requests at once."""

    def __init__(self, settings: ReconcileSettings, looks: ThreadPoolExecutor, report: Report) -> None:
        self._looks = looks
        # The three attempts of a request end within 27 s: the database ends a transaction, and with it the lock of a
        # key, that has been idle for 30 s.
        self._client = s3.connect(
            s3.Access.from_settings(settings, "reconcile_s3"), read_timeout_s=5, max_connections=_LOOKS_AT_ONCE + 1
        )
        self._conditions = Conditions(self._client, settings.reconcile_s3_conditional_writes, report)

    def check(self, bucket: str) -> None:
        """Raise `StorageError` unless `bucket` can be listed."""
        with faults():
            self._client.list_objects_v2(Bucket=bucket, MaxKeys=1)

    def list_keys(self, bucket: str) -> Iterator[Sequence[str]]:
        """Yield all keys of `bucket`, in order, in pages of at most 1,000. Raise `StorageError`."""
        return ([found.key for found in page] for page in self.list_objects(bucket))

    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[Sequence[StoredObject]]:
        """Yield all objects of `bucket` below `prefix`, in the order of their keys, in pages. Raise `StorageError`."""
        return list_objects(self._client, bucket, prefix)

    def look_all(self, bucket: str, keys: Sequence[str]) -> Sequence[StoredThumb]:
        """Return what lies at `keys`, asking for many at a time. Raise `StorageError`."""
        return [found for found in self._looks.map(partial(self.look, bucket), keys) if found is not None]

    def look(self, bucket: str, key: str) -> StoredThumb | None:
        """Return what lies at `key`, None if nothing does. Raise `StorageError`."""
        with faults():
            found = s3.look(self._client, bucket, key)
        if found is None:
            return None
        metadata = found.metadata
        return StoredThumb(
            key=key,
            image_id=metadata.get(IMAGE_ID),
            etag=found.etag,
            date_modified=found.date_modified,
            generation=_generation(metadata.get(GENERATION, "")),
            source_etag=metadata.get(SOURCE_ETAG, ""),
            installation_id=metadata.get(INSTALLATION),
        )

    def ask_for_conditions(self, bucket: str) -> None:
        """Find out whether S3 keeps conditions of deletions in `bucket`. Raise `StorageError`."""
        with faults():
            self._conditions.of(bucket)

    def delete(self, bucket: str, key: str, etag: str) -> bool:
        """Delete the object at `key` if its ETag is still `etag`; return whether it was deleted. Raise `StorageError`.

        If S3 keeps no conditions the object is deleted in any case: the caller has just looked at it.
        """
        with faults():
            kept = self._conditions.of(bucket)
            condition: dict[str, Any] = kept.if_undeleted(etag)
            try:
                self._client.delete_object(Bucket=bucket, Key=key, **condition)
            except ClientError as fault:
                if kept.sent and is_refusal_of_condition(fault):
                    self._conditions.refused(bucket)
                elif s3.code_of(fault) not in s3.RACED | s3.MISSING:
                    raise
                return False
        return True


@contextmanager
def connect(settings: ReconcileSettings, report: Report) -> Iterator[Thumbs]:
    """Yield the thumbs in S3 that `settings` describe; `report` is called with what S3 keeps of conditions."""
    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as looks:
        yield Thumbs(settings, looks, report)


def _generation(text: str) -> int:
    """Read a generation from metadata; return 0 for what imaging never wrote."""
    number = int(text) if text.isdecimal() and len(text) <= len(str(MAX_GENERATION)) else 0
    return number if number <= MAX_GENERATION else 0
