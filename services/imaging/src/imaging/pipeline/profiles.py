"""Profiles: from the colour space of a picture, as its ICC profile or else its mode defines it, to sRGB."""

import io
import struct

from PIL import Image, ImageCms

from imaging.pipeline.boxes import Numbers

_SRGB = ImageCms.createProfile("sRGB")
_LAB = ImageCms.createProfile("LAB")
_TAGS_AT = 128  # where a profile's table of tags is
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


def to_srgb(image: Image.Image, profile: bytes | None, *, grey: bool) -> Image.Image:
    """Return `image` (L, RGB, RGBA, CMYK, YCbCr or LAB) in sRGB, as RGB.

    RGBA stays RGBA; YCbCr without `profile` stays YCbCr. A `profile` that is broken, or made for other channels, is
    ignored. `grey` says that the file stores grey samples, whatever mode Pillow holds them in: the profile may then be
    one for grey or one for RGB.
    """
    if image.mode == "YCbCr" and not profile:
        return image
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colour = image.convert("RGB") if image.mode in {"RGBA", "YCbCr"} else image
    result = _by_profile(colour, profile, grey=grey) if profile else None
    if result is None and colour.mode == "LAB":
        result = ImageCms.profileToProfile(colour, _LAB, _SRGB, outputMode="RGB")
    result = result or colour.convert("RGB")
    if alpha is not None:
        result.putalpha(alpha)
    return result


def numbers(profile: bytes) -> Numbers | None:
    """Return the numbers of the colour space that a `cicp` tag of `profile` tells (ICC.1:2022), None if it has none."""
    (count,) = struct.unpack_from(">I", profile, _TAGS_AT) if len(profile) >= _TAGS_AT + 4 else (0,)
    for at in range(_TAGS_AT + 4, min(_TAGS_AT + 4 + 12 * count, len(profile) - 11), 12):
        name, offset, size = struct.unpack_from(">4sII", profile, at)
        if name == b"cicp" and size >= 12 and offset + 12 <= len(profile):  # noqa: PLR2004 - a header, then four bytes
            return Numbers(profile[offset + 8], profile[offset + 9])
    return None


def _by_profile(image: Image.Image, profile: bytes, *, grey: bool) -> Image.Image | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space)
        if mode != image.mode and not (grey and mode in {"L", "RGB"}):
            return None
        return ImageCms.profileToProfile(image.convert(mode), source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
