"""Thumbs: each from the next larger one, encoded as JPEG, or as WebP where there is transparency to keep."""

import io

from PIL import Image

from imaging.domain import Thumb

_QUALITY = 80
_REDUCING_GAP = 3.0


def fit(size: tuple[int, int], square: int) -> tuple[int, int]:
    """Give the size that SIZE has within SQUARE: same aspect ratio, never larger, no side below 1 pixel."""
    scale = min(1.0, square / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def make_thumbs(
    image: Image.Image, size: tuple[int, int], squares: tuple[int, ...]
) -> tuple[tuple[Thumb, ...], Image.Image]:
    """Make the thumbs of IMAGE, whose original has SIZE pixels, for SQUARES; give them and the smallest as pixels."""
    thumbs = []
    current = image
    for square in sorted(squares, reverse=True):
        target = fit(size, square)
        if current.size != target:
            current = current.resize(target, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
        thumbs.append(_encode(current, square))
    return tuple(reversed(thumbs)), current


def _encode(image: Image.Image, square: int) -> Thumb:
    """Encode without any metadata: a new picture of the same pixels carries none."""
    bare = Image.new(image.mode, image.size)
    bare.paste(image)
    out = io.BytesIO()
    if image.mode == "RGBA":
        bare.save(out, "WEBP", quality=_QUALITY, method=4)
        content_type = "image/webp"
    else:
        bare.save(out, "JPEG", quality=_QUALITY, optimize=True, progressive=False)
        content_type = "image/jpeg"
    return Thumb(square, image.width, image.height, content_type, out.getvalue())
