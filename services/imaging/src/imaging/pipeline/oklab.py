"""OKLab, a colour space in which distances match perceived differences.

Björn Ottosson, "A perceptual color space for image processing" (2020), with the sRGB transfer function of
IEC 61966-2-1. Arrays have the channels last.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_K1, _K2 = 0.206, 0.03
_K3 = (1 + _K1) / (1 + _K2)
_LAB_TO_LMS = np.linalg.inv(_LMS_TO_LAB)
_LMS_TO_RGB = np.linalg.inv(_RGB_TO_LMS)


def linear_srgb(encoded: Floats) -> Floats:
    """Return the linear light of sRGB samples in 0…1."""
    low = encoded <= 0.04045  # noqa: PLR2004 - the standard's own number
    return np.where(low, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def encoded_srgb(light: Floats) -> NDArray[np.uint8]:
    """Return linear light in sRGB, 0…255; what is outside of 0…1 is clipped."""
    linear = np.clip(light, 0.0, 1.0)
    encoded = np.where(
        linear <= 0.0031308,  # noqa: PLR2004 - the standard's own number
        linear * 12.92,
        1.055 * linear ** (1 / 2.4) - 0.055,
    )
    return np.rint(encoded * 255.0).astype(np.uint8)


_LINEAR = linear_srgb(np.arange(256) / 255.0)


def from_srgb(rgb: NDArray[np.uint8]) -> Floats:
    """Return sRGB colours, 0…255, in OKLab."""
    lab: Floats = np.cbrt(_LINEAR[rgb] @ _RGB_TO_LMS.T) @ _LMS_TO_LAB.T
    return lab


def to_srgb(lab: Floats) -> NDArray[np.uint8]:
    """Return OKLab colours in sRGB, 0…255; colours outside of sRGB are clipped."""
    return encoded_srgb((lab @ _LAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T)


def eased(lab: Floats) -> Floats:
    """Return OKLab colours with their lightness as Okhsl estimates it (Ottosson, 2021), and chroma in proportion.

    OKLab tells dark colours apart that nobody does: #000000 and #0a0a0a differ in it as much as two clear greys.
    """
    lightness = lab[:, :1]
    inner = _K3 * lightness - _K1
    estimated = 0.5 * (inner + np.sqrt(inner**2 + 4 * _K2 * _K3 * lightness))
    scaled: Floats = lab * np.divide(estimated, lightness, out=np.zeros_like(lightness), where=lightness > 0)
    return scaled


def uneased(lab: Floats) -> Floats:
    """Return the OKLab colours of which `eased` makes `lab`."""
    estimated = lab[:, :1]
    lightness = (estimated**2 + _K1 * estimated) / (_K3 * (estimated + _K2))
    scaled: Floats = lab * np.divide(lightness, estimated, out=np.zeros_like(lightness), where=estimated > 0)
    return scaled
