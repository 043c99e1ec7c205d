"""Pictures for tests, made in code."""

import io
from functools import cache
from typing import Any

from PIL import Image

ORANGE = (230, 120, 20)
BLUE = (20, 60, 200)


def encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    """Return `picture` encoded."""
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def decoded(content: bytes) -> Image.Image:
    """Return a picture, decoded to its end."""
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


@cache
def photo(width: int = 1920, height: int = 1080, file_format: str = "JPEG") -> bytes:
    """Return a blue picture with an orange quarter at the top left."""
    picture = Image.new("RGB", (width, height), BLUE)
    picture.paste(ORANGE, (0, 0, max(width // 2, 1), max(height // 2, 1)))
    return encoded(picture, file_format)
