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
    """Scale IMAGE, whose original has SIZE pixels, for each of SQUARES: the largest first, each from the one before.

    Between neighbours, half the size as a rule, a bicubic filter is as good as Lanczos, and costs two thirds of it.
    """
    scaled: dict[int, Image.Image] = {}
    for square in sorted(squares, reverse=True):
        target = fit(size, square)
        image = resize(image, target)
        scaled[square] = image
    return scaled


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Give IMAGE at SIZE; chroma, which the JPEG that it becomes will halve anyway, by a cheaper filter."""
    if image.size == size:
        return image
    if image.mode != "YCbCr":
        return image.resize(size, Image.Resampling.BICUBIC)
    luma, *chroma = image.split()
    luma = luma.resize(size, Image.Resampling.BICUBIC)
    return Image.merge("YCbCr", (luma, *(_average(plane, size) for plane in chroma)))


def _average(plane: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale PLANE by averages: of whole blocks, where it can be cut into such, and what is left by neighbours."""
    across, down = round(plane.width / size[0]), round(plane.height / size[1])
    if across * down < 2 or plane.width % across or plane.height % down:  # noqa: PLR2004 - one pixel is no block
        return plane.resize(size, Image.Resampling.HAMMING)
    blocks = plane.reduce((across, down))
    return blocks if blocks.size == size else blocks.resize(size, Image.Resampling.BILINEAR)


def encode(image: Image.Image, square: int) -> Thumb:
    """Encode IMAGE, which carries no metadata, as the thumb for SQUARE."""
    out = io.BytesIO()
    if image.mode == "RGBA":
        image.save(out, "WEBP", quality=_QUALITY, method=4)
        content_type = "image/webp"
    else:
        image.save(out, "JPEG", quality=_QUALITY, optimize=True)
        content_type = "image/jpeg"
    return Thumb(square, image.width, image.height, content_type, out.getvalue())
