"""Profiles: from the colour space of a picture, as its ICC profile or else its mode defines it, to sRGB."""

import io

from PIL import Image, ImageCms

_SRGB = ImageCms.createProfile("sRGB")
_LAB = ImageCms.createProfile("LAB")
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


def _by_profile(image: Image.Image, profile: bytes, *, grey: bool) -> Image.Image | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space)
        if mode != image.mode and not (grey and mode in {"L", "RGB"}):
            return None
        return ImageCms.profileToProfile(image.convert(mode), source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
