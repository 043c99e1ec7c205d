"""Thumbs: each from the next larger one, encoded as JPEG, or as WebP where there is transparency to keep."""

import io

from PIL import Image

from imaging.domain import Thumb

_QUALITY = 80


def fit(size: tuple[int, int], square: int) -> tuple[int, int]:
    """Give the size that SIZE has within SQUARE: same aspect ratio, never larger, no side below 1 pixel."""
    scale = min(1.0, square / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def scale(image: Image.Image, size: tuple[int, int], squares: tuple[int, ...]) -> dict[int, Image.Image]:
    """Scale IMAGE, whose original has SIZE pixels, for each of SQUARES: the largest first, each from the one before."""
    scaled: dict[int, Image.Image] = {}
    for square in sorted(squares, reverse=True):
        target = fit(size, square)
        if image.size != target:
            image = image.resize(target, Image.Resampling.LANCZOS)
        scaled[square] = image
    return scaled


def encode(image: Image.Image, square: int) -> Thumb:
    """Encode IMAGE as the thumb for SQUARE, without any metadata."""
    bare = image.copy()
    bare.info = {}
    out = io.BytesIO()
    if image.mode == "RGBA":
        bare.save(out, "WEBP", quality=_QUALITY, method=4)
        content_type = "image/webp"
    else:
        bare.save(out, "JPEG", quality=_QUALITY, optimize=True)
        content_type = "image/jpeg"
    return Thumb(square, image.width, image.height, content_type, out.getvalue())
