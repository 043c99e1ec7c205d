"""Decoding: the first frame at the size of the largest thumb, upright, in sRGB.

The mode is RGBA if the picture has transparency, else RGB; YCbCr if it comes from a JPEG, since it becomes one again.
"""

import io
from dataclasses import dataclass

from PIL import ExifTags, Image, JpegImagePlugin

from imaging.errors import MalformedError
from imaging.pipeline import jpeg, samples
from imaging.pipeline.opening import Opened
from imaging.pipeline.profiles import to_srgb
from imaging.pipeline.thumbs import fit, resize

# Reducing by whole blocks leaves at least this many times the side of the largest thumb, for a better filter.
_HEADROOM = 2
# What turns a picture upright, by its EXIF orientation. ImageOps.exif_transpose reads the orientation from the picture
# that it is given, which has lost it once its colours are converted.
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
    """Decoded pixels, possibly scaled down, and `size`, the (width, height) of the upright original."""

    image: Image.Image
    size: tuple[int, int]


def decode(opened: Opened, needed: int) -> Picture:
    """Decode `opened`, scaled down to fit a square of `needed` pixels. Raise `MalformedError`."""
    image = opened.image
    try:
        _forget_xmp(image)  # some decoders turn pictures as they load them
        size = image.size
        stored = samples.stored_as(image)
        grey = samples.is_grey(image, stored)
        profile = None if opened.space else image.info.get("icc_profile")
        as_stored = "YCbCr" if not (profile or opened.space) and _is_ycbcr(image) else None
        reduced = (min(size[0], needed), min(size[1], needed))
        if opened.is_lossless_jpeg:
            image = _load_lossless(image, len(opened.data))
        else:
            image.draft(as_stored, reduced)
        scaled = image.size != size
        _load(image, len(opened.data))
        if isinstance(image, JpegImagePlugin.JpegImageFile) and jpeg.ends_grey(image):
            _refuse_if_cut(image, opened.data, as_stored, reduced)
        if not scaled:  # some decoders turn the picture upright themselves, and swap its sides
            size = image.size
        orientation = orientation_of(image)
        image = samples.to_eight_bits(image, stored)
        if opened.covered:
            image = samples.transparent_outside(image, opened.covered)
        if opened.crop:
            image = image.crop(opened.crop)
            size = image.size
        # Shrink first: converting colours and turning are cheaper on few pixels.
        image = _shrink(image, size, needed)
        image = opened.space.to_srgb(image) if opened.space else to_srgb(image, profile, grey=grey)
        image = _drop_idle_alpha(image)
        if orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[orientation])
        image.info.clear()  # thumbs carry no metadata of the original
    except (MemoryError, MalformedError):
        raise
    except Exception as fault:  # decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError and others
        raise MalformedError("The picture is broken or cut short: it cannot be decoded to its end.") from fault
    return Picture(image, (size[1], size[0]) if orientation in _SIDEWAYS else size)


def _load_lossless(image: Image.Image, file_bytes: int) -> Image.Image:
    """Load a lossless JPEG, which libjpeg neither scales nor converts.

    With JFIF's segment libjpeg takes its samples for YCbCr, but encoders of lossless JPEGs store red, green and blue.
    """
    if image.mode != "RGB" or "jfif" not in image.info:
        return image
    image.draft("YCbCr", None)
    _load(image, file_bytes)
    as_rgb = Image.merge("RGB", image.split())
    as_rgb.info = image.info
    return as_rgb


def _refuse_if_cut(image: Image.Image, data: bytes, mode: str | None, size: tuple[int, int]) -> None:
    """Raise `MalformedError` if the JPEG in `data`, decoded as `image`, ends too early: it looks grey from there on."""
    with Image.open(io.BytesIO(jpeg.prolonged(data)), formats=("JPEG",)) as again:
        again.draft(mode, size)
        _load(again, len(data))
        if not jpeg.is_same(image, again):
            raise MalformedError("The picture is cut short: its data ends before the picture does.")


def _is_ycbcr(image: Image.Image) -> bool:
    """Return whether `image` is a JPEG that libjpeg takes for YCbCr (by the rules of its jdapimin.c)."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return False
    if "adobe" in image.info:
        return bool(image.info.get("adobe_transform") == 1)
    return [component[0] for component in image.layer] == [1, 2, 3]


def _load(image: Image.Image, file_bytes: int) -> None:
    """Load `image`; a JPEG in one block, since at the end of each block its decoder repeats some work."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        image.decodermaxblock = file_bytes
    image.load()


def _shrink(image: Image.Image, size: tuple[int, int], needed: int) -> Image.Image:
    """Scale `image`, whose original has `size` pixels, down to fit a square of `needed` pixels.

    Averaging whole blocks of pixels first is fast, and leaves enough pixels for a better filter.
    """
    factor = max(image.size) // (needed * _HEADROOM)
    if factor > 1:
        image = image.reduce((min(factor, image.width), min(factor, image.height)))
    return resize(image, fit(size, needed))


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of `image`; 1, upright, if its metadata is broken."""
    _forget_xmp(image)
    try:
        orientation: int = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - SyntaxError, struct.error and others; the pixels may be fine
        return 1
    return orientation


def _forget_xmp(image: Image.Image) -> None:
    """Forget the XMP of `image`: Pillow falls back to an orientation in it, by which no viewer turns a picture."""
    for name in ("xmp", "XML:com.adobe.xmp"):
        image.info.pop(name, None)


def _drop_idle_alpha(image: Image.Image) -> Image.Image:
    """Drop an alpha channel that is opaque everywhere, so that the thumbs become JPEGs."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == _OPAQUE:
        return image.convert("RGB")
    return image
