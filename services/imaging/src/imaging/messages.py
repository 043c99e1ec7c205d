"""The messages of imaging: jobs in, answers out. Of jobs only the fields that imaging reads are declared."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from chassis import request_ids
from chassis.envelope import Event, MalformedMessageError
from imaging.domain import Job, Original, Rendering, Thumb
from imaging.errors import PictureError

SOURCE = "/imaging"

IMAGE_CREATED = "image.created"
IMAGE_REPROCESS = "image.reprocess"
IMAGE_DELETED = "image.deleted"
# In UTF-8. S3 allows 1024; the key of a thumb is longer than that of its original.
MAX_KEY_BYTES = 1000
PROCESSING = (IMAGE_CREATED, IMAGE_REPROCESS)
DELETIONS = (IMAGE_DELETED,)
TAKEN = (*PROCESSING, *DELETIONS)


def _short_enough(key: str) -> str:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError("too long for S3")
    return key


class _Job(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    # Values that S3 or boto3 always refuse would make a job that is retried for ever.
    image_id: str = Field(pattern=r"^[!-~]{1,255}$")
    generation: int
    s3_bucket: str = Field(pattern=r"^[A-Za-z0-9._-]{3,255}$")
    s3_key: Annotated[str, Field(min_length=1), AfterValidator(_short_enough)]
    # Not sent by a catalog of an earlier release, which knew one installation only.
    installation_id: str | None = Field(None, pattern=r"^[!-~]{1,255}$")
    owns_unmarked: bool = True
    original: bool = False


def read_job(event: Event) -> Job:
    """Return the job that catalog sent. Raise `MalformedMessageError`."""
    if event.type not in TAKEN:
        raise MalformedMessageError(f"{event.type} is no job for imaging")
    try:
        message = _Job.model_validate(event.data)
    except ValidationError as fault:
        raise MalformedMessageError(str(fault)) from fault
    return Job(**message.model_dump())


def processed(job: Job, original: Original, rendering: Rendering, recipe: int) -> Event:
    """Return the answer that a picture was processed."""
    return _answer(
        "image.processed",
        job,
        source_etag=original.etag,
        content_type=rendering.content_type,
        bytes=len(original.data),
        sha256=original.sha256,
        width=rendering.width,
        height=rendering.height,
        colors=list(rendering.colors),
        placeholder=rendering.placeholder,
        thumbs=[_told(thumb) for thumb in rendering.thumbs],
        display=_told(rendering.display) if rendering.display else None,
        recipe=recipe,
    )


def failed(job: Job, fault: PictureError, newest: int = 0) -> Event:
    """Return the answer that an original failed; `newest` is the generation of a newer thumb, 0 if there is none."""
    return _answer("image.failed", job, code=fault.code, detail=str(fault), newest_generation=newest)


def thumbs_deleted(job: Job, newest: int = 0) -> Event:
    """Return the answer that no thumb up to the job's generation is left; `newest` as in `failed`.

    Nor is the original, if the job has asked for that.
    """
    return _answer("image.thumbs-deleted", job, newest_generation=newest, original=job.original)


def _told(thumb: Thumb) -> dict[str, int]:
    return {"square": thumb.square, "width": thumb.width, "height": thumb.height}


def _answer(event_type: str, job: Job, **data: Any) -> Event:
    named = {
        "image_id": job.image_id,
        "generation": job.generation,
        "s3_bucket": job.s3_bucket,
        "s3_key": job.s3_key,
    }
    return Event(event_type, SOURCE, job.image_id, request_ids.current(), {**named, **data})
