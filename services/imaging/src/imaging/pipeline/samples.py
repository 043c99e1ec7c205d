"""Samples: deep, two-colour, palette and keyed pictures at eight bits a channel, with what they say of transparency."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

_GREY = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
_DEEP = _GREY - {"1", "L", "LA", "La"}
_OPAQUE = 255
# What a step of the stored samples is in eight bits, where Pillow spreads the samples but not the key.
_SPREAD = {"L;2": 85, "L;4": 17}
# What deep samples are divided by to fit into a byte.
_TWELVE_BITS, _SIXTEEN_BITS = 16, 256


def stored_as(image: Image.Image) -> str:
    """Tell how the file of IMAGE, not loaded yet, stores its samples, as Pillow names it: `L;4`, `RGB;16B`."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0].args if tiles else None
    return arguments if isinstance(arguments, str) else str(arguments[0]) if arguments else ""


def is_grey(image: Image.Image, stored: str) -> bool:
    """Tell whether IMAGE, which STORED samples so, has no colours; sixteen bits with alpha are held as if it had."""
    return image.mode in _GREY or stored == "LA;16B"


def to_eight_bits(image: Image.Image, stored: str) -> Image.Image:
    """Bring IMAGE, loaded from samples STORED so, to L, RGB, RGBA, CMYK, YCbCr or LAB."""
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


def _in_eight_bits(key: int | tuple[int, ...], stored: str) -> int | tuple[int, ...]:
    """Give KEY, the colour that stands for nothing, as it looks once Pillow has read its samples."""
    if isinstance(key, int):
        return key * _SPREAD.get(stored, 1)
    # Pillow reads the upper halves of sixteen bits alone: what differs from the key in the lower ones goes with it.
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
    """Map whole numbers by STEP, and floating point from 0 to 1 (else from least to greatest), to 0…255."""
    # In place: each copy would be as large as the picture.
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
    """Tell whether a deep TIFF counts from white to black; Pillow turns those of eight bits only."""
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    )
