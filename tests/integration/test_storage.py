"""Thumbs and originals on a real S3 API: conditional, bounded, and never somebody else's."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imaging.adapters.storage import Storage
from imaging.domain import (
    Job,
    Limits,
    OriginalMissingError,
    StaleJobError,
    StorageError,
    Thumb,
    ThumbKeyOccupiedError,
    TooLargeError,
    thumb_key,
)
from imaging.pipeline import render
from imaging.settings import ImagingSettings
from imaging.use_cases import Imaging, process
from pictures import encoded
from s3 import BUCKET, serving

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

JOB = Job("image-1", 2, BUCKET, "dir/ä b.jpg")
THUMB = Thumb(64, 64, 48, "image/jpeg", b"thumb")
KEY = "dir/t64/ä b.jpg"


@pytest.fixture(params=[True, False], ids=["conditional", "look-then-write"])
def storage(request: pytest.FixtureRequest, s3_endpoint: str, s3: "S3Client") -> Storage:  # noqa: ARG001
    return storage_at(s3_endpoint, s3_conditional_writes=request.param, max_bytes=1000)


def storage_at(url: str, **settings: Any) -> Storage:
    return Storage(
        ImagingSettings(
            broker_url="amqp://unused",
            s3_endpoint_url=url,
            s3_access_key_id="test",
            s3_secret_access_key="test",
            **settings,
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


class Dripping(BaseHTTPRequestHandler):
    """An S3 whose object arrives a byte at a time: too slowly to be of use, too fast for a read to time out."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"etag"')
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        with suppress(OSError):
            for _ in range(1000):
                self.wfile.write(b"x")
                time.sleep(0.02)

    def log_message(self, *_args: object) -> None:
        pass


def test_original_that_drips_in_is_given_up_at_the_deadline() -> None:
    with serving(Dripping) as url:
        began = time.monotonic()
        with pytest.raises(StorageError, match="in time"):
            storage_at(url, read_timeout_s=0.5).read(JOB)
        assert time.monotonic() - began < 5


def test_late_job_leaves_nothing_of_its_own_behind(storage: Storage, s3: "S3Client") -> None:
    """A newer generation is being deleted: its smallest thumb is gone, and the late job has written it again."""
    s3.put_object(Bucket=BUCKET, Key=JOB.s3_key, Body=encoded(Image.new("RGB", (70, 50)), "PNG"))
    storage.write_thumb(JOB, replace(THUMB, square=512), "e", 1)
    with ThreadPoolExecutor(4) as uploads:
        limits = Limits(1000, 10_000, 1000, 1024**3, ("PNG",))
        imaging = Imaging(storage, lambda data: render(data, limits, (64, 128, 256, 512)), uploads, lambda _: None)
        with pytest.raises(StaleJobError):
            process(imaging, replace(JOB, generation=1))
    assert set(keys(s3)) == {JOB.s3_key, thumb_key(JOB.s3_key, 512)}


class Refusing(BaseHTTPRequestHandler):
    """An S3 whose credential may not list buckets."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *_args: object) -> None:
        pass


def test_s3_that_refuses_to_list_its_buckets_answers_all_the_same() -> None:
    with serving(Refusing) as url:
        assert storage_at(url).answers()


def test_server_that_is_away_is_a_fault_of_the_moment() -> None:
    away = storage_at("http://127.0.0.1:9")
    with pytest.raises(StorageError):
        away.read(JOB)
    with pytest.raises(StorageError):
        away.delete_thumbs(JOB)
