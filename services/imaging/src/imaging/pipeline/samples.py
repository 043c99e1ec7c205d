"""Samples: pictures of other depths, of two colours or with a palette, brought to eight bits, with transparency."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

_GREY = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
_DEEP = _GREY - {"1", "L", "LA", "La"}
_OPAQUE = 255
# Pillow spreads samples of two and four bits over 0…255, but not the colour key: it has to be multiplied by this.
_SPREAD = {"L;2": 85, "L;4": 17}
# Deep samples are divided by this to fit into a byte.
_TWELVE_BITS, _SIXTEEN_BITS = 16, 256


def stored_as(image: Image.Image) -> str:
    """Return how the file of `image`, which must not be loaded yet, stores its samples: Pillow's `L;4`, `RGB;16B`."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0].args if tiles else None
    return arguments if isinstance(arguments, str) else str(arguments[0]) if arguments else ""


def is_grey(image: Image.Image, stored: str) -> bool:
    """Return whether the file of `image` has grey samples. Deep grey with alpha is held as if in colour."""
    return image.mode in _GREY or stored in {"LA;16B", "grey"}


def to_eight_bits(image: Image.Image, stored: str) -> Image.Image:
    """Return `image`, which is loaded from samples `stored` so, as L, RGB, RGBA, CMYK, YCbCr or LAB."""
    key = image.info.get("transparency")
    if image.mode in _DEEP:
        return _to_byte(image, key, stored)
    if image.mode == "P":
        return image.convert("RGB" if key is None else "RGBA")
    if image.mode == "1":
        image = image.convert("L")
    if key is not None:
        image.info["transparency"] = _in_eight_bits(key, stored)
        return image.convert("RGBA")
    if image.mode in {"LA", "La", "PA", "RGBa"}:
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode == "RGBX" else image


def transparent_outside(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Return `image`, a GIF that `to_eight_bits` returned, as RGBA with nothing outside of `box`."""
    if image.mode == "RGBA":  # one with a transparent colour, with which Pillow fills the rest
        return image
    image = image.convert("RGB") if image.mode != "RGB" else image
    covered = Image.new("L", image.size)
    covered.paste(_OPAQUE, box)
    image.putalpha(covered)  # in place: a copy of a large canvas would take as much memory again
    return image


def _in_eight_bits(key: int | tuple[int, ...], stored: str) -> int | tuple[int, ...]:
    """Return `key`, the colour that means transparent, in the samples that Pillow makes of the file's."""
    if isinstance(key, int):
        return key * _SPREAD.get(stored, 1)
    # Pillow reads only the upper bytes of sixteen bits: colours that equal the key in those become transparent too.
    return tuple(sample // _SIXTEEN_BITS for sample in key) if ";16" in stored else key


def _to_byte(image: Image.Image, key: int | None, stored: str) -> Image.Image:
    values = np.asarray(image)
    grey = Image.fromarray(_scaled(values, _TWELVE_BITS if stored == "I;12" else _SIXTEEN_BITS))
    if _is_white_at_zero(image):
        grey = grey.point(lambda value: _OPAQUE - value)
    if key is None:
        return grey
    alpha = np.where(values == key, np.uint8(0), np.uint8(_OPAQUE))
    return Image.merge("RGBA", (grey, grey, grey, Image.fromarray(alpha)))


def _scaled(values: NDArray[Any], step: int) -> NDArray[np.uint8]:
    """Map integers, divided by `step`, to 0…255; floating point from 0…1, or from its own wider range."""
    # In place where it can be: each copy is as large as the picture.
    if np.issubdtype(values.dtype, np.floating):
        scaled = np.nan_to_num(values)
        low, high = min(0.0, float(scaled.min())), max(1.0, float(scaled.max()))
        scaled -= low
        scaled *= _OPAQUE / (high - low)
    else:
        scaled = values // step
        np.clip(scaled, 0, _OPAQUE, out=scaled)
    eight_bits: NDArray[np.uint8] = scaled.astype(np.uint8)
    return eight_bits


def _is_white_at_zero(image: Image.Image) -> bool:
    """Return whether `image` is a TIFF in which 0 is white; Pillow inverts only those of up to eight bits."""
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    )
