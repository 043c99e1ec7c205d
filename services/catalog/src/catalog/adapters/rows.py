"""Rows of the images table and the images that they stand for."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from catalog.domain import Fault, Image, Picture, Thumb

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
)
_OF_PICTURE = ("width", "height", "placeholder", "content_type", "bytes", "source_etag", "recipe")


def image_from_row(row: Mapping[Any, Any]) -> Image:
    """Make an image of a ROW of the images table."""
    picture = None
    if row["width"] is not None:
        picture = Picture(
            **{name: row[name] for name in _OF_PICTURE},
            colors=tuple(row["colors"]),
            thumbs=tuple(Thumb(**thumb) for thumb in row["thumbs"]),
        )
    error = None if row["error_code"] is None else Fault(row["error_code"], row["error_detail"])
    return Image(**{name: row[name] for name in _OF_IMAGE}, picture=picture, error=error)


def row_from_image(image: Image) -> dict[str, Any]:
    """Give the values of all columns for IMAGE."""
    row: dict[str, Any] = {name: getattr(image, name) for name in _OF_IMAGE}
    picture = image.picture
    row |= {name: None if picture is None else getattr(picture, name) for name in _OF_PICTURE}
    row["colors"] = None if picture is None else list(picture.colors)
    row["thumbs"] = None if picture is None else [asdict(thumb) for thumb in picture.thumbs]
    row["error_code"] = None if image.error is None else image.error.code
    row["error_detail"] = None if image.error is None else image.error.detail
    return row
