"""Decoding: the first frame at the size of the largest thumb, upright, in sRGB.

The mode is RGBA where there is transparency, else RGB, or the YCbCr of the JPEG that it comes from and goes to.
"""

from dataclasses import dataclass

from PIL import ExifTags, Image, JpegImagePlugin

from imaging.errors import MalformedError
from imaging.pipeline import samples
from imaging.pipeline.opening import Opened
from imaging.pipeline.profiles import to_srgb
from imaging.pipeline.thumbs import fit, resize

# Of the pixels a side that the largest thumb needs, so many times as many are left for a good filter to work on.
_HEADROOM = 2
# What turns a picture upright, by its EXIF orientation. Done here and not by ImageOps.exif_transpose, which looks for
# the orientation in the picture it is given: converted to other colours, that one has lost it.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {5, 6, 7, 8}  # those that swap width and height
_OPAQUE = 255


@dataclass(frozen=True)
class Picture:
    """Decoded pixels, perhaps scaled down, and SIZE, the (width, height) of the upright original."""

    image: Image.Image
    size: tuple[int, int]


def decode(opened: Opened, needed: int) -> Picture:
    """Decode OPENED, scaled down to fit a square of NEEDED pixels; raises MalformedError."""
    image = opened.image
    try:
        size = image.size
        stored = samples.stored_as(image)
        grey = samples.is_grey(image, stored)
        profile = image.info.get("icc_profile")
        as_stored = "YCbCr" if not profile and _is_ycbcr(image) else None
        image.draft(as_stored, (min(size[0], needed), min(size[1], needed)))
        scaled = image.size != size
        _load(image, opened.file_bytes)
        if not scaled:  # some decoders turn the picture themselves
            size = image.size
        orientation = _orientation(image)
        # Colours are converted and turned when there are few of them left.
        image = _shrink(samples.to_eight_bits(image, stored), size, needed)
        image = _drop_idle_alpha(to_srgb(image, profile, grey=grey))
        if orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[orientation])
        image.info.clear()  # metadata stays behind
    except MemoryError:
        raise
    except Exception as fault:  # decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError and others
        raise MalformedError("The picture is broken or cut short: it cannot be decoded to its end.") from fault
    return Picture(image, (size[1], size[0]) if orientation in _SIDEWAYS else size)


def _is_ycbcr(image: Image.Image) -> bool:
    """Tell whether IMAGE is a JPEG that libjpeg is sure to take for one of luma and chroma (jdapimin.c)."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return False
    if "adobe" in image.info:
        return bool(image.info.get("adobe_transform") == 1)
    return [component[0] for component in image.layer] == [1, 2, 3]


def _load(image: Image.Image, file_bytes: int) -> None:
    """Load IMAGE, a JPEG all at once: at the end of each block its decoder goes a step back and begins anew."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        image.decodermaxblock = file_bytes
    image.load()


def _shrink(image: Image.Image, size: tuple[int, int], needed: int) -> Image.Image:
    """Scale IMAGE, whose original has SIZE pixels, down for a square of NEEDED pixels.

    Whole blocks of pixels are averaged away first, which leaves enough of them for a good filter.
    """
    factor = max(image.size) // (needed * _HEADROOM)
    if factor > 1:
        image = image.reduce((min(factor, image.width), min(factor, image.height)))
    return resize(image, fit(size, needed))


def _orientation(image: Image.Image) -> int:
    """Tell how IMAGE has to be turned, as EXIF counts; metadata that makes no sense turns nothing."""
    try:
        orientation: int = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - SyntaxError, struct.error and others; the pixels may be sound all the same
        return 1
    return orientation


def _drop_idle_alpha(image: Image.Image) -> Image.Image:
    """Give up an alpha channel that hides nothing: the picture is opaque, and so are its thumbs."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == _OPAQUE:
        return image.convert("RGB")
    return image
