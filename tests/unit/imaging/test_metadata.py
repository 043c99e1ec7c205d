"""What an original says of its maker and of the place where it was made does not get into thumbs, which are public."""

from collections.abc import Callable

import pytest
from PIL import Image, PngImagePlugin

from imaging.domain import Limits
from imaging.pipeline import render
from pictures import encoded

LIMITS = Limits(10**7, 10**7, 10**4, 1024**3, ("GIF", "JPEG", "PNG"))
SECRET = "at home with Anna"


def gif() -> bytes:
    return encoded(Image.new("L", (300, 200)), "GIF", comment=SECRET)


def jpeg() -> bytes:
    """A picture smaller than the largest thumb and without a profile: it is handed on as it was decoded."""
    return encoded(Image.new("RGB", (300, 200), "red"), "JPEG", comment=SECRET)


def grey_jpeg() -> bytes:
    return encoded(Image.new("L", (300, 200)), "JPEG", comment=SECRET)


def png() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", SECRET)
    return encoded(Image.new("RGB", (300, 200), "red"), "PNG", pnginfo=info)


@pytest.mark.parametrize("make", [gif, jpeg, grey_jpeg, png])
def test_comment_of_an_original_is_in_none_of_its_thumbs(make: Callable[[], bytes]) -> None:
    data = make()
    assert SECRET.encode() in data
    for thumb in render(data, LIMITS, (64, 512)).thumbs:
        assert SECRET.encode() not in thumb.data
