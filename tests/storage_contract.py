"""What imaging may rely on in every storage: S3 of any server, and the one in memory that unit tests use."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import pytest

from imaging.domain import Job, Thumb
from imaging.errors import OriginalMissingError, StaleJobError, ThumbKeyOccupiedError, TooLargeError
from imaging.ports import Storage
from s3 import BUCKET

JOB = Job("image-1", 2, BUCKET, "dir/ä b.jpg")
THUMB = Thumb(64, 64, 48, "image/jpeg", b"thumb")
KEY = "dir/t64/ä b.jpg"
DISPLAY = replace(THUMB, square=2048, width=2048, height=1536)
DISPLAY_KEY = "dir/t2048/ä b.jpg"
MAX_BYTES = 1000


class Bucket(Protocol):
    """The bucket of JOB, behind the back of the storage."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object without metadata."""

    def objects(self) -> Mapping[str, bytes]:
        """Return all objects by key."""


class StorageContract:
    """The tests that every `Storage` passes, given the fixtures `storage` (of MAX_BYTES) and its `bucket`."""

    def test_original_is_read_whole(self, storage: Storage, bucket: Bucket) -> None:
        bucket.put(JOB.s3_key, b"original")
        original = storage.read(JOB)
        assert (original.data, original.sha256) == (b"original", hashlib.sha256(b"original").hexdigest())

    def test_missing_original_is_told_so(self, storage: Storage) -> None:
        with pytest.raises(OriginalMissingError):
            storage.read(JOB)

    def test_original_over_the_limit_is_not_fetched(self, storage: Storage, bucket: Bucket) -> None:
        bucket.put(JOB.s3_key, b"x" * (MAX_BYTES + 1))
        with pytest.raises(TooLargeError, match=r"1000 .*are allowed"):
            storage.read(JOB)

    def test_thumb_is_written_over_an_older_generation_and_over_another_image(
        self, storage: Storage, bucket: Bucket
    ) -> None:
        storage.write_thumb(replace(JOB, generation=1), replace(THUMB, data=b"older"), "e", 1)
        storage.write_thumb(JOB, THUMB, "e", 1)
        assert bucket.objects()[KEY] == b"thumb"
        storage.write_thumb(replace(JOB, image_id="image-2", generation=1), replace(THUMB, data=b"next"), "e", 1)
        assert bucket.objects()[KEY] == b"next"

    def test_late_generation_writes_over_nothing(self, storage: Storage, bucket: Bucket) -> None:
        storage.write_thumb(JOB, THUMB, "e", 1)
        with pytest.raises(StaleJobError) as fault:
            storage.write_thumb(replace(JOB, generation=1), replace(THUMB, data=b"late"), "e", 1)
        assert fault.value.newest == JOB.generation
        assert bucket.objects()[KEY] == b"thumb"

    def test_object_that_is_not_ours_is_neither_overwritten_nor_deleted(self, storage: Storage, bucket: Bucket) -> None:
        bucket.put(KEY, b"somebody's")
        with pytest.raises(ThumbKeyOccupiedError):
            storage.write_thumb(JOB, THUMB, "e", 1)
        storage.delete_thumbs(JOB)
        assert bucket.objects()[KEY] == b"somebody's"

    def test_deletion_takes_the_thumbs_of_its_image_only(self, storage: Storage, bucket: Bucket) -> None:
        bucket.put(JOB.s3_key, b"original")
        storage.write_thumb(JOB, THUMB, "e", 1)
        storage.write_thumb(JOB, replace(THUMB, square=512), "e", 1)
        storage.delete_thumbs(replace(JOB, image_id="image-2"))
        assert len(bucket.objects()) == 3
        assert storage.delete_thumbs(JOB) == 0
        assert storage.delete_thumbs(JOB) == 0
        assert bucket.objects().keys() == {JOB.s3_key}

    def test_original_is_deleted_alone_and_again_without_a_fault(self, storage: Storage, bucket: Bucket) -> None:
        for key in (JOB.s3_key, f"{JOB.s3_key}x"):
            bucket.put(key, b"original")
        storage.write_thumb(JOB, THUMB, "e", 1)
        for _ in range(2):
            storage.delete_original(JOB)
            assert bucket.objects().keys() == {f"{JOB.s3_key}x", KEY}

    def test_display_picture_is_deleted_with_the_thumbs_or_alone(self, storage: Storage, bucket: Bucket) -> None:
        storage.delete_display(JOB)
        storage.write_thumb(JOB, THUMB, "e", 1)
        storage.write_thumb(JOB, DISPLAY, "e", 1)
        for other in (replace(JOB, image_id="image-2"), replace(JOB, generation=1)):
            storage.delete_display(other)
        assert bucket.objects().keys() == {KEY, DISPLAY_KEY}
        storage.delete_display(JOB)
        assert bucket.objects().keys() == {KEY}
        storage.write_thumb(JOB, DISPLAY, "e", 1)
        storage.delete_thumbs(JOB)
        assert not bucket.objects()

    def test_deletion_keeps_newer_thumbs_and_says_of_which_generation_they_are(
        self, storage: Storage, bucket: Bucket
    ) -> None:
        storage.write_thumb(JOB, THUMB, "e", 1)
        assert storage.delete_thumbs(replace(JOB, generation=1)) == JOB.generation
        assert bucket.objects()[KEY] == b"thumb"
