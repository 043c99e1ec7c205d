"""Originals and thumbs in S3: reads of one version, conditional writes and deletes, everything bounded in time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from imaging.domain import (
    AccessDeniedError,
    Job,
    Original,
    OriginalDeniedError,
    OriginalMissingError,
    OriginalUnreadableError,
    StaleJobError,
    StorageError,
    Thumb,
    ThumbKeyOccupiedError,
    TooLargeError,
    thumb_key,
)
from imaging.settings import ImagingSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from urllib3 import HTTPResponse

# Who a thumb belongs to; an object without these is not ours and is never touched.
IMAGE_ID, GENERATION, RECIPE, SOURCE_ETAG = "imghost-image-id", "imghost-generation", "imghost-recipe", "imghost-etag"
# Keys are written again, so a copy may be kept for a while only, and never as immutable.
CACHE_CONTROL = "public, max-age=3600"
_CHUNK = 256 * 1024
_WRITE_ATTEMPTS = 5
_MISSING = {"NoSuchKey", "404", "NotFound"}
_RACED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
# A 403 to a HEAD has no body that could tell more.
_DENIED = {"AccessDenied", "AllAccessDisabled", "403"}
# What S3 says of an object that it will not give, however often it is asked, and what that means to its owner.
_UNREADABLE = {
    "InvalidObjectState": "The object is archived. It has to be restored first.",
    "InvalidRequest": "The object is encrypted by a key that only its owner has (SSE-C).",
    "KMS.DisabledException": "The key that the object is encrypted by is disabled.",
    "KMS.InvalidKeyUsageException": "The key that the object is encrypted by is not one for encryption.",
    "KMS.KMSInvalidStateException": "The key that the object is encrypted by is in no state to be used.",
    "KMS.NotFoundException": "The key that the object is encrypted by is gone.",
}


class Storage:
    """One client of S3 for all threads."""

    def __init__(self, settings: ImagingSettings) -> None:
        checksums: Any = "when_supported" if settings.s3_checksums else "when_required"
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            region_name=settings.s3_region,
            aws_access_key_id=settings.s3_access_key_id,
            aws_secret_access_key=settings.s3_secret_access_key.get_secret_value(),
            config=Config(
                connect_timeout=3,
                read_timeout=10,
                retries={"mode": "standard", "total_max_attempts": 3},
                max_pool_connections=4 * settings.processes + 4,
                request_checksum_calculation=checksums,
                response_checksum_validation=checksums,
                s3={"addressing_style": "path" if settings.s3_endpoint_url else "auto"},
            ),
        )
        self._max_bytes = settings.max_bytes
        self._read_timeout_s = settings.read_timeout_s
        self._conditional = settings.s3_conditional_writes
        self._squares = settings.squares

    def read(self, job: Job) -> Original:
        """Read the original of JOB, all of it of one version: it is one answer to one request.

        Raises OriginalMissingError, OriginalUnreadableError or TooLargeError, which are final; OriginalDeniedError,
        which may be; StorageError.
        """
        deadline = time.monotonic() + self._read_timeout_s
        with _faults():
            try:
                answer = self._client.get_object(Bucket=job.s3_bucket, Key=job.s3_key)
            except ClientError as fault:
                code = _code(fault)
                if code in _MISSING | {"NoSuchBucket"}:
                    raise OriginalMissingError from None
                if code in _UNREADABLE:
                    raise OriginalUnreadableError(_UNREADABLE[code]) from fault
                if code in _DENIED:
                    raise OriginalDeniedError(f"S3: {fault}") from fault
                raise
            size = answer["ContentLength"]
            # As a context a body gives the stream that it reads from, which the stubs do not know, and closes it.
            with answer["Body"] as stream:
                if size > self._max_bytes:
                    raise TooLargeError(f"The file has {size} bytes; {self._max_bytes} are allowed.")
                data = _receive(cast("HTTPResponse", stream), size, deadline)
        if len(data) != size:
            raise StorageError("the original arrived incomplete")
        return Original(bytes(data), answer["ETag"])

    def write_thumb(self, job: Job, thumb: Thumb, source_etag: str, recipe: int) -> None:
        """Write THUMB at its key, over nothing or over a thumb of ours that is not newer.

        Raises ThumbKeyOccupiedError, StaleJobError (a newer generation was here) or StorageError.
        """
        key = thumb_key(job.s3_key, thumb.square)
        metadata = {
            IMAGE_ID: job.image_id,
            GENERATION: str(job.generation),
            RECIPE: str(recipe),
            SOURCE_ETAG: source_etag.strip('"'),
        }
        with _faults():
            # Nothing is there most of the time, and S3 tells so by itself: no look before the first write.
            condition: dict[str, Any] = {"IfNoneMatch": "*"} if self._conditional else self._over(job, key)
            for _ in range(_WRITE_ATTEMPTS):
                try:
                    self._client.put_object(
                        Bucket=job.s3_bucket,
                        Key=key,
                        Body=thumb.data,
                        ContentType=thumb.content_type,
                        CacheControl=CACHE_CONTROL,
                        Metadata=metadata,
                        **condition,
                    )
                except ClientError as fault:
                    if _code(fault) not in _RACED | _MISSING:
                        raise
                    condition = self._over(job, key)
                else:
                    return
        raise StorageError("others keep writing the same thumb")

    def delete_thumbs(self, job: Job) -> None:
        """Delete the thumbs that belong to the image of JOB up to its generation, and nothing else."""
        for square in self._squares:
            self._delete_thumb(job, thumb_key(job.s3_key, square))

    def answers(self) -> bool:
        """Tell whether S3 answers at all; a refusal is an answer, and all that a narrow credential gets."""
        with _faults(), suppress(ClientError):
            self._client.list_buckets(MaxBuckets=1)
        return True

    def _over(self, job: Job, key: str) -> dict[str, Any]:
        """Look at what lies at KEY and give the condition under which it may be written over."""
        found = self._look(job, key)
        if found is None:
            return {"IfNoneMatch": "*"} if self._conditional else {}
        owner, generation, etag = found
        if owner is None:
            raise ThumbKeyOccupiedError(key)
        if owner == job.image_id and generation > job.generation:
            raise StaleJobError
        return {"IfMatch": etag} if self._conditional else {}

    def _delete_thumb(self, job: Job, key: str) -> None:
        with _faults():
            for _ in range(_WRITE_ATTEMPTS):
                found = self._look(job, key)
                if found is None or found[0] != job.image_id or found[1] > job.generation:
                    return
                condition: dict[str, Any] = {"IfMatch": found[2]} if self._conditional else {}
                try:
                    self._client.delete_object(Bucket=job.s3_bucket, Key=key, **condition)
                except ClientError as fault:
                    if _code(fault) not in _RACED | _MISSING:
                        raise
                else:
                    return
        raise StorageError("others keep writing the same thumb")

    def _look(self, job: Job, key: str) -> tuple[str | None, int, str] | None:
        """Give (image id or None, generation, ETag) of the object at KEY, None if there is none."""
        try:
            head = self._client.head_object(Bucket=job.s3_bucket, Key=key)
        except ClientError as fault:
            if _code(fault) in _MISSING:
                return None
            if _code(fault) == "400" and self._is_unreadable(job, key):
                return None, 0, ""
            raise
        metadata = head["Metadata"]
        generation = metadata.get(GENERATION, "")
        return metadata.get(IMAGE_ID), int(generation) if generation.isdecimal() else 0, head["ETag"]

    def _is_unreadable(self, job: Job, key: str) -> bool:
        """Tell whether the object at KEY is under a key of encryption that only its owner has; we write none such.

        A refused HEAD has no body that could tell, a GET has.
        """
        try:
            self._client.get_object(Bucket=job.s3_bucket, Key=key)["Body"].close()
        except ClientError as fault:
            return _code(fault) == "InvalidRequest"
        return False


def _receive(stream: "HTTPResponse", size: int, deadline: float) -> bytearray:
    """Read up to SIZE bytes of STREAM; raises StorageError when DEADLINE passes, however slowly they drip in."""
    data = bytearray()
    # read waits until a chunk is full, which a stream that drips never trips a timeout by; read1 gives what there is.
    while len(data) < size and (chunk := stream.read1(min(_CHUNK, size - len(data)))):
        data += chunk
        if time.monotonic() > deadline:
            raise StorageError("the original did not arrive in time")
    return data


def _code(fault: ClientError) -> str:
    return str(fault.response.get("Error", {}).get("Code", ""))


@contextmanager
def _faults() -> Iterator[None]:
    """Whatever else S3 does is a fault of the moment."""
    try:
        yield
    except ClientError as fault:
        raise (AccessDeniedError if _code(fault) in _DENIED else StorageError)(f"S3: {fault}") from fault
    except (BotoCoreError, HTTPClientError, HTTPError) as fault:
        raise StorageError(f"S3: {fault}") from fault
