"""Colour spaces that a picture tells by numbers instead of by a profile: of ITU-T H.273, or a gamma and primaries.

In PQ and HLG (ITU-R BT.2100) a picture may be brighter than white, which BT.2408 puts at 203 cd/m². Its bright half is
compressed into sRGB; the rest stays as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from imaging.pipeline.boxes import Numbers
from imaging.pipeline.oklab import Floats, encoded_srgb, linear_srgb

_D65 = (0.3127, 0.3290)
_SRGB_PRIMARIES = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
# The white point, then red, green and blue, each as x and y.
_PRIMARIES = {
    1: _SRGB_PRIMARIES,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_PQ, _HLG, _LINEAR = 16, 18, 8
_GAMMAS = {4: 2.2, 5: 2.8}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_WHITE = 203.0
_PEAK = 1000.0
_KNEE = 0.5  # linear light that stays as it is; above it, up to _PEAK, it is compressed
_LUMA = np.array([0.2627, 0.6780, 0.0593])
_ALIKE = 0.05  # a gamma that differs less from sRGB's is taken for it (PNG's reference decoder does so)
_USUAL_GAMMA = 2.2
_SAMPLES = np.arange(256) / 255.0
_BAND_ROWS = 64  # rows that are converted at a time: in floating point a large picture would take much memory

Primaries = tuple[float, ...]


@dataclass(frozen=True)
class ColourSpace:
    """A colour space; `curve` makes linear light of samples in 0…1, where 1 is white.

    `is_of_scene` says that this is the light that a camera met, of which a display makes its own (HLG).
    """

    primaries: Primaries
    curve: Callable[[Floats], Floats]
    is_brighter_than_white: bool = False
    is_of_scene: bool = False

    def to_srgb(self, image: Image.Image) -> Image.Image:
        """Return `image` (L, RGB or RGBA), which is in this space, in sRGB, as RGB or RGBA."""
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        result = image.convert("RGB")
        light_of, matrix = self.curve(_SAMPLES), np.linalg.inv(_to_xyz(_SRGB_PRIMARIES)) @ _to_xyz(self.primaries)
        for top in range(0, result.height, _BAND_ROWS):
            band = result.crop((0, top, result.width, min(top + _BAND_ROWS, result.height)))
            light = light_of[np.asarray(band)]
            if self.is_of_scene:
                light = _displayed(light)
            if self.is_brighter_than_white:
                light = _compressed(light)
            result.paste(Image.fromarray(encoded_srgb(light @ matrix.T)), (0, top))
        if alpha is not None:
            result.putalpha(alpha)
        return result


def by_numbers(numbers: Numbers | None) -> ColourSpace | None:
    """Return the space that `numbers` stand for; None for sRGB, those much like it, and unknown ones.

    The curves of television (BT.709 and its like) are taken for sRGB's, as viewers do.
    """
    if numbers is None:
        return None
    primaries = _PRIMARIES.get(numbers.primaries, _SRGB_PRIMARIES)
    if numbers.transfer in {_PQ, _HLG}:
        is_of_scene = numbers.transfer == _HLG
        return ColourSpace(
            primaries, _hlg if is_of_scene else _pq, is_brighter_than_white=True, is_of_scene=is_of_scene
        )
    if numbers.transfer == _LINEAR:
        return ColourSpace(primaries, lambda samples: samples)
    if numbers.transfer in _GAMMAS:
        gamma = _GAMMAS[numbers.transfer]
        return ColourSpace(primaries, lambda samples: samples**gamma)
    return None if numbers.primaries in {1, 5, 6, 7, 22} or primaries == _SRGB_PRIMARIES else _like_srgb(primaries)


def by_gamma(gamma: float | None, primaries: Primaries | None) -> ColourSpace | None:
    """Return the space of a PNG with a gAMA chunk of `gamma` and a cHRM chunk of `primaries`; None for sRGB."""
    chromatic = primaries if primaries is not None and _are_sensible(primaries) else _SRGB_PRIMARIES
    if not gamma or gamma <= 0 or abs(1 / (gamma * _USUAL_GAMMA) - 1) < _ALIKE:
        is_srgb = max(abs(one - other) for one, other in zip(chromatic, _SRGB_PRIMARIES, strict=True)) < 0.002  # noqa: PLR2004
        return None if is_srgb else _like_srgb(chromatic)
    exponent = 1 / gamma
    return ColourSpace(chromatic, lambda samples: samples**exponent)


def _like_srgb(primaries: Primaries) -> ColourSpace:
    return ColourSpace(primaries, linear_srgb)


def _are_sensible(primaries: Primaries) -> bool:
    if len(primaries) != len(_SRGB_PRIMARIES) or min(primaries[1::2]) <= 0:
        return False
    return bool(abs(np.linalg.det(_xyz(primaries[2:]))) > 1e-3)  # noqa: PLR2004 - three that lie on a line span nothing


def _xyz(chromaticities: Primaries) -> Floats:
    """Return the XYZ of each of `chromaticities`, pairs of x and y, in columns, for a luminance of 1."""
    x, y = np.array(chromaticities[0::2]), np.array(chromaticities[1::2])
    columns: Floats = np.array([x / y, np.ones(len(x)), (1 - x - y) / y])
    return columns


def _to_xyz(primaries: Primaries) -> Floats:
    """Return the matrix from linear light of `primaries` to XYZ, with their white turned into D65's (Bradford)."""
    white, colours = _xyz(primaries[:2])[:, 0], _xyz(primaries[2:])
    matrix = colours * np.linalg.solve(colours, white)
    ratio = (_BRADFORD @ _xyz(_D65)[:, 0]) / (_BRADFORD @ white)
    adapted: Floats = np.linalg.inv(_BRADFORD) @ np.diag(ratio) @ _BRADFORD @ matrix
    return adapted


def _pq(samples: Floats) -> Floats:
    """Return linear light of samples by SMPTE ST 2084."""
    root = samples ** (1 / 78.84375)
    light: Floats = (
        10_000 / _WHITE * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    )
    return light


def _hlg(samples: Floats) -> Floats:
    """Return the linear light of the scene, up to 1, of samples by BT.2100's HLG."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(samples <= 0.5, samples**2 / 3, (np.exp((samples - c) / a) + b) / 12)  # noqa: PLR2004


def _displayed(scene: Floats) -> Floats:
    """Return what a display of _PEAK cd/m² makes of the light of a scene (BT.2100, HLG)."""
    luminance = np.maximum(scene @ _LUMA, 1e-9)[..., None]
    light: Floats = _PEAK / _WHITE * scene * luminance**0.2
    return light


def _compressed(light: Floats) -> Floats:
    """Return `light` compressed to 0…1, each colour as a whole so that hues stay (Reinhard, 2002, above a knee)."""
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-9)
    above = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE)
    most = (_PEAK / _WHITE - _KNEE) / (1 - _KNEE)
    target = np.where(brightest <= _KNEE, brightest, _KNEE + (1 - _KNEE) * above * (1 + above / most**2) / (1 + above))
    compressed: Floats = light * np.minimum(target, 1.0) / brightest
    return compressed
