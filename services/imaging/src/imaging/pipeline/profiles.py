"""Profiles: from the colours that a picture's ICC profile speaks of, or its mode alone, to sRGB."""

import io

from PIL import Image, ImageCms

_SRGB = ImageCms.createProfile("sRGB")
_LAB = ImageCms.createProfile("LAB")
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


def to_srgb(image: Image.Image, profile: bytes | None, *, grey: bool) -> Image.Image:
    """Convert IMAGE (L, RGB, RGBA, CMYK, YCbCr or LAB) to sRGB: RGB, RGBA if it was, YCbCr if it was without PROFILE.

    A PROFILE that is broken, or made for other channels, counts as none. GREY tells that the picture was stored as
    grey, whatever it is held as: its profile is one of grey then, or one of colours in which it has no colour.
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


def _by_profile(image: Image.Image, profile: bytes, *, grey: bool) -> Image.Image | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space)
        if mode != image.mode and not (grey and mode in {"L", "RGB"}):
            return None
        return ImageCms.profileToProfile(image.convert(mode), source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
