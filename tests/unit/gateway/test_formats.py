"""Formats told by the first bytes: what imaging takes passes, and what a browser would run does not."""

import pytest

from gateway.formats import ENOUGH, content_type_of
from pictures import photo

TAKEN = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
}


@pytest.mark.parametrize("file_format", TAKEN)
def test_picture_is_told_by_its_beginning(file_format: str) -> None:
    assert content_type_of(photo(64, 48, file_format)[:ENOUGH]) == TAKEN[file_format]


def test_brand_that_says_little_is_told_by_those_that_follow() -> None:
    box = b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1miafavif"
    assert content_type_of(box) == "image/avif"
    assert content_type_of(box.replace(b"avif", b"heic")) == "image/heic"
    assert content_type_of(box.replace(b"avif", b"isom")) is None
    # What is behind the box is no brand.
    assert content_type_of(b"\x00\x00\x00\x18" + box[4:]) is None


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"\xff",
        b"<svg xmlns=",
        b"<html>",
        b"%PDF-1.7",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"\xff\xd8\xff\xf7\x00",
        b"GIF8",
    ],
)
def test_anything_else_is_none(beginning: bytes) -> None:
    assert content_type_of(beginning) is None
