"""What a case is, and the outcomes that it may have."""

import io
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener(thumbnails=False)

RENDERED = "rendered"
MALFORMED = frozenset({"malformed"})
TOO_LARGE = frozenset({"too-large"})
TOO_COSTLY = frozenset({"decode-too-costly"})
NO_PICTURE = frozenset({"unsupported-format"})
# A decoder may refuse such a picture or show what it can: both are fine, a crash is not.
HARMLESS = frozenset({RENDERED, "malformed", "unsupported-format"})
REFUSED = frozenset({"malformed", "too-large"})
# A flipped bit may affect anything.
ANY = frozenset({RENDERED, "malformed", "too-large", "unsupported-format"})


@dataclass(frozen=True)
class Case:
    """A bad picture: `kind` is one of a dozen, `outcomes` are the allowed codes of failures, or RENDERED."""

    name: str
    kind: str
    data: bytes
    outcomes: frozenset[str]


@cache
def noise(width: int = 48, height: int = 40, mode: str = "RGB") -> Image.Image:
    """Return noise over a gradient, which hardly compresses; the same each time."""
    random = np.random.default_rng(width * 1000 + height)
    channels = len(Image.new(mode, (1, 1)).getbands())
    ramp = np.linspace(0, 200, width * height * channels).reshape(height, width, channels)
    pixels = (ramp + random.integers(0, 55, (height, width, channels))).astype(np.uint8)
    return Image.fromarray(pixels.squeeze(), None if channels > 1 else mode).convert(mode)


def encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    """Return `picture` encoded."""
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


@cache
def zeros_deflated(size: int) -> bytes:
    """Return `size` zeros compressed by zlib, to a thousandth."""
    deflate = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join([*(deflate.compress(block) for _ in range(size >> 20)), deflate.flush()])
