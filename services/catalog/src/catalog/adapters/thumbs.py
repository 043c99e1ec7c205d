"""Thumbs in S3 as reconciliation sees them: listed, looked at, deleted under a condition; never read or written."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from catalog.domain import MAX_GENERATION
from catalog.settings import ReconcileSettings
from catalog.stored_thumbs import StorageError, StoredThumb
from chassis.s3 import client as s3
from chassis.s3.conditions import Conditions, Manners, is_refusal_of_condition

# imaging writes these; an object without the first is not ours and is never touched.
IMAGE_ID, GENERATION, SOURCE_ETAG, INSTALLATION = (
    "imghost-image-id",
    "imghost-generation",
    "imghost-etag",
    "imghost-installation",
)
_LOOKS_AT_ONCE = 16

Tell = Callable[[str, Manners], None]


class Thumbs:
    """One client of S3, and threads for many looks at once."""

    def __init__(self, settings: ReconcileSettings, looks: ThreadPoolExecutor, tell: Tell) -> None:
        self._looks = looks
        # The three attempts of a request end within 27 s: the database ends a transaction, and with it the lock of a
        # key, that has been idle for 30 s.
        self._client = s3.connect(
            s3.Access.from_settings(settings, "reconcile_s3"), read_timeout_s=5, max_connections=_LOOKS_AT_ONCE + 1
        )
        self._conditions = Conditions(self._client, settings.reconcile_s3_conditional_writes, tell)

    def check(self, bucket: str) -> None:
        """Raise StorageError unless BUCKET can be listed."""
        with _faults():
            self._client.list_objects_v2(Bucket=bucket, MaxKeys=1)

    def list_keys(self, bucket: str) -> Iterator[Sequence[str]]:
        """Give all keys of BUCKET, in order, a page of at most 1,000 at a time; raises StorageError."""
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket))
        while True:
            with _faults():
                page = next(pages, None)
            if page is None:
                return
            yield [found["Key"] for found in page.get("Contents", [])]

    def look_all(self, bucket: str, keys: Sequence[str]) -> Sequence[StoredThumb]:
        """Look at KEYS, many at a time, and give what is there; raises StorageError."""
        return [found for found in self._looks.map(partial(self.look, bucket), keys) if found is not None]

    def look(self, bucket: str, key: str) -> StoredThumb | None:
        """Give what lies at KEY, None if nothing does; raises StorageError."""
        with _faults():
            found = s3.look(self._client, bucket, key)
        if found is None:
            return None
        told = found.metadata
        return StoredThumb(
            key=key,
            image_id=told.get(IMAGE_ID),
            etag=found.etag,
            date_modified=found.date_modified,
            generation=_generation(told.get(GENERATION, "")),
            source_etag=told.get(SOURCE_ETAG, ""),
            installation_id=told.get(INSTALLATION),
        )

    def ask_for_conditions(self, bucket: str) -> None:
        """Find out whether a deletion in BUCKET may be bound to a condition; raises StorageError."""
        with _faults():
            self._conditions.of(bucket)

    def delete(self, bucket: str, key: str, etag: str) -> bool:
        """Delete what lies at KEY if its ETag is ETAG still; tell whether it was; raises StorageError.

        Where S3 keeps no conditions it is deleted in any case: whoever calls has just looked.
        """
        with _faults():
            manners = self._conditions.of(bucket)
            condition: dict[str, Any] = manners.if_undeleted(etag)
            try:
                self._client.delete_object(Bucket=bucket, Key=key, **condition)
            except ClientError as fault:
                if manners.sent and is_refusal_of_condition(fault):
                    self._conditions.refused(bucket)
                elif s3.code_of(fault) not in s3.RACED | s3.MISSING:
                    raise
                return False
        return True


@contextmanager
def connect(settings: ReconcileSettings, tell: Tell) -> Iterator[Thumbs]:
    """Reach S3 as SETTINGS say, for the time of the block; TELL hears whether S3 keeps conditions of deletions."""
    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as looks:
        yield Thumbs(settings, looks, tell)


def _generation(told: str) -> int:
    """Read a generation as it was TOLD; 0 for what imaging never wrote."""
    number = int(told) if told.isdecimal() and len(told) <= len(str(MAX_GENERATION)) else 0
    return number if number <= MAX_GENERATION else 0


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, HTTPClientError, HTTPError) as fault:
        raise StorageError(f"S3: {fault}") from fault
