"""Opening: the format, by content, and whether the picture is within the limits, by its header. Nothing is decoded."""

import io
from dataclasses import dataclass

from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from pillow_heif import register_heif_opener

from imaging.domain import Limits
from imaging.errors import MalformedError, PictureError, TooLargeError, UnsupportedFormatError
from imaging.pipeline import bmp, boxes, colour_spaces, jpeg, png, profiles, recognition, tiff, webp
from imaging.pipeline.boxes import Facts
from imaging.pipeline.colour_spaces import ColourSpace
from imaging.pipeline.cost import decoded_bytes

register_heif_opener(thumbnails=False)
bmp.register()
tiff.register()
# Pillow's own limit only warns; the limits of `_check` are errors.
Image.MAX_IMAGE_PIXELS = None
# Pillow refuses a PNG with a longer colour profile. Its default, 1 MiB, is less than some profiles of printers take.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 1024 * 1024

# Phones write JPEGs that hold a second picture (MPO); the first is an ordinary JPEG.
_FAMILIES = {"MPO": "JPEG"}
_HEADER = "The picture is broken or cut short: its header makes no sense."
_MAGIC_BYTES = 16
_CONTENT_TYPES = {"BMP": "image/bmp", "HEIF": "image/heic", "MPO": "image/jpeg"}


Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Opened:
    """A picture whose header is read; its size is as stored, before the orientation is applied.

    `space` is its colour space if it has one that is told by numbers, which then counts instead of a profile. `crop` is
    the part to show, and `covered` the part that the first frame covers, as (left, top, right, bottom); None for all.
    """

    image: Image.Image
    content_type: str
    data: bytes
    space: ColourSpace | None
    crop: Box | None
    covered: Box | None
    is_lossless_jpeg: bool


def open_picture(data: bytes, limits: Limits) -> Opened:
    """Read the header of `data`. Raise `UnsupportedFormatError`, `TooLargeError` or `MalformedError`."""
    if len(data) > limits.max_bytes:
        raise TooLargeError(f"The file has {len(data)} bytes; {limits.max_bytes} are allowed.")
    canvas = webp.canvas(data)
    _check(canvas, decoded_bytes("WEBP", canvas, len(data)), limits)
    facts = boxes.facts(data)
    if facts.size is not None:  # libheif and libavif refuse very large pictures as if they were broken
        _check(facts.size, 0, limits)
    frame = jpeg.frame(data)
    readable = boxes.with_one_association(png.without_extras(data))
    try:
        image = Image.open(io.BytesIO(readable), formats=limits.formats)
    except UnidentifiedImageError:
        if _begins_like_a_picture(data, limits.formats):
            raise MalformedError(_HEADER) from None
        raise UnsupportedFormatError(_told(data, limits.formats)) from None
    except (MemoryError, PictureError):
        raise
    except Exception as fault:  # a broken header can make a decoder raise anything
        raise MalformedError(_HEADER) from fault
    width, height = image.size
    if width < 1 or height < 1:
        raise MalformedError("The picture is broken: it has no pixels.")
    stored = image.format or ""
    if stored in {"JPEG", "MPO"} and jpeg.lacks_components(data):
        raise MalformedError("The picture is cut short: its data ends before all of its colours have come.")
    progressive = bool(image.info.get("progressive"))
    per_pixel = image.bytes_per_pixel if isinstance(image, tiff.TiffPicture) else None
    memory = decoded_bytes(stored, image.size, len(data), progressive=progressive, per_pixel=per_pixel)
    _check(image.size, memory, limits)
    content_type = _CONTENT_TYPES.get(stored) or Image.MIME[_FAMILIES.get(stored, stored)]
    return Opened(
        image,
        content_type,
        data,
        space=_space(image, readable, facts),
        crop=facts.crop if stored == "AVIF" else None,  # libheif crops by itself
        covered=_covered(image),
        is_lossless_jpeg=frame is not None and frame.is_lossless,
    )


def _space(image: Image.Image, data: bytes, facts: Facts) -> ColourSpace | None:
    """Return the colour space that numbers tell, if there is no profile of `image` that comes before them.

    The numbers of a PNG come before its profile, which is forgotten.
    """
    numbers = png.numbers(data)
    if numbers is not None:
        image.info.pop("icc_profile", None)
    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes):
        numbers = profiles.numbers(profile)
    elif numbers is None:
        numbers = facts.numbers
    if numbers is not None or profile or image.format != "PNG" or "srgb" in image.info:
        return colour_spaces.by_numbers(numbers)
    return colour_spaces.by_gamma(image.info.get("gamma"), image.info.get("chromaticity"))


def _covered(image: Image.Image) -> Box | None:
    """Return the part of a GIF's canvas that its first frame covers; None for all of it, and for other formats."""
    if image.format != "GIF" or not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return None
    extents = image.tile[0].extents
    return None if extents == (0, 0, *image.size) else extents


def _told(data: bytes, formats: tuple[str, ...]) -> str:
    """Return a sentence that says what `data` is instead of a picture of `formats`."""
    name = recognition.name_of(data)
    what = "no picture" if name is None else f"{name}, not a picture"
    return f"The file is {what} of a format that is taken: {', '.join(formats)}."


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
