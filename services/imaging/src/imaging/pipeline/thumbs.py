"""Thumbs and display pictures: each scaled from the next larger one, and encoded as JPEG, or WebP if transparent."""

import io

from PIL import Image

from imaging.domain import Thumb

_QUALITY = 80
_SMALL = 128  # pixels of a side
_FEW_COLOURS = 256
_FEW = 1 / 32  # of the columns or rows of a plane
# From here on, in pixels, WebP is encoded by a quicker method: for a display picture the better one takes twice the
# time, and saves two bytes of a hundred.
_MANY = 1024 * 1024


def fit(size: tuple[int, int], square: int) -> tuple[int, int]:
    """Return `size` scaled down to fit `square`: same aspect ratio, never larger, no side below 1 pixel."""
    scale = min(1.0, square / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def scale(image: Image.Image, size: tuple[int, int], squares: tuple[int, ...]) -> dict[int, Image.Image]:
    """Scale `image`, whose original has `size` pixels, to each of `squares`, each from the next larger one.

    From one to the next is usually half the size: for that a bicubic filter is as good as Lanczos, at two thirds of
    the cost.
    """
    scaled: dict[int, Image.Image] = {}
    for square in sorted(squares, reverse=True):
        target = fit(size, square)
        image = resize(image, target)
        scaled[square] = image
    return scaled


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return `image` at `size`. A cheaper filter does for chroma, which JPEG halves anyway."""
    if image.size == size:
        return image
    if image.mode != "YCbCr":
        return image.resize(size, Image.Resampling.BICUBIC)
    luma, *chroma = image.split()
    luma = luma.resize(size, Image.Resampling.BICUBIC)
    return Image.merge("YCbCr", (luma, *(_average(plane, size) for plane in chroma)))


def _average(plane: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale `plane` by averaging: whole blocks if it divides into such, then between neighbours.

    If that leaves a few columns or rows too many or too few, some are left out or doubled: nobody sees it in chroma.
    """
    across, down = round(plane.width / size[0]), round(plane.height / size[1])
    if across * down < 2 or plane.width % across or plane.height % down:  # noqa: PLR2004 - one pixel is no block
        return plane.resize(size, Image.Resampling.HAMMING)
    blocks = plane.reduce((across, down))
    if blocks.size == size:
        return blocks
    is_close = all(abs(there - due) <= _FEW * due for there, due in zip(blocks.size, size, strict=True))
    return blocks.resize(size, Image.Resampling.NEAREST if is_close else Image.Resampling.BILINEAR)


def encode(image: Image.Image, square: int) -> Thumb:
    """Encode `image`, which carries no metadata, as the thumb or the display picture for `square`."""
    out = io.BytesIO()
    if image.mode == "RGBA":
        image.save(out, "WEBP", quality=_QUALITY, method=4 if image.width * image.height < _MANY else 2)
        content_type = "image/webp"
    else:
        subsampling = 0 if _keeps_chroma(image) else 2
        image.save(out, "JPEG", quality=_QUALITY, optimize=True, subsampling=subsampling)
        content_type = "image/jpeg"
    return Thumb(square, image.width, image.height, content_type, out.getvalue())


def _keeps_chroma(image: Image.Image) -> bool:
    """Return whether to store chroma at full size: where that costs few bytes, or halving it would smear sharp edges.

    A thumb with few colours is pixel art or a drawing that has not been scaled.
    """
    return max(image.size) < _SMALL or image.getcolors(_FEW_COLOURS) is not None
