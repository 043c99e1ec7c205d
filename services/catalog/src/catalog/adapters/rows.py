"""Rows of the tables `images` and `jobs`, and the images and jobs that they stand for."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from catalog.adapters.tables import deleted_images, jobs
from catalog.domain import Fault, Former, Image, Job, Picture, Registration, Thumb

_OF_IMAGE = (
    "image_id",
    "user_id",
    "s3_bucket",
    "s3_key",
    "title",
    "description",
    "status",
    "generation",
    "date_created",
    "date_updated",
    "date_pending",
    "upload_of",
)
_OF_PICTURE = ("width", "height", "placeholder", "content_type", "bytes", "source_etag", "recipe", "sha256")

# A row may hold an image and a job: the columns of the job have a prefix.
JOB_COLUMNS = tuple(column.label(f"job_{column.name.removeprefix('job_')}") for column in jobs.c)
FORMER_COLUMNS = tuple(column.label(f"former_{column.name}") for column in deleted_images.c)


def image_from_row(row: Mapping[Any, Any]) -> Image:
    """Return the image of a row with the columns of `images`."""
    picture = None
    if row["width"] is not None:
        picture = Picture(
            **{name: row[name] for name in _OF_PICTURE},
            colors=tuple(row["colors"]),
            thumbs=tuple(Thumb(**thumb) for thumb in row["thumbs"]),
            display=Thumb(**row["display"]) if row["display"] else None,
        )
    error = None if row["error_code"] is None else Fault(row["error_code"], row["error_detail"])
    return Image(**{name: row[name] for name in _OF_IMAGE}, picture=picture, error=error)


def row_from_image(image: Image) -> dict[str, Any]:
    """Return the values of all columns of `images` for `image`."""
    row: dict[str, Any] = {name: getattr(image, name) for name in _OF_IMAGE}
    picture = image.picture
    row |= {name: None if picture is None else getattr(picture, name) for name in _OF_PICTURE}
    row["colors"] = None if picture is None else list(picture.colors)
    row["thumbs"] = None if picture is None else [asdict(thumb) for thumb in picture.thumbs]
    row["display"] = None if picture is None or picture.display is None else asdict(picture.display)
    row["error_code"] = None if image.error is None else image.error.code
    row["error_detail"] = None if image.error is None else image.error.detail
    return row


def job_from_row(row: Mapping[Any, Any]) -> Job:
    """Return the job of a row with `JOB_COLUMNS`."""
    return Job(
        kind=row["job_kind"],
        registration=Registration(row["job_image_id"], row["job_generation"], row["job_s3_bucket"], row["job_s3_key"]),
        request_id=row["job_request_id"] or "",  # null in rows of a release that kept none
        date_created=row["job_date_created"],
        date_sent=row["job_date_sent"],
        job_id=row["job_id"],
        traceparent=row["job_traceparent"] or "",
        takes_original=bool(row["job_takes_original"]),  # null in rows of a release that did not know of it
    )


def former_from_row(row: Mapping[Any, Any]) -> Former | None:
    """Return what a row with `FORMER_COLUMNS` says of the image that was at a key, None if it says nothing."""
    if row["former_s3_key"] is None:
        return None
    return Former(row["former_generation"], row["former_date_deleted"], takes_original=row["former_takes_original"])


def row_from_job(job: Job) -> dict[str, Any]:
    """Return the values of all columns of `jobs` for a new `job`, but for the id, which the database gives."""
    return {
        "kind": job.kind,
        **vars(job.registration),
        "request_id": job.request_id,
        "traceparent": job.traceparent or None,
        "takes_original": job.takes_original,
        "date_created": job.date_created,
        "date_sent": job.date_sent,
    }
