"""The messages of catalog: jobs are sent; imaging's answers and `user.deleted` are received.

Only the fields that are read here are declared; others are ignored.
"""

from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from catalog.domain import (
    Answer,
    Failed,
    Fault,
    Installation,
    Job,
    JobKind,
    Picture,
    Processed,
    Registration,
    Thumb,
    ThumbsDeleted,
)
from catalog.keys import is_acceptable_key
from chassis import request_ids, tracing
from chassis.envelope import Event, MalformedMessageError

SOURCE = "/catalog"

IMAGE_PROCESSED = "image.processed"
IMAGE_FAILED = "image.failed"
THUMBS_DELETED = "image.thumbs-deleted"
USER_DELETED = "user.deleted"
IMAGE_DELETED = "image.deleted"
JOBS: tuple[JobKind, ...] = get_args(JobKind)
DELETIONS = (IMAGE_DELETED,)
PROCESSING = tuple(kind for kind in JOBS if kind not in DELETIONS)
RESULTS = (IMAGE_PROCESSED, IMAGE_FAILED)
DELETION_RESULTS = (THUMBS_DELETED, USER_DELETED)
ANSWERS = (*RESULTS, THUMBS_DELETED)
ABOUT_DELETIONS = (IMAGE_DELETED, THUMBS_DELETED)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Thumb(_Message):
    square: int
    width: int
    height: int


def _acceptable_key(key: str) -> str:
    if not is_acceptable_key(key):
        raise ValueError("no image may have this key")
    return key


class _AboutImage(_Message):
    image_id: str = Field(pattern=r"^[0-9a-f-]{36}$")
    generation: int = Field(ge=1, lt=2**31)
    s3_bucket: str = Field(pattern=r"^[A-Za-z0-9._-]{1,255}$")
    s3_key: Annotated[str, AfterValidator(_acceptable_key)]

    def registration(self) -> Registration:
        return Registration(self.image_id, self.generation, self.s3_bucket, self.s3_key)


class _Processed(_AboutImage):
    source_etag: str
    content_type: str
    bytes: int
    sha256: Sha256 | None = None  # an earlier release does not send it
    width: int
    height: int
    colors: tuple[Colour, ...] = Field(min_length=1)
    placeholder: str
    thumbs: tuple[_Thumb, ...]
    display: _Thumb | None = None  # an earlier release does not send it
    recipe: int


class _Failed(_AboutImage):
    code: str
    detail: str
    newest_generation: int = Field(0, ge=0, lt=2**31 - 1)  # an earlier release does not send it


class _ThumbsDeleted(_AboutImage):
    newest_generation: int = Field(0, ge=0, lt=2**31 - 1)
    original: bool = False  # an earlier release does not send it


class _UserDeleted(_Message):
    user_id: str


def job_event(job: Job, installation: Installation) -> Event:
    """Return the message that asks imaging for `job`; `installation` says whose thumbs it may touch."""
    about = job.registration
    data = {
        "image_id": about.image_id,
        "generation": about.generation,
        "s3_bucket": about.s3_bucket,
        "s3_key": about.s3_key,
        "installation_id": installation.installation_id,
        "owns_unmarked": installation.owns_unmarked,
    }
    if job.is_deletion:
        data["original"] = job.takes_original
    traceparent = job.traceparent or tracing.current().traceparent
    request_id = job.request_id or request_ids.current()
    return Event(job.kind, SOURCE, about.image_id, request_id, data, traceparent=traceparent)


def read_answer(event: Event) -> Answer:
    """Read imaging's answer to a job. Raise `MalformedMessageError` if `event` is none."""
    try:
        match event.type:
            case "image.processed":
                return _processed(_Processed.model_validate(event.data))
            case "image.failed":
                failed = _Failed.model_validate(event.data)
                return Failed(failed.registration(), Fault(failed.code, failed.detail), failed.newest_generation)
            case "image.thumbs-deleted":
                deleted = _ThumbsDeleted.model_validate(event.data)
                return ThumbsDeleted(deleted.registration(), deleted.newest_generation, deleted.original)
            case other:
                raise MalformedMessageError(f"{other} is no answer of imaging")
    except ValidationError as fault:
        raise MalformedMessageError(str(fault)) from fault


def read_registration(event: Event) -> Registration | None:
    """Read which image and generation a job or an answer is about; return None for other events."""
    if event.type not in (*JOBS, *ANSWERS):
        return None
    try:
        return _AboutImage.model_validate(event.data).registration()
    except ValidationError:
        return None


def takes_original(event: Event) -> bool:
    """Return whether `event` is a deletion that takes the original, too."""
    return event.type == IMAGE_DELETED and event.data.get("original") is True


def read_deleted_user(event: Event) -> str:
    """Read the id of the user who was deleted. Raise `MalformedMessageError` if there is none."""
    try:
        return _UserDeleted.model_validate(event.data).user_id
    except ValidationError as fault:
        raise MalformedMessageError(str(fault)) from fault


def _processed(message: _Processed) -> Processed:
    picture = Picture(
        width=message.width,
        height=message.height,
        colors=message.colors,
        thumbs=tuple(_thumb(thumb) for thumb in message.thumbs),
        placeholder=message.placeholder,
        content_type=message.content_type,
        bytes=message.bytes,
        source_etag=message.source_etag,
        recipe=message.recipe,
        sha256=message.sha256,
        display=_thumb(message.display) if message.display else None,
    )
    return Processed(message.registration(), picture)


def _thumb(message: _Thumb) -> Thumb:
    return Thumb(message.square, message.width, message.height)
