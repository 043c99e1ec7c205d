"""What is recognised but not taken is called by its name in the refusal."""

import pytest

from imaging.domain import Limits
from imaging.errors import UnsupportedFormatError
from imaging.pipeline import render
from pictures import photo

LIMITS = Limits(10**7, 10**7, 10**4, 1024**3, ("JPEG", "PNG", "TIFF"))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20), "JPEG 2000"),
        (b"\xff\x4f\xff\x51" + bytes(20), "JPEG 2000"),
        (b"8BPS\0\1" + bytes(20), "PSD"),
        (b"%PDF-1.7\n", "PDF"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- by hand -->\n<svg width="9"/>', "SVG"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", r"raw \(CR3\)"),
        (b"FUJIFILMCCD-RAW 0201", r"raw \(RAF\)"),
        (b"IIU\0\x18\0\0\0" + bytes(20), r"raw \(RW2\)"),
        (b"GIF89a" + bytes(20), "GIF"),
        (b"\0\0\1\0\1\0" + bytes(20), "ICO"),
    ],
)
def test_format_is_named(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=f"The file is {name}, not .* JPEG, PNG, TIFF"):
        render(data, LIMITS, (64,))


@pytest.mark.parametrize("data", [b"", b"hello", b"<html><svg></svg></html>", b"<?xml version='1.0'?><a>svg</a>"])
def test_what_is_no_picture_is_not_named(data: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match="no picture"):
        render(data, LIMITS, (64,))


def test_picture_of_a_format_that_the_operator_took_off_the_list_is_named() -> None:
    with pytest.raises(UnsupportedFormatError, match="WEBP"):
        render(photo(60, 40, "WEBP"), LIMITS, (64,))
