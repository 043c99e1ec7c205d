"""Thumbs and originals on a real S3 API: conditional, bounded, and never somebody else's."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
import pytest
from moto.server import ThreadedMotoServer

from imaging.adapters.storage import Storage
from imaging.domain import (
    Job,
    OriginalMissingError,
    StaleJobError,
    StorageError,
    Thumb,
    ThumbKeyOccupiedError,
    TooLargeError,
)
from imaging.settings import ImagingSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BUCKET = "pics"
JOB = Job("image-1", 2, BUCKET, "dir/ä b.jpg")
THUMB = Thumb(64, 64, 48, "image/jpeg", b"thumb")
KEY = "dir/t64/ä b.jpg"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str) -> Iterator["S3Client"]:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture(params=[True, False], ids=["conditional", "look-then-write"])
def storage(request: pytest.FixtureRequest, endpoint: str, s3: "S3Client") -> Storage:  # noqa: ARG001
    return Storage(
        ImagingSettings(
            broker_url="amqp://unused",
            s3_endpoint_url=endpoint,
            s3_access_key_id="test",
            s3_secret_access_key="test",
            s3_conditional_writes=request.param,
            max_bytes=1000,
        )
    )


def body(s3: "S3Client", key: str = KEY) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def keys(s3: "S3Client") -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_original_is_read_whole_with_the_etag_of_its_version(storage: Storage, s3: "S3Client") -> None:
    etag = s3.put_object(Bucket=BUCKET, Key=JOB.s3_key, Body=b"original")["ETag"]
    original = storage.read(JOB)
    assert (original.data, original.etag) == (b"original", etag)


def test_missing_original_is_told_so(storage: Storage) -> None:
    with pytest.raises(OriginalMissingError):
        storage.read(JOB)


def test_original_over_the_limit_is_not_fetched(storage: Storage, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key=JOB.s3_key, Body=b"x" * 1001)
    with pytest.raises(TooLargeError, match="1001 bytes"):
        storage.read(JOB)


def test_thumb_says_whose_it_is_and_may_be_kept_for_an_hour(storage: Storage, s3: "S3Client") -> None:
    storage.write_thumb(JOB, THUMB, '"etag"', 7)
    head = s3.head_object(Bucket=BUCKET, Key=KEY)
    assert head["Metadata"] == {
        "imghost-image-id": "image-1",
        "imghost-generation": "2",
        "imghost-recipe": "7",
        "imghost-etag": "etag",
    }
    assert (head["ContentType"], head["CacheControl"]) == ("image/jpeg", "public, max-age=3600")


def test_thumb_is_written_over_an_older_generation_and_over_another_image(storage: Storage, s3: "S3Client") -> None:
    storage.write_thumb(replace(JOB, generation=1), replace(THUMB, data=b"older"), "e", 1)
    storage.write_thumb(JOB, THUMB, "e", 1)
    assert body(s3) == b"thumb"
    storage.write_thumb(replace(JOB, image_id="image-2", generation=1), replace(THUMB, data=b"next"), "e", 1)
    assert body(s3) == b"next"


def test_late_generation_writes_over_nothing(storage: Storage, s3: "S3Client") -> None:
    storage.write_thumb(JOB, THUMB, "e", 1)
    with pytest.raises(StaleJobError):
        storage.write_thumb(replace(JOB, generation=1), replace(THUMB, data=b"late"), "e", 1)
    assert body(s3) == b"thumb"


def test_object_that_is_not_ours_is_neither_overwritten_nor_deleted(storage: Storage, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"somebody's")
    with pytest.raises(ThumbKeyOccupiedError):
        storage.write_thumb(JOB, THUMB, "e", 1)
    storage.delete_thumbs(JOB)
    assert body(s3) == b"somebody's"


def test_deletion_takes_the_thumbs_of_its_image_only(storage: Storage, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key=JOB.s3_key, Body=b"original")
    storage.write_thumb(JOB, THUMB, "e", 1)
    storage.write_thumb(JOB, replace(THUMB, square=512), "e", 1)
    storage.delete_thumbs(replace(JOB, image_id="image-2"))
    assert len(keys(s3)) == 3
    storage.delete_thumbs(JOB)
    storage.delete_thumbs(JOB)
    assert keys(s3) == [JOB.s3_key]


def test_server_that_is_away_is_a_fault_of_the_moment() -> None:
    away = Storage(
        ImagingSettings(
            broker_url="amqp://unused",
            s3_endpoint_url="http://127.0.0.1:9",
            s3_access_key_id="test",
            s3_secret_access_key="test",
        )
    )
    with pytest.raises(StorageError):
        away.read(JOB)
    with pytest.raises(StorageError):
        away.delete_thumbs(JOB)
