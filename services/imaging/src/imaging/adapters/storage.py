"""Originals and thumbs in S3: reads of one version, conditional writes and deletes, everything bounded in time."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import structlog
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from chassis.health import CheckFailedError
from chassis.s3 import client as s3
from chassis.s3.conditions import Conditions, KeptConditions, is_refusal_of_condition
from imaging import metrics
from imaging.adapters import thumb_metadata
from imaging.adapters.refusals import Refusals
from imaging.adapters.thumb_metadata import StoredThumb
from imaging.domain import DISPLAY_SQUARE, Job, Original, Thumb
from imaging.errors import (
    AccessDeniedError,
    BucketRefusedError,
    OriginalDeniedError,
    OriginalMissingError,
    OriginalUnreadableError,
    PictureError,
    StaleJobError,
    StorageError,
    ThumbKeyOccupiedError,
    TooLargeError,
)
from imaging.keys import thumb_key
from imaging.settings import ImagingSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from urllib3 import HTTPResponse

log = structlog.get_logger(__name__)

# A day after its image was deleted, a key begins with plain addresses again: caches may keep thumbs for a while only.
CACHE_CONTROL = "public, max-age=3600"
# The secret is wrong, or a server or proxy changes the path of this one key before its signature is verified.
_MAY_CONCERN_ONE_KEY = "SignatureDoesNotMatch"
_CHUNK = 256 * 1024
_WRITE_ATTEMPTS = 5
# Codes with which S3 refuses an object at every retry, and what each means to the object's owner.
_UNREADABLE = {
    "InvalidObjectState": "The object is archived. It has to be restored first.",
    "InvalidRequest": "The object is encrypted by a key that only its owner has (SSE-C).",
    "KMS.DisabledException": "The key that the object is encrypted by is disabled.",
    "KMS.InvalidKeyUsageException": "The key that the object is encrypted by is not one for encryption.",
    "KMS.KMSInvalidStateException": "The key that the object is encrypted by is in no state to be used.",
    "KMS.NotFoundException": "The key that the object is encrypted by is gone.",
}


class S3Storage:
    """The port `Storage` on S3. One client serves all threads."""

    def __init__(self, settings: ImagingSettings) -> None:
        self._client = connect(settings)
        self._max_bytes = settings.max_bytes
        self._read_timeout_s = settings.read_timeout_s
        self._conditions = Conditions(self._client, settings.s3_conditional_writes, _report_conditions)
        self._refusals = Refusals()
        self._squares = settings.squares

    def read(self, job: Job) -> Original:
        """Return the original of `job`, in one request, so that all of it is of one version."""
        deadline = time.monotonic() + self._read_timeout_s
        with self._storage_errors(job.s3_bucket, denied=OriginalDeniedError):
            try:
                answer = self._client.get_object(Bucket=job.s3_bucket, Key=job.s3_key)
            except ClientError as fault:
                code = s3.code_of(fault)
                if code in s3.MISSING:
                    raise OriginalMissingError from None
                if code in _UNREADABLE:
                    raise OriginalUnreadableError(_UNREADABLE[code]) from fault
                raise
            # None: some servers send an object in chunks without its length, and only the end of the stream tells it.
            size: int | None = cast("dict[str, Any]", answer).get("ContentLength")
            # Entering a body returns the urllib3 response under it, which the stubs do not know; leaving closes it.
            with answer["Body"] as stream:
                if size is not None and size > self._max_bytes:
                    raise TooLargeError(f"The file has {size} bytes; {self._max_bytes} are allowed.")
                limit = self._max_bytes + 1 if size is None else size
                data, digest = _receive(cast("HTTPResponse", stream), limit, deadline)
        if len(data) > self._max_bytes:
            raise TooLargeError(f"The file has more than the {self._max_bytes} bytes that are allowed.")
        if size is not None and len(data) != size:
            raise StorageError("the original arrived incomplete")
        metrics.ORIGINALS_READ.inc()
        metrics.ORIGINAL_BYTES.inc(len(data))
        return Original(bytes(data), s3.quoted(s3.etag_of(answer)), digest)

    def write_thumb(self, job: Job, thumb: Thumb, source_etag: str, recipe: int) -> None:
        """Write `thumb` under a condition, so that no concurrent write is lost unnoticed."""
        key = thumb_key(job.s3_key, thumb.square)
        with self._storage_errors(job.s3_bucket):
            kept = self._conditions.of(job.s3_bucket)
            # Mostly nothing is there yet. Where S3 keeps this condition, it costs no look at the key before the write.
            condition: dict[str, Any] = kept.if_absent() if kept.creations else self._overwriting(job, key, kept)
            for _ in range(_WRITE_ATTEMPTS):
                try:
                    self._client.put_object(
                        Bucket=job.s3_bucket,
                        Key=key,
                        Body=thumb.data,
                        ContentType=thumb.content_type,
                        CacheControl=CACHE_CONTROL,
                        Metadata=thumb_metadata.write(job, source_etag, recipe),
                        **condition,
                    )
                except ClientError as fault:
                    kept = self._conditions_after(fault, job.s3_bucket, kept)
                    condition = self._overwriting(job, key, kept)
                else:
                    metrics.THUMBS_WRITTEN.inc()
                    metrics.THUMB_BYTES.inc(len(thumb.data))
                    return
            self._conditions.forget(job.s3_bucket)
        raise StorageError("others keep writing the same thumb")

    def delete_display(self, job: Job) -> None:
        """Delete the display picture of the image of `job`, unless it is of a newer generation."""
        self._delete_display(job)

    def delete_thumbs(self, job: Job) -> int:
        """Delete the thumbs of the image of `job` up to its generation. Return the newest generation that is left."""
        left = [self._delete_thumb(job, thumb_key(job.s3_key, square)) for square in self._squares]
        left.append(self._delete_display(job))
        if all(generation is None for generation in left):
            # HEAD answers 404 for a missing bucket too, which would then pass for one without thumbs.
            self._require_bucket(job.s3_bucket)
        return max(generation or 0 for generation in left)

    def delete_original(self, job: Job) -> None:
        """Delete the original of `job`. In a bucket with versions, that hides it behind a delete marker."""
        with self._storage_errors(job.s3_bucket):
            try:
                self._client.delete_object(Bucket=job.s3_bucket, Key=job.s3_key)
            except ClientError as fault:
                if s3.code_of(fault) not in s3.MISSING:  # S3 has nothing against it, but other servers may
                    raise
        metrics.ORIGINALS_DELETED.inc()

    def answers(self) -> bool:
        """Return True if S3 answers. Raise `CheckFailedError` with its code if it refuses the credential or a bucket.

        Denying the right to list buckets is an answer.
        """
        for bucket in self._refusals.all():
            with suppress(StorageError):
                self._require_bucket(bucket)
        if refused := self._refusals.all():
            raise CheckFailedError(", ".join(f"{bucket}: {code}" for bucket, code in sorted(refused.items())))
        try:
            self._client.list_buckets(MaxBuckets=1)
        except ClientError as fault:
            if s3.code_of(fault) in s3.REFUSALS:
                raise CheckFailedError(s3.code_of(fault)) from fault
        return True

    def _delete_display(self, job: Job) -> int | None:
        """Delete the display picture as `_delete_thumb` does. Most images have none.

        Without s3:ListBucket a look at a missing object is denied. Waiting for that right, as for a thumb, would be
        waiting with nearly every image.
        """
        with suppress(AccessDeniedError):
            return self._delete_thumb(job, thumb_key(job.s3_key, DISPLAY_SQUARE))
        return None

    def _delete_thumb(self, job: Job, key: str) -> int | None:
        """Delete the thumb at `key` if it is of `job`.

        Return its generation if it is a newer one, None if there is nothing, else 0.
        """
        with self._storage_errors(job.s3_bucket):
            for _ in range(_WRITE_ATTEMPTS):
                found = self._look(job, key)
                if found is None:
                    return None
                if not found.is_of(job):
                    return 0
                if found.generation > job.generation:
                    return found.generation
                kept = self._conditions.of(job.s3_bucket)
                condition: dict[str, Any] = kept.if_undeleted(found.etag)
                try:
                    self._client.delete_object(Bucket=job.s3_bucket, Key=key, **condition)
                except ClientError as fault:
                    self._conditions_after(fault, job.s3_bucket, kept)
                else:
                    return 0
            self._conditions.forget(job.s3_bucket)
        raise StorageError("others keep writing the same thumb")

    def _overwriting(self, job: Job, key: str, kept: KeptConditions) -> dict[str, str]:
        """Look at `key` and return the condition for writing there. Raise if what lies there must not be overwritten.

        Without s3:ListBucket S3 answers a look at a missing object with "denied": then the condition has to protect
        what may lie there, and without one the denial is raised.
        """
        try:
            found = self._look(job, key)
        except ClientError as fault:
            if s3.code_of(fault) not in s3.DENIED or not kept.sent:
                raise
            found = None
        if found is None:
            return kept.if_absent()
        if found.image_id is None or not job.owns(found.installation_id):
            raise ThumbKeyOccupiedError(key)
        if found.is_of(job) and found.generation > job.generation:
            raise StaleJobError(found.generation)
        return kept.if_unchanged(found.etag)

    def _look(self, job: Job, key: str) -> StoredThumb | None:
        """Return what lies at `key`, None if nothing does."""
        found = s3.look(self._client, job.s3_bucket, key)
        return None if found is None else thumb_metadata.read(found)

    def _conditions_after(self, fault: ClientError, bucket: str, kept: KeptConditions) -> KeptConditions:
        """Return the conditions for another attempt if `fault` is about a condition; raise any other `fault`."""
        if kept.sent and is_refusal_of_condition(fault):
            self._conditions.refused(bucket)
        elif s3.code_of(fault) not in s3.RACED | s3.MISSING:
            raise fault
        return self._conditions.of(bucket)

    def _require_bucket(self, bucket: str) -> None:
        """Raise `BucketRefusedError` if S3 refuses all requests on `bucket`."""
        with self._storage_errors(bucket):
            self._read_nothing(bucket)

    def _read_nothing(self, bucket: str) -> None:
        """Read a key that nobody uses. Raise `ClientError` unless S3 answers about the object: missing, or denied."""
        try:
            self._client.get_object(Bucket=bucket, Key=f"{s3.OWN_FOLDER}nothing")["Body"].close()
        except ClientError as fault:
            if s3.code_of(fault) not in s3.MISSING | s3.DENIED | s3.UNREADABLE:
                raise

    def _is_refused(self, bucket: str) -> bool:
        """Return whether S3 refuses `bucket` for a plain key as well. Assume so if S3 does not answer."""
        try:
            self._read_nothing(bucket)
        except ClientError as fault:
            return s3.code_of(fault) in s3.REFUSALS
        except (BotoCoreError, HTTPClientError, HTTPError):
            return True
        return False

    @contextmanager
    def _storage_errors(self, bucket: str, denied: type[AccessDeniedError] = AccessDeniedError) -> Iterator[None]:
        """Turn boto3 and urllib3 errors into `StorageError`, which is retried, and note whether S3 refuses `bucket`.

        Where S3 refuses one object only, `denied` is raised.
        """
        self._refusals.check(bucket)
        try:
            yield
        except ClientError as fault:
            code = s3.code_of(fault)
            if code in s3.REFUSALS and (code != _MAY_CONCERN_ONE_KEY or self._is_refused(bucket)):
                self._refusals.refused(bucket, code)
                raise BucketRefusedError(bucket, code) from fault
            is_of_object = code in s3.DENIED or code == _MAY_CONCERN_ONE_KEY
            if is_of_object:
                self._refusals.accepted(bucket)
            raise (denied if is_of_object else StorageError)(f"S3: {fault}") from fault
        except (BotoCoreError, HTTPClientError, HTTPError) as fault:
            raise StorageError(f"S3: {fault}") from fault
        except (PictureError, StaleJobError, AccessDeniedError):
            self._refusals.accepted(bucket)
            raise
        self._refusals.accepted(bucket)


def connect(settings: ImagingSettings) -> "S3Client":
    """Return the client that `settings` describe; S3 is not called for it."""
    return s3.connect(
        s3.Access.from_settings(settings),
        max_connections=4 * settings.processes + 8,
        checksums=settings.s3_checksums,
    )


def _report_conditions(bucket: str, kept: KeptConditions) -> None:
    """Show in metrics, and in the log if any is not kept, which conditions the server of `bucket` keeps."""
    for request, is_kept in {"create": kept.creations, "overwrite": kept.overwrites, "delete": kept.deletions}.items():
        metrics.CONDITIONS.labels(bucket, request).set(is_kept)
    if unkept := kept.unkept():
        log.warning(
            "S3 does not keep conditions, or does not let us find out: what it holds may be lost to a race",
            s3_bucket=bucket,
            requests=", ".join(unkept),
        )


def _receive(stream: "HTTPResponse", limit: int, deadline: float) -> tuple[bytearray, str]:
    """Read up to `limit` bytes of `stream`. Return them, and their SHA-256 in hexadecimal digits.

    Raise `StorageError` at `deadline`, however slowly they arrive.
    """
    data, digest = bytearray(), hashlib.sha256()
    # read1 returns what has arrived. read waits for a full chunk, and on a slow stream never hits the socket's timeout.
    while len(data) < limit and (chunk := stream.read1(min(_CHUNK, limit - len(data)))):
        data += chunk
        digest.update(chunk)  # while the next bytes are on their way
        if time.monotonic() > deadline:
            raise StorageError("the original did not arrive in time")
    return data, digest.hexdigest()
