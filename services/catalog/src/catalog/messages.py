"""The messages of catalog: jobs out; imaging's answers and the end of users in.

Only the fields that are read here are declared; whatever else a sender adds is let through.
"""

from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from catalog.domain import Fault, Installation, Job, JobKind, Outcome, Picture, Thumb, is_acceptable_key
from chassis import request_ids
from chassis.envelope import Event, MalformedMessageError

SOURCE = "/catalog"

IMAGE_PROCESSED = "image.processed"
IMAGE_FAILED = "image.failed"
THUMBS_DELETED = "image.thumbs-deleted"
USER_DELETED = "user.deleted"
ANSWERS = (IMAGE_PROCESSED, IMAGE_FAILED, THUMBS_DELETED)
TAKEN = (*ANSWERS, USER_DELETED)
JOBS = get_args(JobKind)

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


class _Job(_Message):
    image_id: str = Field(pattern=r"^[0-9a-f-]{36}$")
    generation: int = Field(ge=1, lt=2**31)
    s3_bucket: str = Field(pattern=r"^[A-Za-z0-9._-]{1,255}$")
    s3_key: Annotated[str, AfterValidator(_acceptable_key)]


class _Processed(_Job):
    source_etag: str
    content_type: str
    bytes: int
    width: int
    height: int
    colors: tuple[Colour, ...] = Field(min_length=1)
    placeholder: str
    thumbs: tuple[_Thumb, ...]
    recipe: int


class _Failed(_Job):
    code: str
    detail: str
    newest_generation: int = Field(0, ge=0, lt=2**31 - 1)  # not told by an earlier release


class _ThumbsDeleted(_Job):
    newest_generation: int = Field(0, ge=0, lt=2**31 - 1)


class _UserDeleted(_Message):
    user_id: str


def job_event(job: Job, installation: Installation) -> Event:
    """Tell imaging of JOB, and by INSTALLATION whose thumbs it may touch."""
    data = {
        "image_id": job.image_id,
        "generation": job.generation,
        "s3_bucket": job.s3_bucket,
        "s3_key": job.s3_key,
        "installation_id": installation.installation_id,
        "owns_unmarked": installation.owns_unmarked,
    }
    return Event(job.kind, SOURCE, job.image_id, job.request_id or request_ids.current(), data)


def read_outcome(event: Event) -> Outcome:
    """Read imaging's answer; raises MalformedMessageError."""
    try:
        match event.type:
            case "image.processed":
                return _processed(_Processed.model_validate(event.data))
            case "image.failed":
                failed = _Failed.model_validate(event.data)
                return _outcome(failed, error=Fault(failed.code, failed.detail), newest=failed.newest_generation)
            case "image.thumbs-deleted":
                deleted = _ThumbsDeleted.model_validate(event.data)
                return _outcome(deleted, newest=deleted.newest_generation)
            case other:
                raise MalformedMessageError(f"{other} is no answer of imaging")
    except ValidationError as fault:
        raise MalformedMessageError(str(fault)) from fault


def read_subject(event: Event) -> Outcome | None:
    """Read which image and generation a job or an answer is about, as an outcome of nothing; None for other events."""
    if event.type not in {*JOBS, *ANSWERS}:
        return None
    try:
        return _outcome(_Job.model_validate(event.data))
    except ValidationError:
        return None


def read_deleted_user(event: Event) -> str:
    """Read the id of the user that is gone; raises MalformedMessageError."""
    try:
        return _UserDeleted.model_validate(event.data).user_id
    except ValidationError as fault:
        raise MalformedMessageError(str(fault)) from fault


def _processed(message: _Processed) -> Outcome:
    picture = Picture(
        width=message.width,
        height=message.height,
        colors=message.colors,
        thumbs=tuple(Thumb(thumb.square, thumb.width, thumb.height) for thumb in message.thumbs),
        placeholder=message.placeholder,
        content_type=message.content_type,
        bytes=message.bytes,
        source_etag=message.source_etag,
        recipe=message.recipe,
    )
    return _outcome(message, picture=picture)


def _outcome(message: _Job, *, picture: Picture | None = None, error: Fault | None = None, newest: int = 0) -> Outcome:
    return Outcome(message.s3_bucket, message.s3_key, message.image_id, message.generation, picture, error, newest)
