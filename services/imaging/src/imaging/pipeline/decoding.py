"""Decoding: the pixels of the first frame, upright, in sRGB, eight bits a channel, RGB or, if transparent, RGBA."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from imaging.domain import MalformedError
from imaging.pipeline.opening import Opened

_SRGB = ImageCms.createProfile("sRGB")
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
_DEEP = {"I;16", "I;16B", "I;16L", "I;16N", "I", "F"}
_OPAQUE = 255


@dataclass(frozen=True)
class Picture:
    """Decoded pixels, perhaps at a smaller scale, and SIZE, the (width, height) of the upright original."""

    image: Image.Image
    size: tuple[int, int]


def decode(opened: Opened, needed: int) -> Picture:
    """Decode OPENED with at least NEEDED pixels on its longer side, where it has them; raises MalformedError."""
    image = opened.image
    try:
        size = image.size
        profile = image.info.get("icc_profile")
        image.draft(None, (min(size[0], needed), min(size[1], needed)))
        scaled = image.size != size
        image.load()
        if not scaled:  # some decoders turn the picture themselves
            size = image.size
        orientation = _orientation(image)
        image = _shrink(_to_eight_bits(image), needed)
        image = _drop_idle_alpha(_to_srgb(image, profile))
        if orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[orientation])
    except MemoryError:
        raise
    except Exception as fault:  # decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError and others
        raise MalformedError("The picture is broken or cut short: it cannot be decoded to its end.") from fault
    return Picture(image, (size[1], size[0]) if orientation in _SIDEWAYS else size)


def _shrink(image: Image.Image, needed: int) -> Image.Image:
    """Average whole blocks of pixels away, so that what comes after is spared a large picture and its copies."""
    factor = max(image.size) // (needed * _HEADROOM)
    return image.reduce((min(factor, image.width), min(factor, image.height))) if factor > 1 else image


def _orientation(image: Image.Image) -> int:
    """Tell how IMAGE has to be turned, as EXIF counts; metadata that makes no sense turns nothing."""
    try:
        orientation: int = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - SyntaxError, struct.error and others; the pixels may be sound all the same
        return 1
    return orientation


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Bring deep, palette and two-colour pictures to L, RGB, RGBA, CMYK or LAB; others stay as they are."""
    if image.mode in _DEEP:
        return Image.fromarray(_scale_to_byte(np.asarray(image)))
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P" or "transparency" in image.info:
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in {"LA", "La", "PA", "RGBa", "RGBX"}:
        return image.convert("RGB" if image.mode == "RGBX" else "RGBA")
    return image


def _scale_to_byte(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Map sixteen bits, or floating point from 0 to 1 (else from least to greatest), to 0…255."""
    # In place: each copy would be as large as the picture.
    if np.issubdtype(values.dtype, np.floating):
        scaled = np.nan_to_num(values)
        low, high = min(0.0, float(scaled.min())), max(1.0, float(scaled.max()))
        scaled -= low
        scaled *= _OPAQUE / (high - low)
    else:
        scaled = values // 256
        np.clip(scaled, 0, _OPAQUE, out=scaled)
    eight_bits: NDArray[np.uint8] = scaled.astype(np.uint8)
    return eight_bits


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB by the embedded profile; one that is broken or of other channels counts as none."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colour = image.convert("RGB") if alpha is not None else image
    converted = None
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(colour, source, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None
    if converted is None and colour.mode == "LAB":
        converted = _lab_to_srgb(colour)
    result = converted or (colour if colour.mode == "RGB" else colour.convert("RGB"))
    if alpha is not None:
        result.putalpha(alpha)
    return result


def _lab_to_srgb(image: Image.Image) -> Image.Image:
    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _SRGB, outputMode="RGB")
    return converted or image.convert("L").convert("RGB")


def _drop_idle_alpha(image: Image.Image) -> Image.Image:
    """Give up an alpha channel that hides nothing: the picture is opaque, and so are its thumbs."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == _OPAQUE:
        return image.convert("RGB")
    return image
