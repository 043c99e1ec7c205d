"""Listing a bucket of S3."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from catalog.errors import StorageError
from catalog.stored_objects import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Objects of these classes can only be read some hours after somebody has asked for it.
_ARCHIVES = {"GLACIER", "DEEP_ARCHIVE"}


def list_objects(client: "S3Client", bucket: str, prefix: str = "") -> Iterator[Sequence[StoredObject]]:
    """Yield all objects of `bucket` below `prefix`, in the order of their keys, in pages of at most 1,000.

    Raise `StorageError`.
    """
    pages = iter(client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
    while True:
        with faults():
            page = next(pages, None)
        if page is None:
            return
        yield [
            StoredObject(found["Key"], found["Size"], found.get("StorageClass") in _ARCHIVES)
            for found in page.get("Contents", [])
        ]


@contextmanager
def faults() -> Iterator[None]:
    """Turn errors of boto3 and urllib3 into `StorageError`."""
    try:
        yield
    except (ClientError, BotoCoreError, HTTPClientError, HTTPError) as fault:
        raise StorageError(f"S3: {fault}") from fault
