"""Rows of the tables `images` and `jobs`, and the images and jobs that they stand for."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from catalog.adapters.tables import deleted_images, images, jobs
from catalog.domain import Fault, Former, Image, Job, Picture, Registration, Thumb

# In the order of the fields of the classes.
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


def _values_of(*names: str) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what gets the values of these columns of `images` out of a row: a page has a thousand rows."""
    columns = images.c.keys()
    return itemgetter(*(columns.index(name) for name in names))


_image_values = _values_of(*_OF_IMAGE)
_picture_values = _values_of(*_OF_PICTURE)
_other_values = _values_of("colors", "thumbs", "display", "error_code", "error_detail")

# A row may hold an image and a job: the columns of the job have a prefix.
JOB_COLUMNS = tuple(column.label(f"job_{column.name.removeprefix('job_')}") for column in jobs.c)
FORMER_COLUMNS = tuple(column.label(f"former_{column.name}") for column in deleted_images.c)


def image_from_row(row: Sequence[Any]) -> Image:
    """Return the image of a row whose first columns are those of `images`."""
    colors, thumbs, display, error_code, error_detail = _other_values(row)
    picture = None
    if thumbs is not None:
        width, height, *others = _picture_values(row)
        shown = Thumb(**display) if display else None
        picture = Picture(*(width, height, tuple(colors), tuple([Thumb(**each) for each in thumbs]), *others, shown))
    error = None if error_code is None else Fault(error_code, error_detail)
    return Image(*(*_image_values(row), picture, error))


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


def job_from_row(row: sa.Row[Any]) -> Job:
    """Return the job of a row with `JOB_COLUMNS`."""
    return Job(
        kind=row.job_kind,
        registration=Registration(row.job_image_id, row.job_generation, row.job_s3_bucket, row.job_s3_key),
        request_id=row.job_request_id or "",  # null in rows of a release that kept none
        date_created=row.job_date_created,
        date_sent=row.job_date_sent,
        job_id=row.job_id,
        traceparent=row.job_traceparent or "",
        takes_original=bool(row.job_takes_original),  # null in rows of a release that did not know of it
    )


def former_from_row(row: sa.Row[Any]) -> Former | None:
    """Return what a row with `FORMER_COLUMNS` says of the image that was at a key, None if it says nothing."""
    if row.former_s3_key is None:
        return None
    return Former(row.former_generation, row.former_date_deleted, takes_original=row.former_takes_original)


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
