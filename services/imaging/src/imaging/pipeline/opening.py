"""Opening: the format, by content, and whether the picture is within the limits, by its header. Nothing is decoded."""

import io
from dataclasses import dataclass

from PIL import Image, PngImagePlugin, UnidentifiedImageError
from pillow_heif import register_heif_opener

from imaging.domain import Limits
from imaging.errors import MalformedError, TooLargeError, UnsupportedFormatError
from imaging.pipeline import png, webp
from imaging.pipeline.cost import decoded_bytes

register_heif_opener(thumbnails=False)
# Pillow's own limit only warns; the limits of `_check` are errors.
Image.MAX_IMAGE_PIXELS = None
# Pillow refuses a PNG with a longer colour profile or comment. Its default, 1 MiB, is less than some profiles of
# printers and prompts of generators take. Together they may take 64 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 1024 * 1024

# Phones write JPEGs that hold a second picture (MPO); the first is an ordinary JPEG.
_FAMILIES = {"MPO": "JPEG"}
_HEADER = "The picture is broken or cut short: its header makes no sense."
_MAGIC_BYTES = 16
_CONTENT_TYPES = {"BMP": "image/bmp", "HEIF": "image/heic", "MPO": "image/jpeg"}


@dataclass(frozen=True)
class Opened:
    """A picture whose header is read; the size is as stored, before the orientation is applied."""

    image: Image.Image
    content_type: str
    file_bytes: int


def open_picture(data: bytes, limits: Limits) -> Opened:
    """Read the header of `data`. Raise `UnsupportedFormatError`, `TooLargeError` or `MalformedError`."""
    if len(data) > limits.max_bytes:
        raise TooLargeError(f"The file has {len(data)} bytes; {limits.max_bytes} are allowed.")
    canvas = webp.canvas(data)
    _check(canvas, decoded_bytes("WEBP", canvas, len(data)), limits)
    try:
        image = Image.open(io.BytesIO(png.without_damage(data)), formats=limits.formats)
    except UnidentifiedImageError:
        if _begins_like_a_picture(data, limits.formats):
            raise MalformedError(_HEADER) from None
        raise UnsupportedFormatError(
            f"The file is no picture of a format that is taken: {', '.join(limits.formats)}."
        ) from None
    except MemoryError:
        raise
    except Exception as fault:  # a broken header can make a decoder raise anything
        raise MalformedError(_HEADER) from fault
    width, height = image.size
    if width < 1 or height < 1:
        raise MalformedError("The picture is broken: it has no pixels.")
    stored = image.format or ""
    progressive = bool(image.info.get("progressive"))
    _check(image.size, decoded_bytes(stored, image.size, len(data), progressive=progressive), limits)
    content_type = _CONTENT_TYPES.get(stored) or Image.MIME[_FAMILIES.get(stored, stored)]
    return Opened(image, content_type, len(data))


def _check(size: tuple[int, int], memory: int, limits: Limits) -> None:
    width, height = size
    if max(width, height) > limits.max_side:
        raise TooLargeError(f"The picture is {width} x {height} pixels; a side may have {limits.max_side}.")
    if width * height > limits.max_pixels:
        raise TooLargeError(f"The picture is {width} x {height} pixels; {limits.max_pixels} in all are allowed.")
    if memory > limits.max_memory:
        raise TooLargeError(f"The picture is {width} x {height} pixels; decoding it would need too much memory.")


def _begins_like_a_picture(data: bytes, formats: tuple[str, ...]) -> bool:
    """Return whether `data` begins like a file of one of `formats`."""
    tests = (Image.OPEN[name][1] for name in formats if name in Image.OPEN)
    return any(begins is not None and begins(data[:_MAGIC_BYTES]) is True for begins in tests)
