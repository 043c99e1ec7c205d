"""Thumbs in S3 as reconciliation sees them: listed, looked at, deleted under a condition; never read or written."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from catalog.reconciliation import StorageError, StoredThumb
from catalog.settings import ReconcileSettings
from chassis.database import now

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# imaging writes it; an object without it is not ours and is never touched.
IMAGE_ID = "imghost-image-id"
_LOOKS_AT_ONCE = 16
_MISSING = {"NoSuchKey", "404", "NotFound"}
_RACED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
# S3 says this to a look at an object under a customer's own key of encryption; imaging writes none.
_UNREADABLE = {"400", "BadRequest", "InvalidRequest"}


class Thumbs:
    """One client of S3, and threads for many looks at once."""

    def __init__(self, settings: ReconcileSettings, looks: ThreadPoolExecutor) -> None:
        self._looks = looks
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=settings.reconcile_s3_endpoint_url,
            region_name=settings.reconcile_s3_region,
            aws_access_key_id=settings.reconcile_s3_access_key_id,
            aws_secret_access_key=settings.reconcile_s3_secret_access_key.get_secret_value(),
            config=Config(
                # Three attempts are over within 27 s: the database ends a transaction, and with it the lock of a key,
                # that has been idle for 30 s.
                connect_timeout=3,
                read_timeout=5,
                retries={"mode": "standard", "total_max_attempts": 3},
                max_pool_connections=_LOOKS_AT_ONCE + 1,
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if settings.reconcile_s3_endpoint_url else "auto"},
            ),
        )

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
            try:
                head = self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as fault:
                if _code(fault) in _MISSING:
                    return None
                if _code(fault) in _UNREADABLE:
                    return StoredThumb(key, None, "", now())
                raise
        return StoredThumb(key, head["Metadata"].get(IMAGE_ID), head["ETag"], head["LastModified"])

    def delete(self, bucket: str, key: str, etag: str) -> bool:
        """Delete what lies at KEY if its ETag is ETAG still; tell whether it was; raises StorageError."""
        with _faults():
            try:
                self._client.delete_object(Bucket=bucket, Key=key, IfMatch=etag)
            except ClientError as fault:
                if _code(fault) not in _RACED | _MISSING:
                    raise
                return False
        return True


@contextmanager
def connect(settings: ReconcileSettings) -> Iterator[Thumbs]:
    """Reach S3 as SETTINGS say, for the time of the block."""
    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as looks:
        yield Thumbs(settings, looks)


def _code(fault: ClientError) -> str:
    return str(fault.response.get("Error", {}).get("Code", ""))


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, HTTPClientError, HTTPError) as fault:
        raise StorageError(f"S3: {fault}") from fault
