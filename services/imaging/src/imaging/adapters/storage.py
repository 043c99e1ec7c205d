"""Originals and thumbs in S3: reads of one version, conditional writes and deletes, everything bounded in time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from chassis.health import CheckFailedError
from chassis.s3 import client as s3
from chassis.s3.conditions import Conditions, Manners, is_refusal_of_condition
from imaging import metrics
from imaging.adapters.refusals import Refusals
from imaging.domain import Job, Original, Thumb
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

# Who a thumb belongs to; an object without the first is not ours and is never touched.
IMAGE_ID, GENERATION, RECIPE, SOURCE_ETAG, INSTALLATION = (
    "imghost-image-id",
    "imghost-generation",
    "imghost-recipe",
    "imghost-etag",
    "imghost-installation",
)
# Keys are written again, so a copy may be kept for a while only, and never as immutable.
CACHE_CONTROL = "public, max-age=3600"
# What a thumb claims beyond this is no generation: catalog counts up from 1, and has to go on above what is found.
_MAX_GENERATION = 2**30
# A bad secret; or a server, or a proxy before it, that changes the path of this one key on its way to who checks it.
_OF_A_KEY_PERHAPS = "SignatureDoesNotMatch"
_CHUNK = 256 * 1024
_WRITE_ATTEMPTS = 5
# What S3 says of an object that it will not give, however often it is asked, and what that means to its owner.
_UNREADABLE = {
    "InvalidObjectState": "The object is archived. It has to be restored first.",
    "InvalidRequest": "The object is encrypted by a key that only its owner has (SSE-C).",
    "KMS.DisabledException": "The key that the object is encrypted by is disabled.",
    "KMS.InvalidKeyUsageException": "The key that the object is encrypted by is not one for encryption.",
    "KMS.KMSInvalidStateException": "The key that the object is encrypted by is in no state to be used.",
    "KMS.NotFoundException": "The key that the object is encrypted by is gone.",
}


@dataclass(frozen=True)
class _Stored:
    """What lies where a thumb goes: whose it says it is, None if it says nothing of ours, and its ETag."""

    image_id: str | None
    generation: int
    installation_id: str | None
    etag: str

    def is_of(self, job: Job) -> bool:
        """Tell whether this is a thumb of the image of JOB, of whichever generation."""
        return self.image_id == job.image_id and job.owns(self.installation_id)


class Storage:
    """One client of S3 for all threads."""

    def __init__(self, settings: ImagingSettings) -> None:
        self._client = connect(settings)
        self._max_bytes = settings.max_bytes
        self._read_timeout_s = settings.read_timeout_s
        self._conditions = Conditions(self._client, settings.s3_conditional_writes, _tell)
        self._refusals = Refusals()
        self._squares = settings.squares

    def read(self, job: Job) -> Original:
        """Read the original of JOB, all of it of one version: it is one answer to one request.

        Raises OriginalMissingError, OriginalUnreadableError or TooLargeError, which are final; OriginalDeniedError,
        which may be; StorageError.
        """
        deadline = time.monotonic() + self._read_timeout_s
        with self._faults(job.s3_bucket, denied=OriginalDeniedError):
            try:
                answer = self._client.get_object(Bucket=job.s3_bucket, Key=job.s3_key)
            except ClientError as fault:
                code = s3.code_of(fault)
                if code in s3.MISSING:
                    raise OriginalMissingError from None
                if code in _UNREADABLE:
                    raise OriginalUnreadableError(_UNREADABLE[code]) from fault
                raise
            # Some servers send an object in chunks and do not say how large it is; then its end tells.
            size: int | None = cast("dict[str, Any]", answer).get("ContentLength")
            # As a context a body gives the stream that it reads from, which the stubs do not know, and closes it.
            with answer["Body"] as stream:
                if size is not None and size > self._max_bytes:
                    raise TooLargeError(f"The file has {size} bytes; {self._max_bytes} are allowed.")
                limit = self._max_bytes + 1 if size is None else size
                data = _receive(cast("HTTPResponse", stream), limit, deadline)
        if len(data) > self._max_bytes:
            raise TooLargeError(f"The file has more than the {self._max_bytes} bytes that are allowed.")
        if size is not None and len(data) != size:
            raise StorageError("the original arrived incomplete")
        return Original(bytes(data), s3.quoted(s3.etag_of(answer)))

    def write_thumb(self, job: Job, thumb: Thumb, source_etag: str, recipe: int) -> None:
        """Write THUMB at its key, over nothing or over a thumb of ours that is not newer.

        Raises ThumbKeyOccupiedError, StaleJobError (a newer generation was here) or StorageError.
        """
        key = thumb_key(job.s3_key, thumb.square)
        metadata = {
            IMAGE_ID: job.image_id,
            GENERATION: str(job.generation),
            RECIPE: str(recipe),
            SOURCE_ETAG: s3.bare(source_etag),
        }
        if job.installation_id is not None:
            metadata[INSTALLATION] = job.installation_id
        with self._faults(job.s3_bucket):
            manners = self._conditions.of(job.s3_bucket)
            # Nothing is there most of the time, and S3 tells so by itself: no look before the first write.
            condition: dict[str, Any] = manners.if_absent() if manners.creations else self._over(job, key, manners)
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
                    manners = self._manners_after(fault, job.s3_bucket, manners)
                    condition = self._over(job, key, manners)
                else:
                    return
            self._conditions.forget(job.s3_bucket)
        raise StorageError("others keep writing the same thumb")

    def _manners_after(self, fault: ClientError, bucket: str, manners: Manners) -> Manners:
        """Give the manners to try again with after FAULT, where that is of a condition; raises any other FAULT."""
        if manners.sent and is_refusal_of_condition(fault):
            self._conditions.refused(bucket)
        elif s3.code_of(fault) not in s3.RACED | s3.MISSING:
            raise fault
        return self._conditions.of(bucket)

    def delete_thumbs(self, job: Job) -> int:
        """Delete the thumbs that belong to the image of JOB up to its generation, and nothing else.

        Return the newest generation of those that are left of the image, 0 if there are none.
        """
        # A look at an object tells 404 for a bucket that is gone as well, and then nothing is known of its thumbs.
        self._ask_after(job.s3_bucket)
        return max(self._delete_thumb(job, thumb_key(job.s3_key, square)) for square in self._squares)

    def answers(self) -> bool:
        """Tell whether S3 answers, and takes who asks; raises CheckFailedError with S3's own code where it does not.

        A credential that may not list buckets gets a refusal, which is an answer.
        """
        for bucket in self._refusals.all():
            with suppress(StorageError):
                self._ask_after(bucket)
        if refused := self._refusals.all():
            raise CheckFailedError(", ".join(f"{bucket}: {code}" for bucket, code in sorted(refused.items())))
        try:
            self._client.list_buckets(MaxBuckets=1)
        except ClientError as fault:
            if s3.code_of(fault) in s3.REFUSALS:
                raise CheckFailedError(s3.code_of(fault)) from fault
        return True

    def _ask_after(self, bucket: str) -> None:
        """Ask S3 about BUCKET: raises BucketRefusedError if all of it is refused."""
        with self._faults(bucket):
            self._ask_for_nothing(bucket)

    def _ask_for_nothing(self, bucket: str) -> None:
        """Ask S3 for what is not in BUCKET; raises ClientError unless it says so, or that it does not say."""
        try:
            self._client.get_object(Bucket=bucket, Key=f"{s3.OWN_FOLDER}nothing")["Body"].close()
        except ClientError as fault:
            if s3.code_of(fault) not in s3.MISSING | s3.DENIED | s3.UNREADABLE:
                raise

    def _refuses(self, bucket: str) -> bool:
        """Tell whether S3 refuses BUCKET also where the key is a plain one; so it is said if S3 does not answer."""
        try:
            self._ask_for_nothing(bucket)
        except ClientError as fault:
            return s3.code_of(fault) in s3.REFUSALS
        except (BotoCoreError, HTTPClientError, HTTPError):
            return True
        return False

    def _over(self, job: Job, key: str, manners: Manners) -> dict[str, str]:
        """Look at what lies at KEY and give the condition under which it may be written over.

        Where S3 hides whether there is anything, for want of s3:ListBucket, a condition that it may keep has to do.
        """
        try:
            found = self._look(job, key)
        except ClientError as fault:
            if s3.code_of(fault) not in s3.DENIED or not manners.sent:
                raise
            found = None
        if found is None:
            return manners.if_absent()
        if found.image_id is None or not job.owns(found.installation_id):
            raise ThumbKeyOccupiedError(key)
        if found.is_of(job) and found.generation > job.generation:
            raise StaleJobError(found.generation)
        return manners.if_unchanged(found.etag)

    def _delete_thumb(self, job: Job, key: str) -> int:
        """Delete what lies at KEY if it is of JOB; return its generation if it is a newer one, else 0."""
        with self._faults(job.s3_bucket):
            for _ in range(_WRITE_ATTEMPTS):
                found = self._look(job, key)
                if found is None or not found.is_of(job):
                    return 0
                if found.generation > job.generation:
                    return found.generation
                manners = self._conditions.of(job.s3_bucket)
                condition: dict[str, Any] = manners.if_undeleted(found.etag)
                try:
                    self._client.delete_object(Bucket=job.s3_bucket, Key=key, **condition)
                except ClientError as fault:
                    self._manners_after(fault, job.s3_bucket, manners)
                else:
                    return 0
            self._conditions.forget(job.s3_bucket)
        raise StorageError("others keep writing the same thumb")

    def _look(self, job: Job, key: str) -> _Stored | None:
        """Give what lies at KEY, None if nothing does."""
        found = s3.look(self._client, job.s3_bucket, key)
        if found is None:
            return None
        told = found.metadata
        generation = told.get(GENERATION, "")
        number = int(generation) if generation.isdecimal() and len(generation) <= len(str(_MAX_GENERATION)) else 0
        return _Stored(
            told.get(IMAGE_ID), number if number <= _MAX_GENERATION else 0, told.get(INSTALLATION), found.etag
        )

    @contextmanager
    def _faults(self, bucket: str, denied: type[AccessDeniedError] = AccessDeniedError) -> Iterator[None]:
        """Turn the errors of boto3 and urllib3 into StorageError, which is retried, and remember who refuses BUCKET.

        Where the object alone is refused that is DENIED.
        """
        self._refusals.check(bucket)
        try:
            yield
        except ClientError as fault:
            code = s3.code_of(fault)
            if code in s3.REFUSALS and (code != _OF_A_KEY_PERHAPS or self._refuses(bucket)):
                self._refusals.refused(bucket, code)
                raise BucketRefusedError(bucket, code) from fault
            of_object = code in s3.DENIED or code == _OF_A_KEY_PERHAPS
            if of_object:
                self._refusals.accepted(bucket)
            raise (denied if of_object else StorageError)(f"S3: {fault}") from fault
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
        max_connections=4 * settings.processes + 4,
        checksums=settings.s3_checksums,
    )


def _tell(bucket: str, manners: Manners) -> None:
    """Show what a probe of BUCKET has found."""
    kept = {"create": manners.creations, "overwrite": manners.overwrites, "delete": manners.deletions}
    for request, is_kept in kept.items():
        metrics.CONDITIONS.labels(bucket, request).set(is_kept)
    if unkept := manners.unkept():
        log.warning(
            "S3 does not keep conditions, or does not let us find out: what it holds may be lost to a race",
            s3_bucket=bucket,
            requests=", ".join(unkept),
        )


def _receive(stream: "HTTPResponse", limit: int, deadline: float) -> bytearray:
    """Read up to LIMIT bytes of STREAM; raises StorageError when DEADLINE passes, however slowly they drip in."""
    data = bytearray()
    # read waits until a chunk is full, which a stream that drips never trips a timeout by; read1 gives what there is.
    while len(data) < limit and (chunk := stream.read1(min(_CHUNK, limit - len(data)))):
        data += chunk
        if time.monotonic() > deadline:
            raise StorageError("the original did not arrive in time")
    return data
