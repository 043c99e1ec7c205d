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
_LAB_TO_LMS = np.linalg.inv(_LMS_TO_LAB)
_LMS_TO_RGB = np.linalg.inv(_RGB_TO_LMS)


def _linear(encoded: Floats) -> Floats:
    low = encoded <= 0.04045  # noqa: PLR2004 - the standard's own number
    return np.where(low, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


_LINEAR = _linear(np.arange(256) / 255.0)


def from_srgb(rgb: NDArray[np.uint8]) -> Floats:
    """Return sRGB colours, 0…255, in OKLab."""
    lab: Floats = np.cbrt(_LINEAR[rgb] @ _RGB_TO_LMS.T) @ _LMS_TO_LAB.T
    return lab


def to_srgb(lab: Floats) -> NDArray[np.uint8]:
    """Return OKLab colours in sRGB, 0…255; colours outside of sRGB are clipped."""
    linear = np.clip((lab @ _LAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T, 0.0, 1.0)
    encoded = np.where(
        linear <= 0.0031308,  # noqa: PLR2004 - the standard's own number
        linear * 12.92,
        1.055 * linear ** (1 / 2.4) - 0.055,
    )
    return np.rint(encoded * 255.0).astype(np.uint8)
